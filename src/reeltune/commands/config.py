"""`reeltune config RECIPE [section.key=value]`: the recipe as a run would read it."""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check a recipe and print all its settings as YAML, including what it extends and overrides; settings that are "
        "not stated are marked as defaults. Names of losses, engines, families, judges, tasks and rewards are checked "
        "too. To also check data, model files and this machine, use `reeltune train --dry-run`."
    )
    parser.add_argument("recipe", type=Path, help="a YAML file, or the name of a shipped recipe such as toy/grpo")
    parser.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="section.key=value",
        help="settings that replace those of the recipe",
    )
    parser.add_argument("--given", action="store_true", help="print only what the recipe states, no defaults")


def run(args: argparse.Namespace) -> int:
    from reeltune.config.recipe import load_recipe
    from reeltune.training.names import check_names

    recipe = load_recipe(args.recipe, args.overrides)
    check_names(recipe)
    given = recipe.model_dump(mode="json", exclude_unset=True)
    shown = given if args.given else recipe.model_dump(mode="json")
    print("\n".join(_lines(shown, given)))
    return 0


def _lines(tree: Mapping[str, Any], given: Any, indent: str = "") -> Iterator[str]:
    """YAML of `tree`, in which what `given` does not hold ends with a comment that says so."""
    import yaml

    for name, value in tree.items():
        stated = isinstance(given, Mapping) and name in given
        mark = "" if stated else "  # default"
        if isinstance(value, Mapping) and value:
            yield f"{indent}{name}:{mark}"
            yield from _lines(value, given[name] if stated else value, indent + "  ")
            continue
        # In one line each, so that a comment can follow.
        flow = yaml.safe_dump(
            {name: value}, default_flow_style=True, sort_keys=False, width=float("inf"), allow_unicode=True
        )
        yield f"{indent}{flow.strip().removeprefix('{').removesuffix('}')}{mark}"
