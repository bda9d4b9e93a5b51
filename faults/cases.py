"""One command under one fault that is not of the disk, in a fork; and what it should have come to."""

import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import reeltune.cli
from faults.table import Row
from faults.zygote import run

Check = Callable[[int, str, Path], str | None]
"""(exit code, what was printed, the folder) -> what is wrong, or None."""


def refused(*words: str) -> Check:
    """Exit code 2, one message that holds all of these words, no traceback."""

    def check(code: int, text: str, folder: Path) -> str | None:
        missing = [word for word in words if word not in text]
        if code == 2 and "Traceback" not in text and not missing:
            return None
        return f"exit code {code}; missing in the message: {missing}"

    return check


def went_on(*words: str) -> Check:
    """Exit code 0, no traceback, with these words."""

    def check(code: int, text: str, folder: Path) -> str | None:
        missing = [word for word in words if word not in text]
        return None if code == 0 and "Traceback" not in text and not missing else f"exit code {code}; {missing}"

    return check


@dataclass(frozen=True)
class Case:
    """`before` is called in the fork, before the command."""

    what: str
    words: list[str]
    check: Check
    before: Callable[[], object] = lambda: None
    processes: int = 1


def try_cases(part: str, cases: Iterable[Case], scratch: Path) -> list[Row]:
    """One row per kind of case: what stands before the colon of its name."""
    rows: dict[str, Row] = {}
    for number, case in enumerate(cases):
        folder, said = scratch / f"case-{number}", scratch / f"case-{number}.txt"

        def main(words: list[str], case: Case = case) -> int:
            case.before()
            return reeltune.cli.main(words)

        code = run(main, case.words, folder, said, processes=case.processes)
        text = said.read_text(errors="replace")
        wrong = case.check(code, text, folder)
        row = rows.setdefault(case.what.split(":")[0], Row(part, case.what.split(":")[0]))
        row.took(f"{case.what}: {wrong}\n{text[-1200:]}" if wrong else None)
        shutil.rmtree(folder, ignore_errors=True)
        sys.stdout.flush()
    return list(rows.values())
