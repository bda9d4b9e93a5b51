"""Span rewards of near misses: against slow, plain references, and against answers that look at nothing."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.errors import InputError
from reeltune.rewards.weights import reward_of
from reeltune.sample import to_sample
from reeltune.tasks import get_task, sample_types
from reeltune.tasks.spans import Span, generalized_iou, near_miss_rewards, wasserstein

TASK = get_task("temporal_grounding")


def sample(target: list[list[float]], duration: float = 100.0):  # type: ignore[no-untyped-def]
    row = {"id": "a", "task": "temporal_grounding", "video": "v", "query": "x", "duration": duration, "target": target}
    return to_sample(row, sample_types())


def grid(spans: list[Span]) -> list[int]:
    """The seconds that the spans cover, of spans with whole ends."""
    return sorted({second for start, end in spans for second in range(int(start), int(end))})


WHOLE = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 8)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    min_size=1,
    max_size=3,
)


@given(WHOLE, WHOLE)
def test_w1_moves_the_time_of_one_set_onto_the_other(first: list[Span], second: list[Span]) -> None:
    """Each set as len(a) * len(b) equal grains: the cheapest move of equal masses on a line keeps their order."""
    a, b = grid(first), grid(second)
    fine = 40
    one = sorted(x + (i + 0.5) / (len(b) * fine) for x in a for i in range(len(b) * fine))
    other = sorted(x + (i + 0.5) / (len(a) * fine) for x in b for i in range(len(a) * fine))
    assert len(one) == len(other)
    expected = sum(abs(p - q) for p, q in zip(one, other, strict=True)) / len(one)
    assert wasserstein(first, second) == pytest.approx(expected, abs=0.02)
    assert wasserstein(first, second) == pytest.approx(wasserstein(second, first))


@given(WHOLE, WHOLE)
def test_generalized_iou_of_grids(first: list[Span], second: list[Span]) -> None:
    a, b = set(grid(first)), set(grid(second))
    around = range(min(a | b), max(a | b) + 1)
    between = [x for x in around if (x > max(a) and x < min(b)) or (x > max(b) and x < min(a))]
    expected = len(a & b) / len(a | b) - len(between) / len(around)
    assert generalized_iou(first, second) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("predicted", "truth", "giou", "w1"),
    [
        ([(5, 15)], [(5, 15)], 1.0, 0.0),
        ([(20, 30)], [(5, 15)], -5 / 25, 15.0),
        ([(0, 10)], [(5, 15)], 5 / 15, 5.0),
        ([(7, 7)], [(5, 15)], -1.0, math.inf),
        ([(0, 3), (7, 9)], [(7, 9), (0, 3)], 1.0, 0.0),
    ],
)
def test_vectors(predicted: list[Span], truth: list[Span], giou: float, w1: float) -> None:
    assert generalized_iou(predicted, truth) == pytest.approx(giou)
    assert wasserstein(predicted, truth) == w1


def test_a_near_miss_pays_more_than_a_far_one_where_iou_pays_neither() -> None:
    truth = [(40.0, 50.0)]
    found = [
        near_miss_rewards(["giou", "w1"], [(start, start + 10.0)], truth, 100.0) for start in (40, 45, 52, 60, 75, 90)
    ]
    for name in ("giou", "w1"):
        values = [each[name] for each in found]
        assert values[0] == 1.0 and values == sorted(values, reverse=True)
        assert len(set(values[:4])) == 4  # type: ignore[arg-type]
    with pytest.raises(InputError, match="needs the video's duration"):
        near_miss_rewards(["w1"], [(0.0, 1.0)], truth, None)


def test_many_spans_take_no_long_time() -> None:
    spans = [(float(i), i + 0.5) for i in range(20_000)]
    assert wasserstein(spans, [(0.0, 10.0)]) > 1000


def test_only_a_weight_brings_them_in() -> None:
    one = sample([[40.0, 50.0]])
    text = "<answer>52 to 62</answer>"
    assert set(reward_of(TASK, "direct")(one, text)[1]) == {"format", "iou"}
    total, components = reward_of(TASK, "direct", weights={"iou": 0.0, "w1": 2.0})(one, text)
    assert components["iou"] == 0.0 and 0 < components["w1"] < 1 and "giou" not in components  # type: ignore[operator]
    assert total == pytest.approx(1.0 + 2 * components["w1"])  # type: ignore[operator]


@pytest.mark.parametrize("name", ["iou", "giou", "w1"])
def test_no_blind_answer_earns_half(name: str) -> None:
    """Over many true spans, the whole video, the best fixed span of all and many spans at once stay below a coin flip,
    and hedging by many spans below the best single one."""
    generator = random.Random(0)
    reward = reward_of(TASK, "direct", weights={"iou": 0.0, name: 1.0, "format": 0.0})
    samples = []
    for _ in range(60):
        length = generator.uniform(5, 30)
        start = generator.uniform(0, 100 - length)
        samples.append(sample([[start, start + length]]))

    def mean(answer: str) -> float:
        return sum(reward(each, f"<answer>{answer}</answer>")[0] or 0.0 for each in samples) / len(samples)

    fixed = [f"{a} to {b}" for a in range(0, 100, 10) for b in range(a + 10, 101, 10)]
    best = max(mean(answer) for answer in fixed)
    assert best < 0.5
    assert mean("0 to 100") <= best
    for step in (5, 10, 25):
        many = ", ".join(f"{a} to {a + step / 2}" for a in range(0, 100, step))
        assert mean(many) <= best
    assert mean("0 to 20, 80 to 100") <= best
