"""What stands above the tables: what is open, and of a run its curves, its settings and what its watch says."""

from typing import Any

from reeltune.data.findings import check_samples
from reeltune.errors import InputError
from reeltune.explorer.opened import Opened
from reeltune.explorer.query import Where
from reeltune.report.run import headline
from reeltune.report.run_files import EVAL, read_run
from reeltune.sample import read_rows

MOST_POINTS = 2000
PLACES_SHOWN = 50
SET_ASIDE = "set_aside.jsonl"


def source_card(opened: Opened) -> dict[str, Any]:
    """Of every source: its name and kind, whether it is read and still grows, its fields and how many rows it has."""
    index = opened.index
    everything = Where("1")
    return {
        "name": opened.source.name,
        "kind": opened.source.kind,
        "path": str(opened.source.path),
        "ready": opened.ready,
        "live": opened.live,
        "generation": index.generation,
        "groups": index.count("groups", everything),
        "answers": index.count("answers", everything),
        "fields": {table: _fields(opened, table) for table in ("groups", "answers")},
        "problems": [*opened.problems, *index.problems],
        "said": opened.said,
        "tags": sorted(opened.notes.tagged()),
    }


def _fields(opened: Opened, table: str) -> dict[str, str]:
    kinds = opened.index.columns(table)
    return {name: kinds[name] for name in opened.index.used(table)}


def overview(opened: Opened) -> dict[str, Any]:
    """Of a run: {"headline", "curves": {name: [[step, value]...]}, "warnings", "settings", "last_step", "planned"}."""
    settings = flat(opened.source.config())
    if opened.source.kind == "samples":
        return {
            "settings": {},
            "curves": {},
            "warnings": [],
            "headline": opened.source.name,
            "findings": [*_findings(opened), *_set_aside(opened)],
        }
    if opened.source.kind != "run":
        return {"settings": settings, "curves": {}, "warnings": [], "headline": "", "decisions": _decisions(opened)}
    try:
        run = read_run(opened.source.path)
    except InputError as error:
        return {"settings": settings, "curves": {}, "warnings": [{"step": 0, "warning": str(error)}], "headline": ""}
    names = [*run.names(), *run.names(evaluations=True)]
    curves = {name: _thin(run.values(name)) for name in names}
    return {
        "headline": headline(run),
        "curves": {name: points for name, points in curves.items() if points},
        "evaluations": [name for name in names if name.startswith(EVAL)],
        "warnings": run.warnings,
        "settings": settings | {f"environment.{name}": value for name, value in run.environment.items()},
        "last_step": run.last_step,
        "planned": run.planned_steps,
        "seconds": run.seconds(),
        "quarantine": run.quarantine[:200],
    }


def _decisions(opened: Opened) -> list[dict[str, Any]]:
    """Of a selection: [{"reason", "kept", "n"}], what became of its samples, those kept first."""
    if opened.source.kind != "selection":
        return []
    sql = (
        "SELECT reason, max(kept) AS kept, count(*) AS n FROM groups WHERE reason IS NOT NULL GROUP BY reason "
        "ORDER BY kept DESC, n DESC"
    )
    return opened.index.select(sql)


def _findings(opened: Opened) -> list[dict[str, Any]]:
    """What `reeltune data check` says of the samples, videos unopened: {"kind", "is_error", "places"}."""
    found = []
    for path in opened.source.samples:
        report = check_samples(path)
        for is_error, kinds in ((True, report.errors), (False, report.warnings)):
            for kind, places in kinds.items():
                row = {"kind": f"{path.name}: {kind}", "is_error": is_error, "n": len(places)}
                found.append(row | {"places": places[:PLACES_SHOWN]})
    return found


def _set_aside(opened: Opened) -> list[dict[str, Any]]:
    """The rows that `reeltune init` could not use, with their reasons, as a finding."""
    file = opened.source.folder / SET_ASIDE
    if not file.exists() or not opened.source.path.is_dir():
        return []
    if not (rows := [row for _, row in read_rows(file)]):
        return []
    places = [f"row {row.get('row')}: {row.get('reason')}" for row in rows[:PLACES_SHOWN]]
    return [{"kind": f"{SET_ASIDE}: could not be used", "is_error": False, "n": len(rows), "places": places}]


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """{"rl.steps": 240, ...} of nested settings; lists and what is empty stand as they are."""
    if not isinstance(tree, dict) or not tree:
        return {prefix: tree} if prefix else {}
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= flat(value, f"{prefix}.{name}" if prefix else str(name))
    return found


def _thin(points: list[Any]) -> list[list[float]]:
    """At most MOST_POINTS, evenly, the last one among them."""
    step = max(1, -(-len(points) // MOST_POINTS))
    kept = points[::step]
    if points and kept[-1] != points[-1]:
        kept.append(points[-1])
    return [[number, value] for number, value in kept]
