"""The recipes by name."""

from lantnet.default import DefaultRecipe
from lantnet.errors import InputError
from lantnet.paper import PaperRecipe
from lantnet.recipe import Recipe

RECIPES: dict[str, Recipe] = {"default": DefaultRecipe(), "paper": PaperRecipe()}


def recipe_named(name: str) -> Recipe:
    if name not in RECIPES:
        raise InputError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}.")
    return RECIPES[name]
