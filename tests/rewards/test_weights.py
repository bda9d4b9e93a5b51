import math
import sys
from pathlib import Path

import pytest

from reeltune.errors import InputError
from reeltune.rewards.weights import load_reward_function, reward_of, weighted_sum
from reeltune.tasks import get_task
from reeltune.tasks.base import RewardOptions

TASK = get_task("multiple_choice")
SAMPLE = TASK.sample_type(
    id="a", task="multiple_choice", video="v", question="?", options=("x", "y"), target="B", meta={"easy": True}
)
OWN = """
def short(sample, parsed, text):
    return None if sample.meta.get("hard") else float(parsed.value == "B" and len(text) < 30)


def broken(sample, parsed, text):
    return float("nan")


limit = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own_rewards.py"
    path.write_text(OWN)
    return path


def test_the_default_is_the_plain_sum() -> None:
    total, parts = reward_of(TASK, "direct")(SAMPLE, "<answer>B</answer>")
    assert total == 2 and parts == {"format": 1, "accuracy": 1}
    assert reward_of(TASK, "direct", weights={"format": 0.5, "accuracy": 0.5})(SAMPLE, "B")[0] == 0.5


def test_weights_stand_over_the_tasks_own() -> None:
    reward = reward_of(
        TASK, "direct", weights={"format": 0.25, "length": 2}, options=RewardOptions(length_bounds=(1, 9))
    )
    assert reward(SAMPLE, "<answer>B</answer>")[0] == 1.25
    assert reward(SAMPLE, "B")[0] == 3


def test_a_function_of_ones_own(own: Path) -> None:
    reward = reward_of(TASK, "direct", functions={"short": f"{own}:short"}, weights={"short": 0.5})
    assert reward(SAMPLE, "<answer>B</answer>") == (2.5, {"format": 1, "accuracy": 1, "short": 1})
    hard = SAMPLE.model_copy(update={"meta": {"hard": True}})
    assert reward(hard, "<answer>B</answer>") == (2, {"format": 1, "accuracy": 1, "short": None})


@pytest.mark.parametrize("name", ["accuracy", "format", "length"])
def test_a_function_of_ones_own_cannot_take_the_name_of_a_component(own: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"rewards\.functions\.multiple_choice\.{name}: .*choose another name"):
        reward_of(TASK, "direct", functions={name: f"{own}:short"})


def test_a_function_of_a_module(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(own.parent))
    assert load_reward_function("own_rewards:short")(SAMPLE, TASK.parse(SAMPLE, "B"), "B") == 1
    sys.modules.pop("own_rewards")


def test_a_reward_that_is_not_finite_is_named(own: Path) -> None:
    with pytest.raises(InputError, match="reward 'broken' of sample 'a' is nan"):
        reward_of(TASK, "direct", functions={"broken": f"{own}:broken"})(SAMPLE, "B")
    with pytest.raises(InputError, match="reward 'x'"):
        weighted_sum({"x": math.inf}, {}, SAMPLE)


def test_nothing_applies() -> None:
    assert weighted_sum({"x": None, "y": 1.0}, {"x": 1}, SAMPLE) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "structured"}, "no mode 'structured'"),
        ({"weights": {"acuracy": 1}}, "did you mean 'accuracy'"),
        ({"functions": {"x": "nowhere"}}, "write module:object"),
        ({"functions": {"x": "no_such_module_here:f"}}, "there is no module"),
        ({"functions": {"x": "no_such_file.py:f"}}, "no such file"),
        ({"functions": {"x": "math:squrt"}}, "did you mean 'sqrt'"),
    ],
)
def test_wrong_names_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        reward_of(TASK, **{"mode": "direct", **arguments})


def test_a_value_is_no_function(own: Path) -> None:
    with pytest.raises(
        InputError, match=r"own_rewards.py:limit': 3 is not a function; write f\(sample, answer, text\)"
    ):
        load_reward_function(f"{own}:limit")
