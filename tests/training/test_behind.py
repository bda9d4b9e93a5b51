"""A checkpoint is finished behind the run: it holds what stood then, and the older one counts until it is whole."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reeltune.config.model import AdapterConfig
from reeltune.config.recipe import OptimConfig
from reeltune.models.adapter import install
from reeltune.models.policy import Policy, load_policy
from reeltune.training import checkpoint as module
from reeltune.training.checkpoint import Behind, list_checkpoints, newest_whole, save_checkpoint
from reeltune.training.optimizer import make_optimizer


@pytest.fixture
def trained(tiny_models: Any) -> tuple[Policy, torch.optim.Optimizer]:
    policy = load_policy(tiny_models("qwen3_vl"), self_check=False)
    optimizer = make_optimizer(policy, OptimConfig(lr=1e-3))
    step(policy, optimizer)
    return policy, optimizer


def step(policy: Policy, optimizer: torch.optim.Optimizer) -> None:
    for parameter in policy.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()


@pytest.mark.parametrize("adapted", [False, True])
def test_asynchronous_writing_holds_what_stood_when_it_began(
    tiny_models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adapted: bool
) -> None:
    """Training goes on in place, before a byte is written; the file holds the step's own weights and moments."""
    policy = load_policy(tiny_models("qwen3_vl"), self_check=False)
    if adapted:
        install(policy, AdapterConfig(rank=2))
    optimizer = make_optimizer(policy, OptimConfig(lr=1e-2))
    step(policy, optimizer)
    gate, written = threading.Event(), threading.Event()
    save = module.save_file

    def late(*args: Any, **kwargs: Any) -> None:
        assert gate.wait(30)
        save(*args, **kwargs)
        written.set()

    monkeypatch.setattr(module, "save_file", late)
    wanted = {name: value.clone() for name, value in policy.model.state_dict().items()}
    behind = Behind()
    save_checkpoint(tmp_path, 1, policy, optimizer, keep=1, behind=behind, asynchronous=True)
    step(policy, optimizer)
    changed = [name for name, value in policy.model.state_dict().items() if not torch.equal(value, wanted[name])]
    assert changed and not written.is_set() and list_checkpoints(tmp_path) == []
    gate.set()
    behind.wait()
    file = "adapter/adapter_model.safetensors" if adapted else "model/model.safetensors"
    saved = load_file(tmp_path / "step-000001" / file)
    held = {name.removeprefix("base_model.model."): value for name, value in saved.items()}
    plain = {name.replace(".default.", "."): value for name, value in wanted.items()}
    assert held and all(torch.equal(value, plain[name]) for name, value in held.items())
    moments = load_file(tmp_path / "step-000001" / "optimizer.safetensors")
    assert {float(value) for name, value in moments.items() if name.endswith("::step")} == {1.0}


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Manifests are written once it is open."""
    gate, write = threading.Event(), module.write_manifest

    def late(*args: Any, **kwargs: Any) -> None:
        assert gate.wait(30)
        write(*args, **kwargs)

    gate.set()
    monkeypatch.setattr(module, "write_manifest", late)
    return gate


def test_it_holds_what_stood_then_and_the_older_one_counts_until_it_is_whole(
    trained: Any, tmp_path: Path, gate: threading.Event
) -> None:
    policy, optimizer = trained
    behind = Behind()
    save_checkpoint(tmp_path, 1, policy, optimizer, keep=1, behind=behind)
    behind.wait()
    step(policy, optimizer)
    wanted = {name: value.clone() for name, value in policy.model.state_dict().items()}
    gate.clear()
    save_checkpoint(tmp_path, 2, policy, optimizer, keep=1, behind=behind)
    step(policy, optimizer)  # the run goes on, in place
    assert newest_whole(tmp_path, run=None) == (tmp_path / "step-000001", [])
    gate.set()
    behind.wait()
    assert list_checkpoints(tmp_path) == [tmp_path / "step-000002"]
    assert newest_whole(tmp_path, run=None) == (tmp_path / "step-000002", [])
    saved = load_file(tmp_path / "step-000002" / "model" / "model.safetensors")
    assert saved and all(torch.equal(saved[name], wanted[name]) for name in saved)
    moments = load_file(tmp_path / "step-000002" / "optimizer.safetensors")
    assert {float(value) for name, value in moments.items() if name.endswith("::step")} == {2.0}


def test_one_at_a_time_and_what_fails_is_raised(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    behind = Behind()
    save_checkpoint(tmp_path, 1, *trained, keep=2, behind=behind)
    behind.wait()
    monkeypatch.setattr(module, "write_manifest", full)
    save_checkpoint(tmp_path, 2, *trained, keep=2, behind=behind)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, 3, *trained, keep=2, behind=behind)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"], "nothing half-written is left"
    behind.wait()


def test_a_process_killed_meanwhile_leaves_the_older_one(trained: Any, tmp_path: Path, gate: threading.Event) -> None:
    save_checkpoint(tmp_path, 1, *trained, keep=2)
    gate.clear()
    child = os.fork()
    if child == 0:  # pragma: no cover
        save_checkpoint(tmp_path, 2, *trained, keep=2, behind=Behind())
        os._exit(7)  # as a kill: no thread ends its work
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
    assert newest_whole(tmp_path, run=None) == (tmp_path / "step-000001", [])
    assert len(list(tmp_path.iterdir())) == 2, "what the killed one left behind"
    gate.set()
    save_checkpoint(tmp_path, 2, *trained, keep=2)
    assert newest_whole(tmp_path, run=None) == (tmp_path / "step-000002", [])
