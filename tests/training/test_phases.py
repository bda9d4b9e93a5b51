"""Where the seconds of a step go, the line of a long step, and what a run says of its end and its memory."""

import json
import time

import pytest
from tests.workshop import Workshop

from reeltune.training.announce import end
from reeltune.training.phases import Heartbeat, Phases


def test_a_phase_within_another_counts_for_itself_alone() -> None:
    now = 100.0
    phases = Phases(lambda: now)
    phases.begin(1)
    now += 1
    with phases("rollout"):
        now += 2
        with phases("rewards"):
            assert phases.now == "rewards"
            now += 5
        assert phases.now == "rollout"
        now += 20
    now += 1
    with phases("rollout"):
        now += 200
    assert phases.seconds == {"rollout": 222.0, "rewards": 5.0}
    assert phases.now == "between phases"
    phases.begin(2)
    assert phases.seconds == {}


def test_a_long_step_says_what_it_is_doing(capsys: pytest.CaptureFixture[str]) -> None:
    phases = Phases()
    with Heartbeat(phases, interval=0.1):
        phases.begin(3)
        with phases("rollout"):
            said = ""
            while said.count("\n") < 2:  # however late a busy machine is
                time.sleep(0.01)
                said += capsys.readouterr().err
                assert time.monotonic() - phases.began < 60
        lasted = time.monotonic() - phases.began
        phases.begin(4)  # short steps are not spoken of
    said = (said + capsys.readouterr().err).splitlines()
    assert 2 <= len(said) <= lasted / 0.1
    assert all(line.startswith("reeltune: step 3: rollout, ") for line in said)


def test_a_quiet_run_has_no_heartbeat(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELTUNE_QUIET", "1")
    phases = Phases()
    with Heartbeat(phases, interval=0.02):
        phases.begin(1)
        time.sleep(0.1)
    end(3.0, 10)
    assert capsys.readouterr().err == ""


def test_a_run_tells_memory_end_tokens_and_cost(workshop: Workshop) -> None:
    said = workshop.train("run", "rl.steps=2", "eval.every=0", "checkpoint.every=0")
    assert "memory of each process, at most:" in said
    assert "the first step took" in said and "until 20" in said
    rows = [json.loads(line) for line in (workshop.folder / "run" / "timings.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    for row in rows:
        phases = {name: value for name, value in row.items() if name.startswith("seconds/")}
        assert set(phases) >= {f"seconds/{name}" for name in ("videos and prompts", "rollout", "rewards", "update")}
        assert 0.8 * row["seconds"] < sum(phases.values()) <= row["seconds"] + 0.01
        assert row["processor_seconds_per_group"] > 0 and row["tokens_per_second"] > 0
        assert "gpu_seconds_per_group" not in row
    rollouts = (workshop.folder / "run" / "rollouts" / "step-000001.jsonl").read_text().splitlines()
    metrics = workshop.metrics("run")[0]
    assert len(rollouts) == 4 and metrics["tokens"] > 4 * 4 * metrics["completion_tokens"]


def test_supervised_steps_count_too(workshop: Workshop) -> None:
    workshop.train("sft", "method=sft", "sft.steps=1", "eval.every=0", "checkpoint.every=0")
    [row] = [json.loads(line) for line in (workshop.folder / "sft" / "timings.jsonl").read_text().splitlines()]
    assert row["seconds/update"] > 0 and row["processor_seconds_per_group"] > 0
    assert workshop.metrics("sft")[0]["tokens"] > 0
