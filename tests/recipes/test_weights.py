"""The weights of papers stand in the recipes, spelt out; no recipe refuses a task of the user's."""

from pathlib import Path

import pytest

from reeltune.config.recipe import RewardConfig, load_recipe
from reeltune.errors import InputError
from reeltune.rewards.recipe import recipe_rewards
from reeltune.tasks import TASKS, get_task
from reeltune.tasks.captioning.options import CaptioningOptions

RECIPES = Path(__file__).parents[2] / "recipes"
TRAINED = sorted(
    path
    for path in RECIPES.rglob("*.yaml")
    if path.read_text().startswith(("method:", "#")) and "method:" in path.read_text()
)
CONTENT = {
    "temporal_grounding": ("iou",),
    "object_tracking": ("overlap",),
    "multiple_choice": ("accuracy",),
    "classification": ("accuracy",),
    "grounded_qa": ("accuracy", "iou"),
}


def test_the_recipes_are_found() -> None:
    folders = {path.parent.name for path in TRAINED}
    assert folders >= {"videochat-r1", "temporal-rlt", "videocap-r1", "p-mod"} and len(TRAINED) >= 12


@pytest.mark.parametrize("path", TRAINED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_recipe_gives_rewards(path: Path) -> None:
    recipe = load_recipe(path)
    mode, options = recipe.data.mode, recipe.rewards.options
    names = [name for name in TASKS if mode in get_task(name).modes]
    assert names
    for name in names:
        own = recipe.rewards.model_copy(update={"options": {key: options[key] for key in options if key == name}})
        [reward] = recipe_rewards(own, [name], mode).values()
        assert reward.weights == {**get_task(name).default_weights, **recipe.rewards.weights.get(name, {})}


@pytest.mark.parametrize(("folder", "weight"), [("videochat-r1", 1.0), ("temporal-rlt", 0.5)])
def test_the_published_weights(folder: str, weight: float) -> None:
    """VideoChat-R1 adds its rewards, Temporal-RLT takes halves (grounded QA's halves are ours)."""
    seen = set()
    for path in (RECIPES / folder).glob("*.yaml"):
        for task, weights in load_recipe(path).rewards.weights.items():
            assert weights == dict.fromkeys(("format", *CONTENT[task]), weight)
            seen.add(task)
    assert seen >= ({"temporal_grounding", "grounded_qa"})


def test_the_published_caption_reward() -> None:
    recipe = load_recipe(RECIPES / "videocap-r1" / "grpo.yaml")
    assert recipe.rewards.weights == {"captioning": {"format": 1.0, "think": 1.0, "caption": 1.0}}
    [reward] = recipe_rewards(recipe.rewards, ["captioning"], recipe.data.mode).values()
    published = {"shape": "steps", "steps": [[0.28, 0.5], [0.35, 1.0]], "measure": "recall"}
    assert reward.options.own == CaptioningOptions.model_validate({"caption": published})


def test_a_recipe_of_a_paper_trains_a_part_of_its_tasks_and_others() -> None:
    rewards = load_recipe(RECIPES / "videochat-r1" / "multi-task.yaml").rewards
    found = recipe_rewards(rewards, ["object_tracking", "instruction"], "think")
    assert found["instruction"].weights == get_task("instruction").default_weights


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weights": {"grounded_qaa": {}}}, "rewards.weights.grounded_qaa: no training sample has this task"),
        ({"weights": {"multiple_choice": {"acuracy": 1}}}, "did you mean 'accuracy'"),
        ({"functions": {"grounded_qa": {}}}, "rewards.functions.grounded_qa: no training sample"),
        ({"options": {"multiple_choice": {"x": 1}}}, "rewards.options.multiple_choice: this task has no options"),
        ({"options": {"captioning": {"think": {"treshold": 1}}}}, "nearest valid key: think.threshold"),
        ({"options": {"captioning": {"caption": {"shape": "round"}}}}, "caption.shape='round'"),
    ],
)
def test_what_no_task_has_is_named(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe_rewards(RewardConfig.model_validate(given), ["multiple_choice", "captioning"], "direct")
