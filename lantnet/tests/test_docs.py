"""The examples of README and docs work: every block fenced as `bash run` is run, page by page, from top to bottom; the
blocks fenced as `python run` of a page are one program."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = {page.name: page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}


def blocks(language: str) -> dict[str, list[str]]:
    fenced = re.compile(rf"^```{language} run\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return {name: found for name, text in sorted(PAGES.items()) if (found := fenced.findall(text))}


EXAMPLES, PROGRAMS = blocks("bash"), blocks("python")


def test_the_pages_hold_examples() -> None:
    assert EXAMPLES and PROGRAMS


@pytest.mark.slow
@pytest.mark.parametrize("page", EXAMPLES)
def test_the_examples_of_a_page_work(page: str, tmp_path: Path) -> None:
    command = tmp_path / "bin" / "lantnet"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m lantnet \"$@\"\n")
    command.chmod(0o755)
    environment = os.environ | {"PATH": f"{command.parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    for script in EXAMPLES[page]:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("page", PROGRAMS)
def test_the_program_of_a_page_works(page: str, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n".join(PROGRAMS[page]), encoding="utf-8")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
