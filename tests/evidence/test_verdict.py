"""Differences, intervals and verdicts against plain loops and known vectors."""

import numpy as np
import pytest

from reeltune.errors import InputError
from reeltune.evidence.spec import Claim
from reeltune.evidence.verdict import Measured, judge


def claim(points: float, *, each_seed: bool = False, measures: tuple[str, ...] = ("iou",)) -> Claim:
    return Claim(says="x", better="b", than="a", measures=[*measures], points=points, each_seed=each_seed)


def drawn(gains: list[float], samples: int = 200, spread: float = 5.0) -> Measured:
    """Seed -> run -> measure -> rows, b ahead of a by the seed's gain."""
    rng = np.random.default_rng(0)
    found = {}
    for seed, gain in enumerate(gains):
        before = {str(i): float(rng.uniform(0, 100)) for i in range(samples)}
        after = {name: value + gain + float(rng.normal(0, spread)) for name, value in before.items()}
        found[seed] = {"a": {"iou": before, "acc": before}, "b": {"iou": after, "acc": before}}
    return found


def test_the_difference_is_the_mean_of_pairs_and_its_interval_has_the_right_width() -> None:
    measured = drawn([10.0, 20.0])
    found = judge(claim(14.0), measured)
    for seed in (0, 1):
        a, b = measured[seed]["a"]["iou"], measured[seed]["b"]["iou"]
        assert found.seeds[seed] == pytest.approx(sum(b[name] - a[name] for name in a) / len(a))
    assert found.difference == pytest.approx(sum(found.seeds) / 2)
    # Paired: only the spread of 5 counts, not that of the samples, which is six times as large.
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * 5 / np.sqrt(400), rel=0.15)
    assert found.low < found.difference < found.high


def test_verdicts() -> None:
    measured = drawn([10.0, 20.0])
    assert judge(claim(12.0), measured).word == "holds"
    assert judge(claim(12.0, each_seed=True), measured).word == "**MISS**"
    assert judge(claim(18.0), measured).word == "**MISS**"
    near = judge(claim(0.0), measured).difference
    assert judge(claim(near - 0.1), measured).word == "holds, within chance"
    assert judge(claim(near + 0.1), measured).word == "**MISS**, within chance"


def test_measures_count_equally() -> None:
    measured = drawn([10.0])
    both = judge(claim(0.0, measures=("iou", "acc")), measured)
    assert both.difference == pytest.approx(judge(claim(0.0), measured).difference / 2)


def test_other_samples_are_refused() -> None:
    measured = drawn([10.0])
    other = {0: {"a": measured[0]["a"], "b": {"iou": {"new": 1.0}}}}
    with pytest.raises(InputError, match="answered different samples, 200 and 1"):
        judge(claim(0.0), other)
