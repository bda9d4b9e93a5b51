"""The house keeps its rules: sizes of files and functions, imports that point down, tasks that nothing asks by name."""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reeltune.tasks import TASKS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "reeltune"
FILE_LINES, FUNCTION_LINES = 300, 60
NAME_TASKS = ("tasks", "data/formats", "toyworld", "commands/demo.py", "report/demo_files.py", "config/tree.py")
"""Where a task is named: itself, what reads files of it, the simulation with its demo, keys of earlier versions."""
ORDER = (
    ("answers", "errors", "event_loop", "fields", "progress", "statistics"),
    ("config", "files", "http", "hub", "media", "registry"),
    ("judges", "lock", "sample"),
    ("provenance", "tasks", "video"),
    ("models", "protocols", "rewards", "toyworld"),
    ("data", "distributed"),
    ("planning", "rollout"),
    ("build", "doctor", "evaluation"),
    ("report",),
    ("explorer", "selection", "training"),
    ("api", "evidence"),
    ("commands",),
    ("cli",),
    ("__main__",),
)
"""What stands over what, from the ground up: a folder imports those of the floors below its own, and no other."""


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
    """Strings that are a task's name, or a dotted key with one in it."""
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text for text in texts if names & set(text.split("."))]


def test_no_file_is_long() -> None:
    parts = ("src", "tests", "benchmarks", "examples", "lantnet/src", "lantnet/tests", "lantnet/benchmarks")
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files(*parts)}
    assert {name: lines for name, lines in sizes.items() if lines > FILE_LINES} == {}


def test_no_function_is_long() -> None:
    assert list(long_functions(ast.parse("def f():\n" + "    pass\n" * FUNCTION_LINES))) == ["f: 61"]
    found = {
        str(path.relative_to(ROOT)): list(long_functions(ast.parse(path.read_text())))
        for path in files("src", "tests", "benchmarks", "examples", "scripts", "lantnet/src", "lantnet/tests")
    }
    assert {name: functions for name, functions in found.items() if functions} == {}


def import_graph() -> Any:
    spec = importlib.util.spec_from_file_location("import_graph", ROOT / "scripts" / "import_graph.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arrows_up(arrows: dict[str, set[str]]) -> list[str]:
    """Imports of a folder on the same floor or above, and folders that have no floor."""
    floor = {name: number for number, names in enumerate(ORDER) for name in names} | {"": -1}
    pairs = {
        tuple(".".join(name.split(".")[1:2]) for name in (module, target))
        for module, targets in arrows.items()
        for target in targets
    }
    unknown = {name for pair in pairs for name in pair if name not in floor}
    return sorted(unknown) or sorted(f"{a} imports {b}" for a, b in pairs if a != b and floor[a] <= floor[b])


def test_imports_point_down() -> None:
    graph = import_graph()
    arrows = graph.graph(SOURCE)
    assert len(arrows) > 300 and graph.floors(arrows)[1] == [] and graph.folder_cycles(arrows, "reeltune") == []
    assert arrows_up(arrows) == []
    assert arrows_up({"reeltune.tasks.spans": {"reeltune.rewards.score"}}) == ["tasks imports rewards"]
    assert arrows_up({"reeltune.new.file": {"reeltune.errors"}}) == ["new"]


def test_nothing_asks_for_a_task_by_name() -> None:
    # Other tests load tasks of their own; instruction is also the name of a field.
    names = {name for name, task in TASKS.items() if type(task).__module__.startswith("reeltune.")} - {"instruction"}
    assert "captioning" in names and task_names(ast.parse("x = 'captioning'"), names) == ["captioning"]
    assert task_names(ast.parse("x = 'rewards.captioning'"), names) == ["rewards.captioning"]
    found = {}
    for path in files("src"):
        inside = path.relative_to(SOURCE).as_posix()
        if not inside.startswith(NAME_TASKS) and (asked := task_names(ast.parse(path.read_text()), names)):
            found[inside] = asked
    assert found == {}


@pytest.mark.parametrize("method", ["grpo", "sft", "distill"])
def test_the_loop_knows_no_method(method: str) -> None:
    assert method not in task_names(ast.parse((SOURCE / "training" / "loop.py").read_text()), {method})
