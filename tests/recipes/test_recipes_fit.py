"""Every shipped recipe fits the hardware it is for, by its plan: the paper's, or one card for its LoRA variant."""

from pathlib import Path

import pytest

from reeltune.config.tree import read_yaml
from reeltune.planning.answer import verdict
from reeltune.planning.hardware import parse_devices
from reeltune.planning.recipe import answer_longest
from reeltune.planning.source import read_plan

RECIPES = Path(__file__).parents[2] / "recipes"
FILES = sorted(
    str(path.relative_to(RECIPES)) for path in RECIPES.glob("*/*.yaml") if {"method", "extends"} & set(read_yaml(path))
)
FULL = [file for file in FILES if "toy" not in file and not file.endswith("-lora.yaml")]


def hardware(file: str) -> str:
    if "toy" in file:
        return "1x8"  # a laptop
    return "1x48" if file.endswith("-lora.yaml") else "8x80"


@pytest.mark.parametrize("file", FILES)
def test_a_recipe_fits_its_hardware(file: str) -> None:
    found = answer_longest(read_plan(RECIPES / file), parse_devices(hardware(file)))
    assert found.fits, verdict(found)
    assert verdict(found).startswith("fits: yes")


@pytest.mark.parametrize("file", [file for file in FULL if not file.startswith("laptop/")])
def test_a_large_recipe_has_a_variant_for_one_card(file: str) -> None:
    variant = file.removesuffix(".yaml") + "-lora.yaml"
    assert variant in FILES
    quantized = answer_longest(read_plan(RECIPES / variant, ["adapter.quantize=nf4"]), parse_devices("1x24"))
    assert quantized.fits, verdict(quantized)
    alone = answer_longest(read_plan(RECIPES / file, ["parallel={}"]), parse_devices("8x80"))
    assert not alone.fits and alone.advice  # what the variant and the sharding are for
