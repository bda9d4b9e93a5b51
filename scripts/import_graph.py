"""The import graph of a package: its floors, its cycles, and the folders that import each other.

    python scripts/import_graph.py [src/reeltune]

A module stands one floor above the highest one it imports; late imports, inside functions, count like the others.
Imports for type checking alone do not. Exit code 1 when there is a cycle of files.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path


def modules(root: Path) -> dict[str, Path]:
    """Dotted name -> file."""
    package = root.name
    found = {".".join((package, *path.relative_to(root).with_suffix("").parts)): path for path in root.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in found.items()}


def imports(tree: ast.AST) -> Iterator[str]:
    """Every dotted name that a file imports, but for `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            yield from imports(node)


def graph(root: Path) -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports."""
    known = modules(root)
    found: dict[str, set[str]] = {}
    for name, path in known.items():
        targets = set()
        for target in imports(ast.parse(path.read_text(encoding="utf-8"))):
            while target and target not in known:
                target = target.rpartition(".")[0]
            targets.add(target)
        found[name] = targets - {"", name}
    return found


def floors(arrows: dict[str, set[str]]) -> tuple[dict[str, int], list[list[str]]]:
    """Module -> floor from 0, and the cycles that keep modules from having one."""
    floor: dict[str, int] = {}
    left = dict(arrows)
    while ready := [name for name, targets in left.items() if targets <= floor.keys()]:
        for name in ready:
            floor[name] = max((floor[target] + 1 for target in left.pop(name)), default=0)
    return floor, [sorted(left)] if left else []


def folder_cycles(arrows: dict[str, set[str]], root: str) -> list[tuple[str, str]]:
    """Pairs of top-level folders that import each other."""
    folders: defaultdict[str, set[str]] = defaultdict(set)

    def folder(name: str) -> str:
        return ".".join(name.split(".")[1:2]) or root

    for name, targets in arrows.items():
        folders[folder(name)] |= {folder(target) for target in targets} - {folder(name), root}
    return sorted({tuple(sorted((a, b))) for a, own in folders.items() for b in own if a in folders[b]})  # type: ignore[misc]


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "src/reeltune")
    arrows = graph(root)
    floor, cycles = floors(arrows)
    print(f"{len(arrows)} modules, {sum(map(len, arrows.values()))} imports, {max(floor.values()) + 1} floors")
    for number in range(max(floor.values()) + 1):
        print(f"{number:3d}  {' '.join(name.partition('.')[2] for name in sorted(floor) if floor[name] == number)}")
    for cycle in cycles:
        print(f"in or above a cycle: {' '.join(cycle)}")
    pairs = folder_cycles(arrows, root.name)
    for pair in pairs:
        print(f"folders that import each other: {pair[0]} and {pair[1]}")
    return 1 if cycles or pairs else 0


if __name__ == "__main__":
    sys.exit(main())
