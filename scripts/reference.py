"""Writes docs/reference/: every setting, every command, the public API, each from the code that defines it.

python scripts/reference.py          write the pages
python scripts/reference.py --check  exit 1 where a page is not what the code says
"""

import argparse
import inspect
import re
import sys
import types
import typing
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import reeltune
from reeltune.cli import LEVELS, make_parser
from reeltune.config.recipe import Recipe
from reeltune.config.shipped import papers

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
LINE = 88
MADE = "<!-- Written by scripts/reference.py; change the code, not this page. -->\n\n"


def main() -> int:
    pages = {"settings.md": settings(), "commands.md": commands(), "api.md": api(), "papers.md": papers_page()}
    stale = [name for name, page in pages.items() if _read(FOLDER / name) != page]
    if "--check" in sys.argv:
        print("\n".join(f"docs/reference/{name} is not what the code says" for name in stale))
        return int(bool(stale))
    FOLDER.mkdir(exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(pages[name], encoding="utf-8")
    return 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


# Settings


def settings() -> str:
    parts = [
        f"{MADE}# Every setting of a recipe\n",
        "One YAML file; `section.key=value` on the command line overrides one. `extends: NAME` builds on another "
        "recipe. `reeltune config RECIPE` prints a recipe with all defaults.\n",
        *_section("", Recipe),
    ]
    return "\n".join(parts)


def _section(path: str, model: type[BaseModel]) -> list[str]:
    """A table of the model's own settings, then its sections."""
    plain, sections = [], []
    for name, field in model.model_fields.items():
        if inner := _models(field.annotation):
            sections.append((f"{path}{name}", name, field, inner))
        else:
            plain.append(f"| `{path}{name}` | {_type(field)} | {_default(field)} | {_cell(field.description or '')} |")
    found: list[str] = []
    if plain:
        found += ["| setting | value | default | |", "|---|---|---|---|", *plain, ""]
    for full, _, field, inner in sections:
        listed = typing.get_origin(_bare(field.annotation)) is list
        note = " ".join(filter(None, [field.description, inspect.getdoc(inner) if inner.__doc__ else None]))
        found += [f"## {full}\n", *([_cell(note) + "\n"] if note and not note.startswith("!!!") else [])]
        found += _section(f"{full}{'[]' if listed else ''}.", inner)
    return found


def _bare(annotation: Any) -> Any:
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is typing.Annotated else annotation


def _models(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, also as an option or in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((inner for each in typing.get_args(annotation) if (inner := _models(each))), None)


def _type(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {getattr(each, name)}" for each in field.metadata for name, sign in _SIGNS if hasattr(each, name)
    ]
    return _cell(", ".join([_words(field.annotation), *bounds]))


_SIGNS = (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
_NAMES = {int: "whole number", float: "number", str: "text", bool: "true, false", type(None): "null", Any: "any"}


def _words(annotation: Any) -> str:
    """A type for somebody who writes YAML."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in _NAMES:
        return _NAMES[annotation]
    if origin is typing.Literal:
        return ", ".join(f"`{each}`" for each in inner)
    if origin is typing.Annotated:
        return _words(inner[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(each) for each in inner)
    if origin is dict:
        return f"mapping of {_words(inner[0])} to {_words(inner[1])}"
    if origin in (list, tuple):
        return f"list of {_words(inner[0])}"
    return str(getattr(annotation, "__name__", annotation))


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined and field.default_factory is None:
        return "**required**"
    value = field.get_default(call_default_factory=True, validated_data={})
    return f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    """As it is written in a recipe."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# Papers


def papers_page() -> str:
    found = [
        f"{MADE}# Reproduce a paper's table\n",
        "`reeltune reproduce PAPER` lists what is missing, then imports, trains, evaluates and prints our column next "
        "to the published ones; finished stages are not repeated. **None has been run at full size here**: the numbers "
        "below are the papers'. `--small` tests the claims in toyworld, a simulation; results are in "
        "[evidence](../evidence.md).\n",
    ]
    for name, path in papers().items():
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))
        whole, small = spec["whole"], spec["small"]
        columns = list(dict.fromkeys(key for row in spec["published"].values() for key in row))
        found += [f"## {spec['paper']}\n", f"{spec['claims'].strip()}\n", "Published:\n"]
        found += [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        for row, values in spec["published"].items():
            found.append(f"| {row} | {' | '.join(str(values.get(each, '')) for each in columns)} |")
        found += ["", f"```bash\nreeltune reproduce {name}            # the paper's hardware: {whole['hardware']}"]
        found += [f"reeltune reproduce {name} --small    # minutes to hours on a CPU\n```\n", "It needs:\n"]
        found += [f"- `{place}`: {what}" for place, what in whole["needs"].items()]
        trains = [word for each in whole["stages"] for word in each["run"][1:2] if each["run"][0] == "train"]
        found += ["", f"Recipe: {', '.join(f'`{each}`' for each in trains)}. The small version tests these claims:\n"]
        found += [f"- {claim['says']}" for claim in small["claims"]]
        found += ["", "Not covered by the small version:\n", *[f"- {each}" for each in small["missing"]], ""]
    return "\n".join(found)


# Commands


def commands() -> str:
    found = [
        f"{MADE}# Every command\n",
        "`reeltune COMMAND --help` prints the same. Every command also takes `--quiet` (errors only, no progress) "
        f"and `--log-level` ({', '.join(LEVELS)}; level of log messages on stderr).\n",
    ]
    for name, command in _subcommands(make_parser(), "reeltune"):
        found += [f"## {name}\n"]
        if command.description:
            found += [command.description + "\n"]
        found += ["| argument | |", "|---|---|"]
        for action in command._actions:
            if action.dest not in ("help", "quiet", "log_level"):
                found.append(f"| `{_argument(action)}` | {_help(action)} |")
        found.append("")
    return "\n".join(found)


def _subcommands(command: argparse.ArgumentParser, name: str) -> list[tuple[str, argparse.ArgumentParser]]:
    groups = [each for each in command._actions if isinstance(each, argparse._SubParsersAction)]
    if not groups:
        return [(name, command)]
    return [
        pair
        for group in groups
        for each, inner in group.choices.items()
        for pair in _subcommands(inner, f"{name} {each}")
    ]


def _argument(action: argparse.Action) -> str:
    value = action.metavar or (",".join(map(str, action.choices)) if action.choices else action.dest.upper())
    value = "" if action.nargs == 0 else str(value[0] if isinstance(value, tuple) else value)
    return " ".join(
        filter(
            None, [", ".join(action.option_strings), value if action.option_strings else action.metavar or action.dest]
        )
    )


def _help(action: argparse.Action) -> str:
    text = action.help or ""
    return _cell(text % {"default": action.default} if "%(" in text else text)


# The API


def api() -> str:
    found = [f"{MADE}# The public API\n", "`import reeltune as rt` does not import torch.\n"]
    # First the functions, the verbs that a script begins with.
    things = {name: getattr(reeltune, name) for name in sorted(reeltune.__all__, key=lambda name: name[0].isupper())}
    for name, thing in things.items():
        if not callable(thing):
            continue
        found += [
            f"## rt.{name}\n",
            f"```python\n{name}{_signature(thing)}\n```\n",
            _own_doc(thing) + "\n",
        ]
        if inspect.isclass(thing) and thing.__module__.startswith("reeltune"):
            for each, member in _methods(thing):
                found += [
                    f"### {name}.{each}\n",
                    f"```python\n{each}{_signature(member)}\n```\n",
                    inspect.getdoc(member) or "",
                    "",
                ]
    return "\n".join(found)


def _own_doc(thing: Any) -> str:
    """Not what a class inherits: pydantic's words say nothing of ours."""
    return inspect.cleandoc(thing.__doc__) if thing.__doc__ else ""


def _methods(thing: type) -> list[tuple[str, Any]]:
    """Documented public methods that the class itself writes, in its order."""
    own = [(name, getattr(each, "__func__", each)) for name, each in vars(thing).items() if not name.startswith("_")]
    return [(name, each) for name, each in own if inspect.isfunction(each) and each.__doc__]


def _signature(thing: Any) -> str:
    """Of a section or a sample nothing: its fields are settings, and stand in the other pages."""
    if inspect.isclass(thing) and issubclass(thing, BaseModel):
        return "(...)"
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    found = _short(str(signature))
    if len(found) <= LINE:
        return found
    rows: list[str] = []
    for each in signature.parameters.values():
        if each.kind is each.KEYWORD_ONLY and "*" not in rows and not any(row.startswith("*") for row in rows):
            rows.append("*")
        rows.append(_short(str(each)))
    end = found[found.rindex(")") :] if signature.return_annotation is signature.empty else _short(_returned(signature))
    return "(\n" + "".join(f"    {row},\n" for row in rows) + end


def _returned(signature: inspect.Signature) -> str:
    """`) -> TYPE`, as the whole signature prints it."""
    bare = str(signature.replace(parameters=[]))
    return bare.removeprefix("(")


def _short(text: str) -> str:
    """Without the names of modules: `collections.abc.Sequence[sample.Sample]` is a Sequence[Sample]."""
    return re.sub(r"\b(?:[a-z_][a-z_0-9]*\.)+(?=[A-Z~])", "", text).replace("~", "")


if __name__ == "__main__":
    sys.exit(main())
