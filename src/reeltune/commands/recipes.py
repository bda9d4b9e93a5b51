"""`reeltune recipes list|show|copy`: the recipes that come with the package."""

import argparse
import re
from itertools import takewhile
from pathlib import Path

from reeltune.config.shipped import is_recipe, locate, shipped
from reeltune.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|copy")
    actions.add_parser("list", help="list their names and purposes")
    show = actions.add_parser("show", help="print one")
    show.add_argument("recipe", metavar="NAME", help="a name that `list` prints, such as toy/grpo")
    copy = actions.add_parser("copy", help="copy one to a file that you can edit")
    copy.add_argument("recipe", metavar="NAME", help="a name that `list` prints, such as toy/grpo")
    copy.add_argument(
        "target", type=Path, nargs="?", help="file or folder (default: the current folder, under the recipe's name)"
    )


def run(args: argparse.Namespace) -> int:
    if args.action == "list":
        recipes = {name: path for name, path in shipped().items() if is_recipe(path)}
        width = max(map(len, recipes), default=0)
        for name, path in recipes.items():
            print(f"{name:<{width}}  {_purpose(path)}")
        return 0
    path = _find(args.recipe)
    if args.action == "show":
        print(path.read_text(encoding="utf-8"), end="")
        return 0
    print(_copy(path, args.target or Path(path.name)))
    return 0


def _purpose(path: Path) -> str:
    """The sentences that fit the first line of the comment that a recipe begins with, or else its first sentence."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = [line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines)]
    text = " ".join(comment)
    ends = [found.end() for found in re.finditer(r"[.?](?= |$)", text)] or [len(text)]
    return text[: max([end for end in ends if end <= len(comment[0])], default=ends[0])] if comment else ""


def _find(name: str) -> Path:
    path = locate(Path(name))
    if path not in shipped().values():
        raise InputError(
            f"{name!r} is a file, not the name of a shipped recipe; `reeltune recipes list` prints the names"
        )
    return path


def _copy(path: Path, target: Path) -> Path:
    from reeltune.files import write_text

    target = target / path.name if target.is_dir() else target
    if target.exists():
        raise InputError(f"{target} already exists; give another name, or remove it")
    write_text(target, path.read_text(encoding="utf-8"))
    return target
