"""The paper's own table at its own size: what it needs, the commands that make it, our row below the published."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from reeltune.errors import InputError
from reeltune.evidence.spec import Reproduction
from reeltune.evidence.verdict import markdown

OURS = "ours"


def missing(found: Reproduction) -> dict[str, str]:
    """Path -> what belongs there, of what is not there. Paths are relative to the working folder, as in recipes."""
    return {path: what for path, what in found.whole.needs.items() if not Path(path).exists()}


def run_whole(found: Reproduction, *, call: Callable[[list[str]], int] | None = None) -> None:
    """Run the stages whose outcome is not there yet. InputError where something is missing, or a stage fails."""
    absent = missing(found)
    if absent:
        lines = "".join(f"\n  {path}: {what}" for path, what in absent.items())
        raise InputError(
            f"{found.paper} needs what is not here:{lines}\nIt ran on {found.whole.hardware}. --small runs its "
            "toyworld version, which needs nothing"
        )
    for stage in found.whole.stages:
        if Path(stage.makes).exists():
            continue
        print(f"reeltune {' '.join(stage.run)}", flush=True)
        if (call or _reeltune)(stage.run):
            raise InputError(f"this stage failed: reeltune {' '.join(stage.run)}; fix it, and the same command goes on")
        if not Path(stage.makes).exists():
            raise InputError(f"this stage made no {stage.makes}: reeltune {' '.join(stage.run)}")


def beside_published(found: Reproduction) -> str:
    """Markdown: the published rows, and ours below them, "-" for what was not measured."""
    names = list(dict.fromkeys(name for row in found.published.values() for name in row))
    lines = [["", *names]]
    lines += [[row, *(_cell(values.get(name)) for name in names)] for row, values in found.published.items()]
    ours = {column.name: _read(Path(column.file), column.key) for column in found.whole.columns}
    return markdown([*lines, [OURS, *(_cell(ours.get(name)) for name in names)]])


def _read(path: Path, key: str) -> float | None:
    if not path.exists():
        return None
    value = json.loads(path.read_text(encoding="utf-8"))
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) else None


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _reeltune(words: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", "reeltune", *words], check=False).returncode
