"""The recipes by name."""

from lantnet.errors import InputError
from lantnet.methods.default import DefaultRecipe
from lantnet.methods.recipe import Recipe
from lantnet.published.paper import PaperRecipe

RECIPES: dict[str, Recipe] = {"default": DefaultRecipe(), "paper": PaperRecipe()}


def recipe_named(name: str) -> Recipe:
    if name not in RECIPES:
        raise InputError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}.")
    return RECIPES[name]
