"""The gold completion in its group: where nothing sampled is as good, and in no metric of the policy."""

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from reeltune.tasks import get_task, load_samples

SETTINGS = ("eval.every=0", "rl.steps=2", "rl.updates_per_rollout=2")


def rollouts(run: Path) -> list[list[dict[str, Any]]]:
    files = sorted((run / "rollouts").iterdir())
    return [[json.loads(line) for line in path.read_text().splitlines()] for path in files]


@pytest.mark.parametrize("which", ["unsolved", "always"])
def test_a_group_takes_its_gold_completion(workshop: Any, which: str) -> None:
    workshop.train("run", f"rl.gold_in_group={which}", *SETTINGS)
    samples = {sample.id: sample for sample in load_samples(workshop.data)}
    taken = 0
    for row, groups in zip(workshop.metrics("run"), rollouts(workshop.folder / "run"), strict=True):
        sampled = []
        for group in groups:
            sample = samples[group["id"]]
            gold = get_task(sample.task).gold(sample, workshop.mode)
            has_gold = group.get("gold", False)
            taken += has_gold
            own = group["reward"][:-1] if has_gold else group["reward"]
            sampled += own
            if has_gold:
                assert group["texts"][-1] == gold and group["truncated"][-1] is False
                assert group["reward"][-1] >= max(own) and (which == "always" or group["reward"][-1] > max(own))
                assert group["advantage"][-1] == max(group["advantage"])
            else:
                assert which == "unsolved" and max(own) == pytest.approx(2.0, abs=0.02)
        assert row["groups_with_gold"] == sum(group.get("gold", False) for group in groups)
        assert row["reward"] == pytest.approx(fmean(sampled), rel=1e-5)
        assert row["groups_without_signal"] == 0 or which == "unsolved"
    assert taken > 0, "no group took a gold completion: the test looks at nothing"


def test_off_means_that_nothing_of_it_is_written(workshop: Any) -> None:
    workshop.train("run", "eval.every=0", "rl.steps=1")
    assert "groups_with_gold" not in workshop.metrics("run")[0]
    assert not any("gold" in group for group in rollouts(workshop.folder / "run")[0])
