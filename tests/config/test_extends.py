"""Recipes over other recipes, and shipped ones by name."""

from itertools import pairwise
from pathlib import Path

import pytest

from reeltune.config.recipe import load_recipe
from reeltune.config.shipped import is_recipe, locate, shipped
from reeltune.config.tree import MAX_BASES, load_tree
from reeltune.errors import InputError


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{next(iter(files))}.yaml"


def test_what_a_recipe_says_goes_over_what_it_extends(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        own="extends: middle.yaml\nrl: {steps: 7}\ndata: {train: [c]}\n",
        middle="extends: base.yaml\nrl: {kl: 0.1, steps: 5}\n",
        base="method: grpo\nseed: 3\nrl: {steps: 1, group_size: 4}\ndata: {train: [a, b]}\n",
    )
    assert load_tree(path, ["rl.kl=0.2"]) == {
        "method": "grpo",
        "seed": 3,
        "rl": {"steps": 7, "kl": 0.2, "group_size": 4},
        "data": {"train": ["c"]},
    }


def test_a_shipped_recipe_is_extended_and_named_from_anywhere(tmp_path: Path) -> None:
    path = write(tmp_path, own="extends: toy/grpo\nrl: {steps: 3}\n")
    own, stock = load_recipe(path), load_recipe(Path("toy/grpo"))
    assert own.rl.steps == 3 != stock.rl.steps
    assert own.model_copy(update={"rl": stock.rl}) == stock
    assert locate(Path("toy/grpo.yaml")) == shipped()["toy/grpo"]
    assert is_recipe(path) and not is_recipe(write(tmp_path, note="name: x\n"))


def test_an_old_name_below_a_new_one_is_one_key(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        own="extends: base.yaml\nrewards: {generalized_iou: false}\n",
        base="rewards: {generalised_iou: true}\n",
    )
    assert load_tree(path) == {"rewards": {"generalized_iou": False}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("extends: own.yaml\n", "extends may chain"),
        ("extends: gone.yaml\n", r"extends='gone\.yaml': .*no shipped recipe has this name"),
        ("extends: toy/grop\n", "did you mean 'toy/grpo'"),
        ("extends: [a, b]\n", "must be one path"),
        ("extends:\n", "must be one path"),
    ],
)
def test_what_cannot_be_extended_is_one_message(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        load_tree(write(tmp_path, own=text))
    assert "own.yaml" in str(caught.value) and str(caught.value).count("\n") == 0


def test_a_long_chain_is_refused_and_a_short_one_is_read(tmp_path: Path) -> None:
    names = [f"r{number}" for number in range(MAX_BASES + 2)]
    chain = {name: f"extends: {below}.yaml\n" for name, below in pairwise(names)}
    write(tmp_path, **chain, **{names[-1]: "seed: 5\n"})
    assert load_tree(tmp_path / "r1.yaml") == {"seed": 5}
    with pytest.raises(InputError, match="extends may chain"):
        load_tree(tmp_path / "r0.yaml")
