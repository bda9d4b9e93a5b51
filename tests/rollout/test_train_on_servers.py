"""`reeltune train` over fake servers: the synchronous run bit for bit, one step ahead, resume, poison, none left."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.rollout.fake_server import FakeServer

from reeltune.cli import main

Servers = Callable[[int], list[FakeServer]]
OFF = {"staleness", "mismatch_kl", "correction_mean", "clipped_share"}


def words(fakes: list[FakeServer], *more: str) -> list[str]:
    urls = ",".join(each.url for each in fakes)
    return ["rollout.engine=vllm", f"rollout.servers=[{urls}]", "rollout.timeout_s=60", "eval.every=0", *more]


def run(workshop: Any, name: str, *overrides: str, code: int = 0, resume: bool = False) -> list[dict[str, Any]]:
    options = ["--resume"] if resume else []
    assert main([*workshop.command(name, *overrides)[3:], *options]) == code
    return list(workshop.metrics(name)) if (workshop.folder / name / "metrics.jsonl").exists() else []


def without(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in OFF} for row in rows]


def test_synchronous_rollouts_of_servers_are_the_run_without_servers(workshop: Any, servers: Servers) -> None:
    """Staleness 0: the same completions, losses, gradients, to the last digit; parity told at every step."""
    plain = run(
        workshop, "plain", "rl.steps=3", "eval.every=0", "packing.rollout_tokens=65536", "packing.train_tokens=64"
    )
    found = run(workshop, "served", *words(servers(2), "rl.steps=3", "packing.train_tokens=64"))
    assert without(found) == plain and len(found) == 3
    for row in found:
        assert row["staleness"] == 0.0 and abs(row["mismatch_kl"]) < 1e-6 and abs(row["correction_mean"] - 1) < 1e-4
    stored = [workshop.folder / name / "rollouts" / "step-000003.jsonl" for name in ("plain", "served")]
    assert stored[0].read_bytes() == stored[1].read_bytes()
    timings = [json.loads(line) for line in (workshop.folder / "served" / "timings.jsonl").read_text().splitlines()]
    assert all("seconds/publishing weights" in row for row in timings)
    # What was published is removed when the run ends.
    assert not (workshop.folder / "served" / "published").exists()


@pytest.mark.parametrize("correction", ["none", "truncated"])
def test_one_step_ahead_is_the_same_with_servers_and_without(correction: str, workshop: Any, servers: Servers) -> None:
    """What is drawn ahead comes from the weights of one update ago: the engine without servers says which they are."""
    ahead = ["rl.steps=3", "rollout.max_staleness=1", f"rl.correction={correction}", "rl.correction_cap=1.05"]
    own = run(workshop, "own", "eval.every=0", *ahead)
    found = run(workshop, "served", *words(servers(2), *ahead))
    assert [row["staleness"] for row in found] == [0.0, 1.0, 1.0] == [row["staleness"] for row in own]
    for ours, theirs in zip(own, found, strict=True):
        assert ours.keys() == theirs.keys()
        assert ours["reward"] == theirs["reward"] and ours["completion_tokens"] == theirs["completion_tokens"]
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-5)
        assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-3)
    # One update of 1e-3 moves these weights: rollouts of before it are not the learner's any more.
    assert found[-1]["mismatch_kl"] > 1e-6 and found[-1]["correction_mean"] != 1.0


def test_a_run_ahead_is_resumed_exactly(workshop: Any) -> None:
    """What was drawn ahead of a checkpoint came from weights that are gone: the checkpoint holds it."""
    ahead = ["rollout.max_staleness=2", "eval.every=0", "checkpoint.every=2", "checkpoint.keep=9"]
    whole = run(workshop, "whole", "rl.steps=5", *ahead)
    state = json.loads((workshop.folder / "whole" / "checkpoints" / "step-000002" / "state.json").read_text())
    assert [each["step"] for each in state["drawn_ahead"]] == [2, 3]
    run(workshop, "cut", "rl.steps=5", *ahead)
    for step in (4, 5):
        checkpoint = workshop.folder / "cut" / "checkpoints" / f"step-{step:06d}"
        checkpoint.rename(workshop.folder / f"gone-{step}")
    assert run(workshop, "cut", "rl.steps=5", *ahead, resume=True) == whole
    last = "checkpoints/step-000005/model/model.safetensors"
    assert (workshop.folder / "cut" / last).read_bytes() == (workshop.folder / "whole" / last).read_bytes()


def test_a_poisonous_sample_is_set_aside_and_the_run_goes_on(workshop: Any, servers: Servers) -> None:
    fakes = servers(3)
    rows = [json.loads(line) for line in workshop.samples.read_text().splitlines()]
    rows[0]["instruction"] = "Say nightshade."
    workshop.samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for each in fakes:
        each.poison = "nightshade"
    found = run(workshop, "run", *words(fakes, "rl.steps=3", "rollout.timeout_s=60", "video.max_broken_share=0.2"))
    assert len(found) == 3 and found[-1]["quarantined"] == 1.0
    [line] = (workshop.folder / "run" / "quarantine.jsonl").read_text().splitlines()
    assert json.loads(line)["id"] == "clip-0" and "2 servers died" in json.loads(line)["reason"]
    timings = (workshop.folder / "run" / "timings.jsonl").read_text()
    assert "rollouts/lost servers" in timings and sum(each.dead for each in fakes) == 2


@pytest.mark.slow
def test_none_left_saves_and_says_so_by_its_exit_code(workshop: Any, servers: Servers, capsys: Any) -> None:
    """The only server dies in the third step; when it is back, --resume gives the run that never lost it."""
    more = ["rl.steps=4", "rollout.timeout_s=10", "checkpoint.every=9"]
    whole = run(workshop, "whole", *words(servers(1), *more))
    [fake] = servers(1)
    killed = threading.Event()

    def kill_in_step_3() -> None:
        path = workshop.folder / "cut" / "metrics.jsonl"
        while not path.exists() or len(path.read_text().splitlines()) < 2:
            time.sleep(0.01)
        fake.kill()
        killed.set()

    thread = threading.Thread(target=kill_in_step_3, daemon=True)
    thread.start()
    run(workshop, "cut", *words([fake], *more), code=75)
    assert killed.is_set() and "0 of 1 servers answered" in capsys.readouterr().err
    done = len(workshop.metrics("cut"))
    assert 2 <= done < 4
    assert (workshop.folder / "cut" / "checkpoints" / f"step-{done:06d}").is_dir()
    fake.restart()
    assert run(workshop, "cut", *words([fake], *more), resume=True) == whole


@pytest.mark.slow
def test_two_processes_share_servers(workshop: Any, servers: Servers) -> None:
    """Each asks for its own groups, one publishes: the numbers of one process, to rounding. Slow: processes start."""
    fakes = servers(2)
    more = words(fakes, "rl.steps=3", "rollout.max_staleness=1", "rollout.timeout_s=30")
    workshop.train("two", *more, processes=2)
    alone = run(workshop, "one", *more)
    for ours, theirs in zip(alone, workshop.metrics("two"), strict=True):
        assert ours.keys() == theirs.keys() and ours["staleness"] == theirs["staleness"]
        assert ours["reward"] == pytest.approx(theirs["reward"], abs=1e-6)
        assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-4)
