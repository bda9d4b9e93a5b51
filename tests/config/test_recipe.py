"""Recipes: every wrong key, type and combination is named with its path and the nearest valid key."""

from pathlib import Path

import pytest
import yaml

from reeltune.config.recipe import Recipe, load_recipe, parse_recipe
from reeltune.errors import InputError

ROOT = Path(__file__).parents[2]
LEAST = {"method": "grpo", "model": {"path": "m"}, "data": {"train": "samples.jsonl"}}


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def test_overrides_are_yaml_and_reach_any_depth(tmp_path: Path) -> None:
    path = write(tmp_path, "method: sft\nmodel: {path: m}\ndata: {train: a.jsonl}\noptim: {lr: 1e-4}\n")
    recipe = load_recipe(path, ["sft.steps=7", "model.freeze=[]", "data.train=[a.jsonl, {path: b, weight: 2}]"])
    assert recipe.steps == 7 and recipe.optim.lr == 1e-4 and not recipe.model.freeze_vision
    assert [(source.path, source.weight) for source in recipe.data.train] == [("a.jsonl", 1.0), ("b", 2.0)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rl": {"group_sise": 3}}, r"rl\.group_sise=3: unknown key; nearest valid key: rl\.group_size"),
        ({"data": {"train": [{"path": "a", "wieght": 1}]}}, r"nearest valid key: data\.train\.0\.weight"),
        ({"rl": {"steps": "many"}}, r"rl\.steps='many': .*valid integer"),
        ({"rl": {"group_size": 1}}, r"rl\.group_size=1: .*greater than or equal to 2"),
        ({"rl": {"loss": "dr_grpo"}}, r"rl=.*set rl\.advantage_scale to none"),
        ({"data": {"train": []}}, r"data\.train=\[\]"),
        ({"rl": 1}, r"rl=1: must be a section with keys, such as rl\.steps=\.\.\."),
        ({"duration": 5}, r"duration=5: unknown key; valid: \['method', "),
        ({"method": "ppo"}, r"method='ppo': .*'grpo', 'sft' or 'distill'"),
        ({"model": {}}, r"model\.path: required"),
        (
            {"video": {"min_frames": 9, "max_frames": 8}},
            r"video=.*video\.min_frames=9 is more than video\.max_frames=8",
        ),
        ({"video": {"min_frame_pixels": 10**7}}, r"video\.min_frame_pixels=10000000 is more than video\.max_frame_pix"),
        ({"optim": {"betas": [1.5, 2]}}, r"optim\.betas\.0=1\.5: .*less than 1"),
        ({"rewards": {"length_bounds": [9, 3]}}, r"rewards\.length_bounds=.*lower bound first"),
        ({"rewards": {"length_bounds": [-3, 9]}}, r"rewards\.length_bounds\.0=-3: .*greater than or equal to 0"),
        ({"data": {"train": [{"path": "a", "first_step": 9, "last_step": 3}]}}, r"data\.train\.0=.*never be drawn"),
        ({"rewards": {"preset": "x"}}, r"rewards\.preset='x': this key was removed; use rewards\.weights"),
    ],
)
def test_broken_rules_are_named(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_recipe(LEAST | change, where="recipe.yaml")


def test_every_violation_is_listed_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parse_recipe(LEAST | {"rl": {"steps": -1, "kl": -2}, "optim": {"lr": 0}}, where="recipe.yaml")
    assert all(key in str(caught.value) for key in ("rl.steps=-1", "rl.kl=-2", "optim.lr=0"))


@pytest.mark.parametrize(
    ("text", "overrides", "words"),
    [
        ("- a\n- b\n", [], "must be a mapping"),
        ("a: [1, 2\n", [], "not valid YAML"),
        ("method: grpo\n", ["rl.steps"], "must look like section.key=value"),
        ("method: grpo\n", ["method.steps=3"], "'method' is a value, not a section"),
    ],
)
def test_broken_files_and_overrides(tmp_path: Path, text: str, overrides: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_recipe(write(tmp_path, text), overrides)


def test_samples_are_no_recipe(tmp_path: Path) -> None:
    for count in (1, 2):
        (tmp_path / "s.jsonl").write_text('{"id": "a", "task": "numeric", "duration": 5}\n' * count)
        with pytest.raises(InputError, match=r"s\.jsonl: a JSON Lines file contains samples \(data\.train="):
            load_recipe(tmp_path / "s.jsonl")


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml' does not exist"):
        load_recipe(tmp_path / "nowhere.yaml")


# The others are plan files: a model's sizes for `reeltune plan`.
RECIPES = [path for path in sorted((ROOT / "recipes").rglob("*.yaml")) if "method" in yaml.safe_load(path.read_text())]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_are_valid(path: Path) -> None:
    assert isinstance(load_recipe(path), Recipe)


@pytest.mark.parametrize(
    "judge",
    [
        {"api_key": "sk-canary"}, {"api_key_env": "sk-canary"}, {"api_key_env": "gsk_canary"}, {"token": "canary"},
        {"base_url": "http://me:canary@h/v1"}, {"base_url": "http://h/v1?key=canary"}, {"api_key_env": ["canary"]},
        {"kind": "openai", "api_key_env": "sk-canary", "max_tokens": -1},
    ],
)  # fmt: skip
def test_what_may_be_a_key_is_refused_without_being_repeated(judge: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"judge\.") as raised:
        parse_recipe({**LEAST, "judge": judge}, where="recipe.yaml")
    assert "canary" not in str(raised.value)


def test_the_name_of_a_keys_variable_is_told(tmp_path: Path) -> None:
    judge = {"kind": "openai", "base_url": "http://h/v1", "model": "m", "api_key_env": "MY_KEY_2"}
    assert parse_recipe({**LEAST, "judge": judge}, where="recipe.yaml").judge.api_key_env == "MY_KEY_2"
