"""What a choice leaves behind: samples.jsonl to train on, every decision with its reason, and the counts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reeltune.data.kept import keep_media
from reeltune.files import write_json, write_jsonl
from reeltune.media import rebase
from reeltune.selection.rules import Decision, Options
from reeltune.selection.stats import SampleStats

FILE = "samples.jsonl"


def write_outcome(
    directory: Path, stats: Sequence[SampleStats], decisions: Sequence[Decision], options: Options, *, origin: Path
) -> int:
    """Write decisions.jsonl, choice.json and, unless nothing was kept, samples.jsonl; returns the number kept.

    `origin`: the folder that the samples' videos are relative to.
    """
    every = [rebase(each.sample, origin, directory) for each in stats]
    rows = [row for row, decision in zip(every, decisions, strict=True) if decision.kept]
    # Those of an earlier choice must not outlive it.
    (directory / FILE).unlink(missing_ok=True)
    write_jsonl(directory / "decisions.jsonl", (asdict(decision) for decision in decisions))
    write_json(directory / "choice.json", {"options": asdict(options), **counts(stats, decisions)})
    keep_media(directory, every)
    if rows:
        write_jsonl(directory / FILE, rows)
    return len(rows)


def counts(stats: Sequence[SampleStats], decisions: Sequence[Decision]) -> dict[str, Any]:
    """How many samples of every kind, by task, and what became of them."""
    kinds: dict[str, dict[str, dict[str, int]]] = {}
    for each, decision in zip(stats, decisions, strict=True):
        cell = kinds.setdefault(each.task, {}).setdefault(decision.kind, {"samples": 0, "kept": 0})
        cell["samples"] += 1
        cell["kept"] += decision.kept
    return {
        "samples": len(stats),
        "kept": sum(decision.kept for decision in decisions),
        "kinds": kinds,
        "reasons": dict(Counter(decision.reason for decision in decisions).most_common()),
    }


def summary(found: dict[str, Any]) -> str:
    """The counts as aligned text."""
    lines = [("task", "class", "samples", "kept")]
    for task, kinds in sorted(found["kinds"].items()):
        for kind, cell in sorted(kinds.items(), key=lambda item: -item[1]["samples"]):
            lines.append((task, kind, str(cell["samples"]), str(cell["kept"])))
    lines.append(("all", "", str(found["samples"]), str(found["kept"])))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        f"{line[0]:{widths[0]}}  {line[1]:{widths[1]}}  {line[2]:>{widths[2]}}  {line[3]:>{widths[3]}}"
        for line in lines
    )
