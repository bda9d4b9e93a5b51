"""A run that skips and replaces prompts: counted, resumed after a kill bit for bit, equal on two processes."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from reeltune.cli import main

SKIPPING = "rl.skipping={explore: 0.1, min_std: 0.12, max_resampled: 2}"


def rollouts(run: Path) -> list[list[dict[str, Any]]]:
    files = sorted((run / "rollouts").iterdir())
    return [[json.loads(line) for line in path.read_text().splitlines()] for path in files]


def test_counts_are_those_of_the_rollouts(workshop: Any) -> None:
    assert main(workshop.command("run", SKIPPING, "eval.every=0", "rl.steps=8")[3:]) == 0
    metrics = workshop.metrics("run")
    silent: dict[str, int] = {}
    skipped = replaced = 0
    for row, groups in zip(metrics, rollouts(workshop.folder / "run"), strict=True):
        thrown = [group for group in groups if group.get("replaced")]
        assert row["groups_resampled"] == len(thrown) <= 2
        assert row["rollouts"] == 4 * len(groups) and len(groups) == 4 + len(thrown)
        assert row["rollouts_saved"] == 4 * row["prompts_skipped"]
        assert all(not any(group["advantage"]) for group in thrown)
        assert len({group["id"] for group in groups}) == len(groups)
        skipped, replaced = skipped + row["prompts_skipped"], replaced + len(thrown)
        for group in groups:
            silent[group["id"]] = silent.get(group["id"], 0) + 1
    assert skipped > 0 and replaced > 0
    state = json.loads((workshop.folder / "run" / "checkpoints" / "step-000008" / "state.json").read_text())
    assert {name: trace["groups"] for name, trace in state["prompts"].items()} == silent


def test_off_means_that_nothing_of_it_is_written(workshop: Any) -> None:
    assert main(workshop.command("run", "eval.every=0", "rl.steps=1")[3:]) == 0
    assert not {"prompts_skipped", "rollouts"} & workshop.metrics("run")[0].keys()
    state = (workshop.folder / "run" / "checkpoints" / "step-000001" / "state.json").read_text()
    assert {name for name in json.loads(state)} == {"lines", "step"}


def test_a_killed_run_skips_what_one_never_stopped_skips(workshop: Any) -> None:
    settings = (SKIPPING, "eval.every=0", "rl.steps=8", "checkpoint.every=3")
    workshop.train("whole", *settings)
    run, whole = workshop.folder / "killed", workshop.folder / "whole"
    process = workshop.begin("killed", *settings)
    deadline = time.monotonic() + 120
    while not (run / "metrics.jsonl").exists() or (run / "metrics.jsonl").read_bytes().count(b"\n") < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    workshop.train("killed", "--resume", *settings)
    assert sum(row["prompts_skipped"] for row in workshop.metrics("whole")[5:]) > 0
    assert (run / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    for path in (whole / "rollouts").iterdir():
        assert (run / "rollouts" / path.name).read_bytes() == path.read_bytes()
    for name in ("model/model.safetensors", "state.json"):
        found = [folder / "checkpoints" / "step-000008" / name for folder in (run, whole)]
        assert found[0].read_bytes() == found[1].read_bytes()


@pytest.mark.parametrize("tokens", [200, 1])
def test_replacements_fit_the_passes_of_the_others(workshop: Any, tokens: int) -> None:
    """A step of several passes keeps no prompt of the rollout, also where the few replacements alone would fit."""
    assert main(workshop.command("one", SKIPPING, "eval.every=0", "rl.steps=4")[3:]) == 0
    several = f"packing.train_tokens={tokens}"
    assert main(workshop.command("several", SKIPPING, "eval.every=0", "rl.steps=4", several)[3:]) == 0
    assert sum(row["groups_resampled"] for row in workshop.metrics("one")) > 0
    for one, other in zip(workshop.metrics("one"), workshop.metrics("several"), strict=True):
        assert one == pytest.approx(other, abs=1e-5, rel=1e-4)


def test_two_processes_skip_and_replace_what_one_does(workshop: Any) -> None:
    # A tower that trains: a process whose groups all have a signal has nothing new to encode.
    settings = (SKIPPING, "eval.every=0", "model.freeze=[]")
    assert main(workshop.command("one", *settings)[3:]) == 0
    workshop.train("two", *settings, processes=2)
    one, two = workshop.metrics("one"), workshop.metrics("two")
    assert sum(row["groups_resampled"] for row in one) > 0 and sum(row["prompts_skipped"] for row in one) > 0
    for left, right in zip(one, two, strict=True):
        assert left == pytest.approx(right, abs=1e-5, rel=1e-4)
    for left, right in zip(rollouts(workshop.folder / "one"), rollouts(workshop.folder / "two"), strict=True):
        assert {group["id"]: group.get("replaced") for group in left} == {
            group["id"]: group.get("replaced") for group in right
        }
