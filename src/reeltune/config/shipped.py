"""The recipes that come with the package, by name: `toy/grpo`, `videochat-r1/grounding`."""

import difflib
from pathlib import Path

from reeltune.errors import InputError

FOLDER = Path(__file__).parents[1] / "recipes"


REPRODUCTIONS = "reproduce-*.yaml"


def papers() -> dict[str, Path]:
    """Paper -> the file that says how its table is made again; these are no recipes, and stand above them."""
    return {path.stem.removeprefix("reproduce-"): path for path in sorted(FOLDER.glob(REPRODUCTIONS))}


def shipped() -> dict[str, Path]:
    """Name -> file, without the plan files beside them, which only `reeltune plan` takes."""
    return {path.relative_to(FOLDER).with_suffix("").as_posix(): path for path in sorted(FOLDER.glob("*/*.yaml"))}


def is_recipe(path: Path) -> bool:
    """Whether a shipped file says what to run, itself or by the recipe that it extends."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return any(line.startswith(("method:", "extends:")) for line in lines)


def locate(path: Path) -> Path:
    """The file itself, or the shipped recipe of this name. InputError with the nearest name for neither."""
    name = path.as_posix().removesuffix(".yaml")
    if path.exists() or path.is_absolute() or path.is_symlink():
        return path
    known = shipped()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else "`reeltune recipes list` prints the shipped ones"
    raise InputError(f"recipe {str(path)!r} does not exist, and no shipped recipe has this name; {hint}")
