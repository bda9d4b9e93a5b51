"""The gold completion in its group: where nothing sampled is as good, and in no metric of the policy."""

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

SETTINGS = ("eval.every=0", "rl.steps=2", "rl.updates_per_rollout=2")


def rollouts(run: Path) -> list[list[dict[str, Any]]]:
    files = sorted((run / "rollouts").iterdir())
    return [[json.loads(line) for line in path.read_text().splitlines()] for path in files]


@pytest.mark.parametrize("which", ["unsolved", "always"])
def test_a_group_takes_its_gold_completion(workshop: Any, which: str) -> None:
    workshop.train("run", f"rl.gold_in_group={which}", *SETTINGS)
    gold, worth = "<answer>1.0 to 2.5</answer>", 5 / 28  # of the workshop's samples, by the workshop's reward
    taken = 0
    for row, groups in zip(workshop.metrics("run"), rollouts(workshop.folder / "run"), strict=True):
        sampled = []
        for group in groups:
            own = group["reward"][:-1] if group.get("gold") else group["reward"]
            sampled += own
            if group.get("gold"):
                taken += 1
                assert group["texts"][-1] == gold and group["reward"][-1] == pytest.approx(worth)
                assert group["truncated"][-1] is False
                assert which == "always" or worth > max(own)
            else:
                assert which == "unsolved" and max(own) >= worth - 1e-6
        assert row["groups_with_gold"] == sum(group.get("gold", False) for group in groups)
        assert row["reward"] == pytest.approx(fmean(sampled), rel=1e-5)
    assert taken > 0, "no group took a gold completion: the test looks at nothing"


def test_off_means_that_nothing_of_it_is_written(workshop: Any) -> None:
    workshop.train("run", "eval.every=0", "rl.steps=1")
    assert "groups_with_gold" not in workshop.metrics("run")[0]
    assert not any("gold" in group for group in rollouts(workshop.folder / "run")[0])
