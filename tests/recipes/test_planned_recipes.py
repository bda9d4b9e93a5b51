"""Every file of recipes/p-mod is what it claims: a plan, or a recipe of a routed model."""

from pathlib import Path

import pytest

from reeltune.config.recipe import load_recipe
from reeltune.planning.source import read_plan

FOLDER = Path(__file__).parents[2] / "recipes" / "p-mod"


def test_the_files_are_found() -> None:
    names = {path.name for path in FOLDER.glob("*.yaml")}
    assert names >= {"llava-1.5-7b.yaml", "llava-1.5-7b-sft.yaml", "qwen2.5-vl-7b.yaml", "toy-grpo.yaml"}


@pytest.mark.parametrize("file", sorted(path.name for path in FOLDER.glob("*.yaml")))
def test_each_file_is_read(file: str) -> None:
    if file.endswith(("-sft.yaml", "-grpo.yaml", "-lora.yaml")):
        recipe = load_recipe(FOLDER / file)
        assert recipe.model.mixture_of_depths is not None or "p-mod-sft" in recipe.model.path
    else:
        assert read_plan(FOLDER / file).routing is not None
