"""Tables of runs, in Markdown; pure functions of the lines that accuracy.py wrote."""

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Run = dict[str, Any]
REFERENCE, TWO = "srad + otsu", "two networks"
ALLOWED = 0.3
"""How far below the quick reference a pair may lie."""


def read(path: Path) -> list[Run]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def all_tables(runs: list[Run], choices: Sequence[str]) -> str:
    pairs = sorted({r["pair"] for r in runs})
    chosen = leave_one_out(runs, pairs, choices, TWO)
    return "\n\n".join([accuracy(runs, pairs), ablation(runs, pairs), chosen, confidence(runs)])


def kappas(runs: list[Run], variant: str, pair: str, seeds: set[int] | None = None) -> list[float]:
    return [
        r["kc"] for r in runs if (r["variant"], r["pair"]) == (variant, pair) and (seeds is None or r["seed"] in seeds)
    ]


def base_of(variant: str) -> str:
    """What it differs from in one value."""
    return "default" if variant in ("default", "paper", TWO, REFERENCE) else TWO


def row(*cells: object) -> str:
    """Floats to two digits, "-" for what was not run."""
    words = [("-" if math.isnan(cell) else f"{cell:.2f}") if isinstance(cell, float) else str(cell) for cell in cells]
    return "| " + " | ".join(words) + " |"


def accuracy(runs: list[Run], pairs: list[str]) -> str:
    """Mean and deviation over the seeds, KC in percent, beside the published recipe and the quick reference."""
    head = ("pair", "default", "std", "seeds", "paper", "seeds", REFERENCE, f"default - {REFERENCE}", "seconds")
    lines = [row(*head), row(*["---"] * len(head))]
    columns: list[list[float]] = [[], [], []]
    for pair in pairs:
        found = [kappas(runs, variant, pair) for variant in ("default", "paper", REFERENCE)]
        means = [statistics.fmean(values) if values else float("nan") for values in found]
        seconds = [r["seconds"] for r in runs if r["variant"] == "default" and r["pair"] == pair]
        deviation = statistics.stdev(found[0]) if len(found[0]) > 1 else float("nan")
        worst = max(seconds, default=float("nan"))
        gain = f"{means[0] - means[2]:+.2f}"
        lines.append(row(pair, means[0], deviation, len(found[0]), means[1], len(found[1]), means[2], gain, worst))
        for column, mean in zip(columns, means, strict=True):
            column.append(mean)
    default, paper, reference = (statistics.fmean(column) for column in columns)
    return "\n".join([*lines, row("mean", default, "", "", paper, "", reference, f"{default - reference:+.2f}", "")])


def ablation(runs: list[Run], pairs: list[str]) -> str:
    """Every variant against what it varies, the default or its two networks, on the same pairs and seeds."""
    lines = [row("variant", *pairs, "mean", "vs. base"), row(*["---"] * (len(pairs) + 3))]
    for variant in dict.fromkeys(r["variant"] for r in runs):
        seeds = {r["seed"] for r in runs if r["variant"] == variant}
        means = _means(runs, variant, pairs, None)
        same = _means(runs, base_of(variant), pairs, seeds)
        if means and same:
            gain = statistics.fmean(means) - statistics.fmean(same)
            lines.append(row(variant, *means, statistics.fmean(means), f"{gain:+.2f} ({_seeds(seeds)})"))
    return "\n".join(lines)


def leave_one_out(runs: list[Run], pairs: list[str], choices: Sequence[str], default: str) -> str:
    """For each pair: which choice is best on the others, and what it gives here.

    Best: fewest pairs more than ALLOWED below the quick reference, then the greatest mean. On the seeds that all have
    run; choices that have not run on all pairs are left out.
    """
    reference = _means(runs, REFERENCE, pairs, None)
    complete = [v for v in choices if _means(runs, v, pairs, None)]
    if default not in complete or not reference:
        return ""
    seeds = set.intersection(
        *({r["seed"] for r in runs if r["variant"] == v and r["pair"] == pair} for v in complete for pair in pairs)
    )
    scores = {v: _means(runs, v, pairs, seeds) for v in complete}
    head = ("pair left out", "chosen on the others", "KC", f"KC of {default}", f"chosen - {REFERENCE}")
    lines = [f"Candidates: {'; '.join(complete)}.", "", row(*head), row(*["---"] * len(head))]
    columns = []
    for number, pair in enumerate(pairs):
        rest = [other for other in range(len(pairs)) if other != number]
        ranks = {
            v: (-sum(m[n] < reference[n] - ALLOWED for n in rest), statistics.fmean(m[n] for n in rest))
            for v, m in scores.items()
        }
        best = max(ranks, key=lambda v: ranks[v])
        columns.append((scores[best][number], scores[default][number], scores[best][number] - reference[number]))
        lines.append(row(pair, best, columns[-1][0], columns[-1][1], f"{columns[-1][2]:+.2f}"))
    here, own, gain = (statistics.fmean(column) for column in zip(*columns, strict=True))
    return "\n".join([*lines, row(f"mean ({_seeds(seeds)})", "", here, own, f"{gain:+.2f}")])


def confidence(runs: list[Run]) -> str:
    """Of the pixels with a probability in each fifth, how many changed in truth: the default on all pairs and seeds."""
    bins = [[0, 0] for _ in range(5)]
    for r in runs:
        if r["variant"] == "default":
            for number, (pixels, changed) in enumerate(r["reliability"]):
                bins[number // 4][0] += pixels
                bins[number // 4][1] += changed
    lines = [row("probability", "pixels", "share that changed"), row(*["---"] * 3)]
    for number, (pixels, changed) in enumerate(bins):
        share = changed / pixels if pixels else float("nan")
        lines.append(row(f"{number / 5:.1f} to {(number + 1) / 5:.1f}", pixels, share))
    return "\n".join(lines)


def _seeds(seeds: set[int]) -> str:
    return f"{len(seeds)} seed{'' if len(seeds) == 1 else 's'}"


def _means(runs: list[Run], variant: str, pairs: list[str], seeds: set[int] | None) -> list[float]:
    """One mean a pair, or none where a pair is missing."""
    found = [kappas(runs, variant, pair, seeds) for pair in pairs]
    return [statistics.fmean(values) for values in found] if all(found) else []
