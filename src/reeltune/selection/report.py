"""The page of a selection: what was kept and dropped, why, and what other thresholds would keep."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reeltune.errors import InputError
from reeltune.files import write_text
from reeltune.report.charts import Level, Point, Series, line_chart
from reeltune.report.page import completion_html, facts, notice, page, section, table, text
from reeltune.selection.histogram import binned, histogram
from reeltune.selection.rules import DIFFICULTIES, TEACHING, Decision, Options, kind_of
from reeltune.selection.stats import SampleStats, discrete_tasks, quarantined
from reeltune.tasks import TASKS

Row = tuple[SampleStats, Decision]

EXAMPLES = 3
STDS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
LEVELS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
ASKED = ("query", "question", "instruction", "object")
COLORS = ("grpo", "sft", "truth", "violet", "base")
MEANING = {
    "all wrong": "no completion was right: nothing to reinforce",
    "all right": "every completion was right: nothing left to learn",
    "mixed": "some completions were right: their difference can be learned",
    "poor and steady": "all completions about equally poor",
    "good and steady": "all completions about equally good",
    "varied": "completions of different quality, some of them good",
    "varied but poor": "completions of different quality, none good enough",
    "no reward": "no reward applied to any completion",
}


def write_report(
    directory: Path, stats: Sequence[SampleStats], decisions: Sequence[Decision], options: Options, *, origin: Path
) -> Path:
    """Write DIRECTORY/report.html; `origin` is the folder of the statistics."""
    rows = list(zip(stats, decisions, strict=True))
    broken = quarantined(origin)
    body = "".join(
        (
            _header(rows, options, len(broken)),
            _kinds(rows),
            _histograms(rows, options),
            _thresholds(stats, options),
            _examples(rows),
            _groups(rows),
        )
    )
    path = directory / "report.html"
    write_text(path, page("Reeltune: selection", body))
    return path


def _header(rows: Sequence[Row], options: Options, broken: int) -> str:
    kept = sum(decision.kept for _, decision in rows)
    repeats = sorted({len(each.rewards) for each, _ in rows})
    known = [
        ("completions per sample", ", ".join(map(str, repeats))),
        ("right or wrong", "0 < passes < K"),
        ("measured", f"std ≥ {options.min_std:g} and {options.level} ≥ {options.min_level:g}"),
        ("size", "all informative samples" if options.size is None else f"at most {options.size}, by rank"),
        ("quotas", ", ".join(map(str, options.quotas)) or "none"),
        ("model", ", ".join(sorted({each.model for each, _ in rows}))),
        ("sampling", ", ".join(sorted({each.sampling for each, _ in rows}))),
    ]
    title = f"{kept} of {len(rows)} samples are kept ({kept / len(rows):.1%})"
    warning = notice(f"{broken} samples have no statistics: their video could not be used.") if broken else ""
    return f'<header><p class="kicker">Reeltune selection</p><h1>{text(title)}</h1>{warning}{facts(known)}</header>'


def _kinds(rows: Sequence[Row]) -> str:
    tasks = sorted({each.task for each, _ in rows})
    cells = Counter[tuple[str, str]]((decision.kind, each.task) for each, decision in rows)
    kept = Counter[str](decision.kind for _, decision in rows if decision.kept)
    lines = []
    for kind in MEANING:
        total = sum(cells[kind, task] for task in tasks)
        if total:
            name = f"<b>{kind}</b>" if kind in TEACHING else kind
            lines.append([name, *(str(cells[kind, task]) for task in tasks), str(total), str(kept[kind])])
    reasons = Counter(decision.reason for _, decision in rows if decision.kind in TEACHING and not decision.kept)
    left_out = [[text(reason), str(count)] for reason, count in reasons.most_common()]
    return section(
        "What was found",
        table(["Class", *map(text, tasks), "Samples", "Kept"], lines),
        table(["Informative, but left out", "Samples"], left_out) if left_out else "",
        lead="Classes of the completions' scores, by content only, without the format reward.",
    )


def _histograms(rows: Sequence[Row], options: Options) -> str:
    figures = []
    discrete = discrete_tasks(each for each, _ in rows)
    for task in sorted({each.task for each, _ in rows}):
        own = [(each, decision) for each, decision in rows if each.task == task and each.scored]
        if task in discrete:
            figures.append(_passes(task, own))
        else:
            figures += [
                _values(task, own, "mean", "mean score", 1.0, f"{options.level} ≥ {options.min_level:g} is required"),
                _values(task, own, "std", "std of the score", 0.5, f"std ≥ {options.min_std:g} is required"),
            ]
    return section("Distribution of the scores", f'<div class="charts">{"".join(figures)}</div>')


def _passes(task: str, rows: Sequence[Row]) -> str:
    repeats = max((len(each.rewards) for each, _ in rows), default=2)
    found = Counter((each.passes, decision.kept) for each, decision in rows)
    numbers = range(repeats + 1)
    return histogram(
        [found[number, True] for number in numbers],
        [found[number, False] for number in numbers],
        [str(number) for number in numbers],
        title=f"{task}: right answers",
        note=f"of {repeats}",
        x_label="right answers",
    )


def _values(task: str, rows: Sequence[Row], field: str, name: str, high: float, note: str) -> str:
    bins = 20
    kept, dropped = (
        binned([getattr(each, field) or 0.0 for each, decision in rows if decision.kept is value], high, bins)
        for value in (True, False)
    )
    labels = [f"{high * number / bins:g}" for number in range(bins)]
    return histogram(kept, dropped, labels, title=f"{task}: {name}", note=note, x_label=name, every=4)


def _thresholds(stats: Sequence[SampleStats], options: Options) -> str:
    discrete = discrete_tasks(stats)
    measured = [each for each in stats if each.task not in discrete]
    if not measured:
        return section(
            "Other thresholds", notice("All tasks are scored right or wrong: the rule 0 < passes < K has no threshold.")
        )
    levels = sorted({*LEVELS, options.min_level})
    stds = sorted({*STDS, options.min_std})
    grid = {(std, level): _informative(measured, options, std, level) for std in stds for level in levels}
    cells = [
        [
            f"std ≥ {std:g}",
            *(
                f"<b>{grid[std, level]}</b>"
                if (std, level) == (options.min_std, options.min_level)
                else str(grid[std, level])
                for level in levels
            ),
        ]
        for std in stds
    ]
    curves = [
        Series(task, _curve([each for each in measured if each.task == task], options), COLORS[number % len(COLORS)])
        for number, task in enumerate(sorted({each.task for each in measured}))
    ]
    chart = line_chart(
        curves,
        title="Informative samples",
        note=f"{options.level} ≥ {options.min_level:g}",
        x_label="least std",
        levels=[Level("size", options.size)] if options.size else [],
    )
    return section(
        "Other thresholds",
        table(["Informative samples", *(f"{options.level} ≥ {level:g}" for level in levels)], cells),
        f'<div class="charts">{chart}</div>',
        lead="Continuous scores only, before size and quotas. Select again with reeltune select --from stats.jsonl.",
    )


def _curve(stats: Sequence[SampleStats], options: Options) -> list[Point]:
    return [(number / 50, _informative(stats, options, number / 50, options.min_level)) for number in range(26)]


def _informative(stats: Sequence[SampleStats], options: Options, std: float, level: float) -> int:
    other = replace(options, min_std=std, min_level=level)
    return sum(kind_of(each, other, discrete=False) in TEACHING for each in stats)


def _examples(rows: Sequence[Row]) -> str:
    parts = []
    for kind, meaning in MEANING.items():
        own = sorted((row for row in rows if row[1].kind == kind), key=lambda row: row[0].id)
        if own:
            count = min(EXAMPLES, len(own))
            chosen = [own[number * len(own) // count] for number in range(count)]
            cards = "".join(_card(*row) for row in chosen)
            parts.append(f'<h3>{kind}: {text(meaning)}</h3><div class="cards">{cards}</div>')
    lead = "Evenly spaced in the list sorted by id, not hand-picked. The best and the worst of K completions."
    return section("Examples", *parts, lead=lead)


def _card(stats: SampleStats, decision: Decision) -> str:
    mean, std = (f"{value:.2f}" if value is not None else "none" for value in (stats.mean, stats.std))
    known = f"mean {mean}, std {std}, {stats.passes} of {len(stats.rewards)} full, {stats.unparsed} unparsed"
    return (
        f'<article class="card"><p class="id">{text(stats.id)}, {text(stats.task)}: {known}; '
        f'{text(decision.reason)}</p>{_picture(stats)}<p class="muted">best</p>{completion_html(stats.best, 1000)}'
        f'<p class="muted">worst</p>{completion_html(stats.worst, 1000)}</article>'
    )


def _picture(stats: SampleStats) -> str:
    """The task's own picture of truth and answers; the bare sample where its task is not known here."""
    asked = next((stats.sample[name] for name in ASKED if name in stats.sample), "")
    head = f"<h3>{text(asked, 300)}</h3>" if asked else ""
    task: Any = TASKS.get(stats.task)
    if task is None:
        return f"{head}<p>{text(stats.sample, 600)}</p>"
    try:
        sample = task.sample_type.model_validate(stats.sample)
        answers = {name: task.read(sample, answer).value for name, answer in _answers(stats)}
        return f"{head}{task.picture(sample, answers)}"
    except (InputError, ValueError) as error:
        return f"{head}{notice(f'This sample cannot be shown: {error}')}"


def _answers(stats: SampleStats) -> list[tuple[str, str]]:
    return [("best", stats.best), ("worst", stats.worst)]


def _groups(rows: Sequence[Row]) -> str:
    tables = []
    for name, values in (
        ("Source", [each.source or "(none)" for each, _ in rows]),
        ("Difficulty", [decision.difficulty for _, decision in rows]),
    ):
        counts = Counter(values)
        kept = Counter(value for value, (_, decision) in zip(values, rows, strict=True) if decision.kept)
        order = [value for value in DIFFICULTIES if value in counts] if name == "Difficulty" else sorted(counts)
        tables.append(table([name, "Samples", "Kept"], [[text(v), str(counts[v]), str(kept[v])] for v in order]))
    return section("By source and difficulty", *tables, lead="Difficulty: thirds of the mean score.")
