"""`reeltune recipes list|show|copy`: the recipes that come with the package."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from reeltune.errors import InputError

FOLDER = Path(__file__).parents[1] / "recipes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="their names, and what each is for")
    show = actions.add_parser("show", help="print one")
    show.add_argument("name", help="as `list` prints it, such as toy/grpo")
    copy = actions.add_parser("copy", help="write one to a file of your own, to change it")
    copy.add_argument("name", help="as `list` prints it, such as toy/grpo")
    copy.add_argument("target", type=Path, nargs="?", help="file or folder (default: here, under its own name)")


def run(args: argparse.Namespace) -> int:
    if args.action == "list":
        names = [(path.relative_to(FOLDER).with_suffix("").as_posix(), path) for path in _all()]
        width = max((len(name) for name, _ in names), default=0)
        for name, path in names:
            print(f"{name:<{width}}  {_purpose(path)}")
        return 0
    path = _find(args.name)
    if args.action == "show":
        print(path.read_text(encoding="utf-8"), end="")
        return 0
    print(_copy(path, args.target or Path(path.name)))
    return 0


def _all() -> Iterator[Path]:
    """The recipes, without the plan files beside them, which only `reeltune plan` takes."""
    for path in sorted(FOLDER.glob("*/*.yaml")):
        if any(line.startswith("method:") for line in path.read_text(encoding="utf-8").splitlines()):
            yield path


def _purpose(path: Path) -> str:
    """The first line of the comment that a recipe begins with."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def _find(name: str) -> Path:
    from reeltune.sample import nearest

    paths = {path.relative_to(FOLDER).with_suffix("").as_posix(): path for path in _all()}
    wanted = name.removesuffix(".yaml")
    if wanted not in paths:
        raise InputError(f"there is no recipe {name!r}{nearest(wanted, paths)} (reeltune recipes list)")
    return paths[wanted]


def _copy(path: Path, target: Path) -> Path:
    from reeltune.files import write_text

    target = target / path.name if target.is_dir() else target
    if target.exists():
        raise InputError(f"{target} exists; give another name, or remove it")
    write_text(target, path.read_text(encoding="utf-8"))
    return target
