"""Numbers: what is read, and the mean relative accuracy against a plain reading of its definition."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.tasks import get_task
from reeltune.tasks.numbers import relative_accuracy

TASK = get_task("numeric")


def sample(target: float, tolerance: float | None = None) -> Any:
    more = {} if tolerance is None else {"tolerance": tolerance}
    return TASK.sample_type(id="a", task="numeric", video="a.mp4", question="How many?", target=target, **more)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<answer>3</answer>", 3.0),
        ("<answer> 3.50 meters</answer>", 3.5),
        ("<answer>1,234</answer>", 1234.0),
        ("<answer>-2</answer>", -2.0),
        ("<answer>three</answer>", 3.0),
        ("<think>2 or 3</think><answer>3</answer>", 3.0),
        ("7", 7.0),
        ("There are 2 doors and 4 chairs, so the answer is 6", 6.0),
        ("<answer>2 or 3</answer>", None),
        ("<answer>many</answer>", None),
        ("<answer></answer>", None),
        ("there are 3 of them", 3.0),
        ("<answer>1e400</answer>", None),
        ("<answer>2024-11-26</answer>", None),
    ],
)
def test_reading(text: str, value: float | None) -> None:
    found = TASK.parse(sample(1.0), text)
    assert found.value == value and (found.reason is None) == (value is not None)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-3))
def test_mean_relative_accuracy_is_its_definition(value: float, truth: float) -> None:
    """Ten confidence levels, one point each: VSI-Bench, section 3.2. Ties are decided with a tolerance."""
    error = abs(value - truth) / abs(truth)
    if min(abs(error - level / 20) for level in range(1, 11)) < 1e-6:
        return
    assert relative_accuracy(value, truth) == sum(error < level / 20 for level in range(1, 11)) / 10


def test_exact_vectors() -> None:
    assert [relative_accuracy(v, 10.0) for v in (10.0, 9.5, 9.0, 5.0, 4.9, 15.0, 100.0)] == [1, 1, 0.9, 0.1, 0, 0.1, 0]
    assert relative_accuracy(None, 1.0) == 0 and relative_accuracy(0.0, 0.0) == 1 and relative_accuracy(0.1, 0.0) == 0


def test_a_tolerance_decides_where_there_is_one() -> None:
    near, far = ("<answer>10.5</answer>", "<answer>10.6</answer>")
    assert [TASK.rewards(sample(10.0, 0.5), t, "direct")["accuracy"] for t in (near, far)] == [1, 0]
    assert TASK.rewards(sample(10.0), far, "direct")["accuracy"] == 0.9
    assert TASK.scores(sample(10.0), 10.0) == {"accuracy": 1, "mra": 1}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_gold_answers_earn_everything(target: float) -> None:
    if abs(target) < 1e15 and (abs(target) > 1e-15 or target == 0):
        TASK.validate(sample(target))


def test_the_baseline_is_the_median() -> None:
    samples = [sample(float(value)) for value in (1, 2, 50)]
    assert [row["accuracy"] for row in TASK.trivial_scores(samples)["median_number"]] == [0, 1, 0]
