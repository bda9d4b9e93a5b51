"""Reward functions in every form people write them in, run together over a step, and their faults."""

import asyncio
import json
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reeltune.errors import InputError
from reeltune.rewards.faults import RewardFaults
from reeltune.rewards.functions import RewardFunction, load_reward_function, with_form
from reeltune.rewards.score import GroupRewards, score_groups
from reeltune.rewards.weights import Reward
from reeltune.tasks import get_task

TASK = get_task("multiple_choice")
SAMPLES = [
    TASK.sample_type(
        id=f"s{i}", task="multiple_choice", video="v", question="?", options=("x", "y"), target="AB"[i % 2]
    )
    for i in range(8)
]
TEXTS = [[f"<answer>A</answer>{'!' * i}", "<answer>B</answer>"] for i in range(8)]
EXPECTED = [[float(text[8] == sample.target) for text in group] for sample, group in zip(SAMPLES, TEXTS, strict=True)]


def score(
    *functions: Any, faults: RewardFaults | None = None, concurrency: int = 64, **weights: float
) -> list[GroupRewards]:
    """Each function as the reward `f0`, `f1`, ... over eight groups of two."""
    own = {f"f{i}": with_form(function, f"f{i}", TASK.sample_type.model_fields) for i, function in enumerate(functions)}
    reward = Reward(TASK, "direct", {**dict.fromkeys(own, 1.0), **weights}, functions=own, concurrency=concurrency)
    return score_groups({"multiple_choice": reward}, SAMPLES, TEXTS, None, faults)


def values(groups: list[GroupRewards], name: str = "f0") -> list[list[float | None]]:
    return [group.components[name] for group in groups]


def one(sample: Any, answer: Any, text: str) -> float:
    return float(answer.value == sample.target)


def group(sample: Any, answers: Any, texts: Any) -> list[float]:
    return [one(sample, answer, text) for answer, text in zip(answers, texts, strict=True)]


def trl(completions: list[str], target: list[str], **columns: Any) -> list[float]:
    assert len(completions) == len(columns["prompts"]) == len(columns["options"]) == 2
    assert columns["prompts"][0].startswith("?") and columns["id"][0].startswith("s")
    return [float(text[8] == right) for text, right in zip(completions, target, strict=True)]


def trl_of_few_columns(prompts: list[str], completions: list[str], target: list[str]) -> list[float]:
    return [float(text[8] == right) for text, right in zip(completions, target, strict=True)]


async def async_one(sample: Any, answer: Any, text: str) -> float:
    await asyncio.sleep(0)
    return one(sample, answer, text)


async def async_group(sample: Any, answers: Any, texts: Any) -> list[float]:
    await asyncio.sleep(0)
    return group(sample, answers, texts)


async def async_trl(completions: list[str], **columns: Any) -> list[float]:
    await asyncio.sleep(0)
    return trl(completions, **columns)


class Callable_:
    def __call__(self, sample: Any, answer: Any, text: str) -> float:
        return one(sample, answer, text)


class AsyncCallable:
    async def __call__(self, completions: list[str], **columns: Any) -> list[float]:
        return trl(completions, **columns)


def with_more(sample: Any, parsed: Any, text: str, extra: int = 3) -> float:
    return one(sample, parsed, text)


@pytest.mark.parametrize("concurrency", [64, 1])
@pytest.mark.parametrize(
    "function",
    [one, group, trl, trl_of_few_columns, async_one, async_group, async_trl, Callable_(), AsyncCallable(), with_more,
     partial(with_more, extra=4), partial(async_one)],
    ids=lambda function: getattr(function, "__name__", type(function).__name__),
)  # fmt: skip
def test_every_form_gives_the_same(function: Any, concurrency: int) -> None:
    found = score(function, concurrency=concurrency)
    assert values(found) == EXPECTED
    assert [each.total.tolist() for each in found] == EXPECTED


def number(value: Any) -> Any:
    def numbers(sample: Any, answer: Any, text: str) -> Any:
        return value

    return numbers


def batch(value: Any) -> Any:
    def numbers(completions: list[str], **columns: Any) -> Any:
        return value

    return numbers


@pytest.mark.parametrize(
    "value", [0.5, np.float32(0.5), np.float64(0.5), torch.tensor(0.5), np.array(0.5), torch.tensor([0.5])]
)
def test_scalars_of_other_libraries_are_taken(value: Any) -> None:
    assert values(score(number(value)))[0] == [0.5, 0.5]
    assert type(values(score(number(value)))[0][0]) is float
    assert values(score(number(np.True_)))[0] == [True, True]
    assert values(score(number(np.int64(1))))[0] == [1, 1]


@pytest.mark.parametrize("value", [[0.5, None], (0.5, None), [np.float32(0.5), None], [torch.tensor(0.5), None]])
def test_lists_of_a_group(value: Any) -> None:
    assert values(score(batch(value)))[0] == [0.5, None]
    assert (
        values(score(batch(np.array([0.5, 0.25]))))[0]
        == values(score(batch(torch.tensor([0.5, 0.25]))))[0]
        == [0.5, 0.25]
    )


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (number(float("nan")), "reward 'f0' of sample 's0' is nan"),
        (number(np.inf), "reward 'f0' of sample 's0' is inf"),
        (number("much"), "reward 'f0' of sample 's0' is 'much'"),
        (number(torch.tensor([1.0, 2.0])), "reward 'f0' of sample 's0' is tensor"),
        (batch([1.0]), "one number or None for each of its 2 completions"),
        (batch(1.0), "one number or None for each of its 2 completions"),
        (batch(["a", "b"]), "reward 'f0' of sample 's0' is 'a'"),
    ],
)
def test_what_is_no_reward_is_named(function: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        score(function)


def of_two(sample: Any, text: str) -> float:
    return 0.0


def of_four(sample: Any, answer: Any, text: str, more: Any) -> float:
    return 0.0


def of_any(*args: Any) -> float:
    return 0.0


def of_a_column(completions: Any, targt: Any) -> list[float]:
    return []


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (of_two, r"takes \(sample: Any, text: str\).*; write f\(sample, answer, text\).*async"),
        (of_four, "takes .*more"),
        (of_any, r"takes \(\*args"),
        (of_a_column, "wants the column 'targt'; did you mean 'target'.; the columns are completions, prompts, id"),
        (Callable_, "is no function"),
        (int.__floordiv__, "takes"),
        (max, "parameters cannot be told"),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_unknown_forms_are_refused_before_anything_runs(function: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_form(function, "f", TASK.sample_type.model_fields)


def test_the_file_of_a_function(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text("def good(completions, target): return [1.0] * len(completions)\n")
    found = load_reward_function(f"{path}:good", TASK.sample_type.model_fields)
    assert isinstance(found, RewardFunction) and found.form == "trl"
    with pytest.raises(InputError, match="has no 'goood'; did you mean 'good'"):
        load_reward_function(f"{path}:goood")


SLOW = 0.2


def slow(sample: Any, answer: Any, text: str) -> float:
    time.sleep(SLOW)
    return one(sample, answer, text)


def slow_group(sample: Any, answers: Any, texts: Any) -> list[float]:
    time.sleep(SLOW)
    return group(sample, answers, texts)


async def slow_async(sample: Any, answer: Any, text: str) -> float:
    await asyncio.sleep(SLOW)
    return one(sample, answer, text)


def test_slow_rewards_of_a_step_run_together_and_keep_their_order() -> None:
    """Three functions over eight groups: 40 calls of 0.2 s, 8 s one after the other."""
    score(one, async_one)  # what is made once
    start = time.perf_counter()
    found = score(slow, slow_group, slow_async)
    together = time.perf_counter() - start
    assert all(values(found, name) == EXPECTED for name in ("f0", "f1", "f2"))
    assert together < 4 * SLOW, f"{together:.2f} s"
    # The oracle of the claim itself: one by one it does take the sum.
    start = time.perf_counter()
    score(slow_group, concurrency=1)
    assert time.perf_counter() - start > 8 * SLOW


def test_concurrency_is_bounded_and_one_means_the_main_thread() -> None:
    running, peak, lock = [0], [0], threading.Lock()

    def counting(sample: Any, answer: Any, text: str) -> float:
        with lock:
            running[0] += 1
            peak[0] = max(peak[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1
        return 1.0

    async def counting_async(sample: Any, answer: Any, text: str) -> float:
        running[0] += 1
        peak[0] = max(peak[0], running[0])
        await asyncio.sleep(0.02)
        running[0] -= 1
        return 1.0

    for function in (counting, counting_async):
        peak[0] = 0
        score(function, concurrency=3)
        assert peak[0] == 3
    threads = set()
    score(lambda sample, answer, text: threads.add(threading.current_thread()) or 1.0, concurrency=1)
    assert threads == {threading.main_thread()}


def test_async_functions_meet_one_event_loop_in_every_step() -> None:
    loops = []

    async def reward(sample: Any, answer: Any, text: str) -> float:
        loops.append(asyncio.get_running_loop())
        return 1.0

    score(reward)
    score(reward)
    assert len(loops) == 32 and len(set(map(id, loops))) == 1


# ---- Faults ----


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
    assert row["sample"] == "s3" and row["reward"] == "f0" and "test_functions.py, line" in row["error"]


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
        InputError, match=r"16 of 16 calls .*100.0%.* at most rewards.max_fault_share=0.05.*'s7'.*KeyError"
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
