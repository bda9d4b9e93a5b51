"""Reward functions in every form people write them in, run together over a step."""

import asyncio
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.rewards.scoring import EXPECTED, TASK, one, score, values

from reeltune.errors import InputError
from reeltune.rewards.functions import RewardFunction, load_reward_function, with_form


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
        (batch([1.0]), "one number or None for each of the 2 completions"),
        (batch(1.0), "one number or None for each of the 2 completions"),
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
        (Callable_, "is not a function"),
        (int.__floordiv__, "takes"),
        (max, "parameters cannot be read"),
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
    # Four in one go take 2 s; all in one go 0.2 s, and what a busy machine adds.
    assert together < 10 * SLOW, f"{together:.2f} s"
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
