"""The examples of README and docs work: every block fenced as `bash run` is run, page by page, from top to bottom."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```bash run\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = {
    page.name: BLOCK.findall(page.read_text(encoding="utf-8"))
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
}


def test_the_pages_hold_examples() -> None:
    assert any(EXAMPLES.values())


@pytest.mark.parametrize("page", [name for name, blocks in EXAMPLES.items() if blocks])
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
