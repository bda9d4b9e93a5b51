"""The house keeps its rules: sizes of files and functions, imports that point down, tasks that nothing asks by name."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reeltune.tasks import TASKS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "reeltune"
FILE_LINES, FUNCTION_LINES = 300, 60
NAME_TASKS = ("tasks", "data/formats", "toyworld", "commands/demo.py", "report/demo.py", "report/demo_files.py")
"""Where a task is named: itself, what reads files of it, and the simulation with its demo."""


def files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert found
    return found


def long_functions(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{node.name}: {lines}"


def task_names(tree: ast.AST, names: set[str]) -> list[str]:
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in names]


def test_no_file_is_long() -> None:
    parts = ("src", "tests", "benchmarks", "examples", "lantnet/src", "lantnet/tests", "lantnet/benchmarks")
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files(*parts)}
    assert {name: lines for name, lines in sizes.items() if lines > FILE_LINES} == {}


def test_no_function_is_long() -> None:
    assert list(long_functions(ast.parse("def f():\n" + "    pass\n" * FUNCTION_LINES))) == ["f: 61"]
    found = {
        str(path.relative_to(ROOT)): list(long_functions(ast.parse(path.read_text())))
        for path in files("src", "lantnet/src")
    }
    assert {name: functions for name, functions in found.items() if functions} == {}


def test_imports_point_down() -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / "import_graph.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_asks_for_a_task_by_name() -> None:
    names = set(TASKS) - {"instruction"}  # also the name of a field
    assert "captioning" in names and task_names(ast.parse("x = 'captioning'"), names) == ["captioning"]
    found = {}
    for path in files("src"):
        inside = path.relative_to(SOURCE).as_posix()
        if not inside.startswith(NAME_TASKS) and (asked := task_names(ast.parse(path.read_text()), names)):
            found[inside] = asked
    assert found == {}


@pytest.mark.parametrize("method", ["grpo", "sft", "distill"])
def test_the_loop_knows_no_method(method: str) -> None:
    assert method not in task_names(ast.parse((SOURCE / "training" / "loop.py").read_text()), {method})
