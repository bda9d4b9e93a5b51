"""A checkpoint is finished behind the run: it holds what stood then, and the older one counts until it is whole."""

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reeltune.cli import main
from reeltune.config.model import AdapterConfig
from reeltune.config.recipe import OptimConfig
from reeltune.errors import InputError
from reeltune.models.adapter import install
from reeltune.models.policy import Policy, load_policy
from reeltune.training import checkpoint as module
from reeltune.training.behind import Behind
from reeltune.training.checkpoint import list_checkpoints, newest_whole, save_checkpoint
from reeltune.training.learner import Learner
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


class Gated(Behind):
    """Begins its work once `gate` is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def start(self, finish: Callable[[], None]) -> None:
        def late() -> None:
            assert self.gate.wait(30)
            finish()

        super().start(late)


@pytest.mark.parametrize("adapted", [False, True])
def test_asynchronous_writing_holds_what_stood_when_it_began(tiny_models: Any, tmp_path: Path, adapted: bool) -> None:
    """Training goes on in place, before a byte is written; the file holds the step's own weights and moments."""
    policy = load_policy(tiny_models("qwen3_vl"), self_check=False)
    if adapted:
        install(policy, AdapterConfig(rank=2))
    optimizer = make_optimizer(policy, OptimConfig(lr=1e-2))
    step(policy, optimizer)
    wanted = {name: value.clone() for name, value in policy.model.state_dict().items()}
    behind = Gated()
    save_checkpoint(tmp_path, 1, policy, optimizer, keep=1, behind=behind, asynchronous=True)
    step(policy, optimizer)
    changed = [name for name, value in policy.model.state_dict().items() if not torch.equal(value, wanted[name])]
    assert changed and list_checkpoints(tmp_path) == [] and not list(tmp_path.rglob("*.safetensors"))
    behind.gate.set()
    behind.wait()
    file = "adapter/adapter_model.safetensors" if adapted else "model/model.safetensors"
    saved = load_file(tmp_path / "step-000001" / file)
    held = {name.removeprefix("base_model.model."): value for name, value in saved.items()}
    plain = {name.replace(".default.", "."): value for name, value in wanted.items()}
    assert held and all(torch.equal(value, plain[name]) for name, value in held.items())
    moments = load_file(tmp_path / "step-000001" / "optimizer.safetensors")
    assert {float(value) for name, value in moments.items() if name.endswith("::step")} == {1.0}


def test_a_directory_tells_the_dtype_of_its_weights_whatever_the_model_computes_in(
    tiny_models: Any, tmp_path: Path
) -> None:
    """A sharded model's weights are gathered in `param_dtype` for a pass, while its float32 weights are written."""
    policy = load_policy(tiny_models("qwen3_vl"), self_check=False)
    before = json.dumps(policy.config.to_dict(), default=str)
    policy.save(tmp_path / "plain")
    weights = policy.collect(apart=True)
    policy.model.to(torch.bfloat16)
    policy.write(tmp_path / "meanwhile", weights)
    plain, meanwhile = ((tmp_path / each / "config.json").read_text() for each in ("plain", "meanwhile"))
    assert json.loads(meanwhile)["dtype"] == "float32" and meanwhile == plain
    assert {each.dtype for each in load_file(tmp_path / "meanwhile" / "model.safetensors").values()} == {torch.float32}
    assert json.dumps(policy.config.to_dict(), default=str) == before, "the live config stays as it was"


def test_a_run_that_fails_waits_for_its_checkpoint_and_a_full_disk_ends_it_at_once(
    workshop: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    settings = ["checkpoint.every=1", "checkpoint.asynchronous=true", "eval.every=0", "rl.steps=3"]
    write = module.write_manifest

    def slow(*args: Any, **kwargs: Any) -> None:
        time.sleep(1.0)
        write(*args, **kwargs)

    def fails(*_: Any, **__: Any) -> None:
        raise InputError("no second step")

    monkeypatch.setattr(module, "write_manifest", slow)
    update = Learner.update
    monkeypatch.setattr(Learner, "update", lambda self, n, *rest: (fails if n else update)(self, n, *rest))
    assert main(workshop.command("failed", *settings)[3:]) == 2
    assert [path.name for path in list_checkpoints(workshop.folder / "failed" / "checkpoints")] == ["step-000001"]
    monkeypatch.setattr(Learner, "update", update)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_manifest", full)
    assert main(workshop.command("full", *settings, "rl.steps=40", "checkpoint.every=6")[3:]) == 2
    assert "No space left" in capsys.readouterr().err
    assert 6 <= len(workshop.metrics("full")) < 12, "before the next checkpoint is due"


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
