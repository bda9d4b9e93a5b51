"""Scores as a table to read: each metric with its interval and the trivial baselines beside it."""

from collections.abc import Mapping, Sequence


def score_table(metrics: Mapping[str, Mapping[str, float]]) -> str:
    """Plain text, one block a task."""
    return "\n\n".join(_task_table(task, values) for task, values in metrics.items())


def _task_table(task: str, values: Mapping[str, float]) -> str:
    baselines = list(dict.fromkeys(name.split(".")[1] for name in values if name.startswith("trivial.")))
    names = [name for name in values if name != "n" and not _is_detail(name, values)]
    rows = [["%", "value", "95 % interval", *baselines]]
    for name in names:
        interval = ""
        if f"{name}.low" in values:
            interval = f"{values[f'{name}.low']:.2f} to {values[f'{name}.high']:.2f}"
        beside = [values.get(f"trivial.{baseline}.{name}") for baseline in baselines]
        title = f"{name} ({values[f'{name}.n']:.0f} samples)" if f"{name}.n" in values else name
        rows.append([title, f"{values[name]:.2f}", interval, *("" if v is None else f"{v:.2f}" for v in beside)])
    text = f"{task}, {values['n']:.0f} samples\n{aligned(rows)}"
    kinds = [name[len("type.") : -len(".n")] for name in values if _is_count(name)]
    if kinds:
        shown = [name for name in names if f"macro.{name}" in values]
        table = [["by type", "samples", *shown]]
        for kind in kinds:
            own = [values.get(f"type.{kind}.{name}") for name in shown]
            cells = ["" if value is None else f"{value:.2f}" for value in own]
            table.append([kind, f"{values[f'type.{kind}.n']:.0f}", *cells])
        table.append(["mean over types", "", *(f"{values[f'macro.{name}']:.2f}" for name in shown)])
        text += f"\n\n{aligned(table)}"
    return text


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def _is_detail(name: str, values: Mapping[str, float]) -> bool:
    beside = name.endswith((".low", ".high", ".n")) and name.rpartition(".")[0] in values
    return beside or name.startswith(("trivial.", "type.", "macro."))


def _is_count(name: str) -> bool:
    return name.startswith("type.") and name.endswith(".n")
