"""Reward functions that raise: faults of their completions, counted, and too many of them stop the run."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.rewards.scoring import EXPECTED, one, score, values

from reeltune.errors import InputError
from reeltune.rewards.faults import RewardFaults


def raising(which: str) -> Any:
    def reward(sample: Any, answer: Any, text: str) -> float:
        if sample.id == which and "A" in text:
            raise KeyError("solution")
        return one(sample, answer, text)

    return reward


def test_one_that_raises_is_a_fault_of_that_completion(tmp_path: Path, capsys: Any) -> None:
    faults = RewardFaults(0.1, tmp_path / "faults.jsonl")
    found = score(raising("s3"), faults=faults, format=1.0)
    assert (len(faults), faults.calls) == (1, 16)
    assert [each.valid.tolist() for each in found] == [[i != 3, True] for i in range(8)]
    # A lower total would be a score: the completion keeps nothing.
    assert found[3].components == {"format": [None, 1.0], "f0": [None, 1.0]}
    assert values(found)[4] == EXPECTED[4]
    message = capsys.readouterr().err
    assert "reward 'f0' of sample 's3' raised KeyError: 'solution'" in message and "<answer>A</answer>!!!" in message
    (line,) = (tmp_path / "faults.jsonl").read_text().splitlines()
    row = json.loads(line)
    assert row["sample"] == "s3" and row["reward"] == "f0" and "test_faults.py, line" in row["error"]


def test_a_group_form_that_raises_takes_its_group_along() -> None:
    def reward(completions: list[str], id: list[str], **columns: Any) -> list[float]:
        if id[0] == "s3":
            raise ZeroDivisionError
        return [1.0] * len(completions)

    faults = RewardFaults(0.5)
    found = score(reward, faults=faults)
    assert (len(faults), faults.calls) == (1, 8)
    assert [each.valid.tolist() for each in found] == [[i != 3] * 2 for i in range(8)]


def test_a_reward_without_weight_that_raises_leaves_the_completion_in_its_group() -> None:
    found = score(raising("s3"), faults=RewardFaults(0.1), f0=0.0, format=1.0)
    assert all(each.valid.all() for each in found)
    assert found[3].components["f0"] == [None, 1.0] and found[3].total.tolist() == [0.0, 1.0]


def always(sample: Any, answer: Any, text: str) -> float:
    raise KeyError("solution")


def test_more_faults_than_the_share_stop_the_run() -> None:
    with pytest.raises(
        InputError, match=r"16 of 16 calls .*100.0%.* the limit is rewards.max_fault_share=0.05.*'s7'.*KeyError"
    ):
        score(always, faults=RewardFaults(0.05))
    with pytest.raises(InputError, match="1 of 16 calls"):
        score(raising("s3"), faults=RewardFaults(0.0))
    faults = RewardFaults(0.05)
    score(raising("s3"), faults=faults)  # 1 of 16 is more than 5 %, but too few calls to tell
    with pytest.raises(InputError, match="2 of 32 calls"):
        score(raising("s3"), faults=faults)
    generous = RewardFaults(0.07)
    for _ in range(5):
        score(raising("s3"), faults=generous)
    assert len(generous) == 5 and generous.calls == 80


def test_our_own_errors_pass_through() -> None:
    def reward(sample: Any, answer: Any, text: str) -> float:
        raise InputError("set MY_KEY")

    with pytest.raises(InputError, match="set MY_KEY"):
        score(reward)
