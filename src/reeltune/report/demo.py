"""The page of `reeltune demo`: what a small model learned, at a glance."""

from collections.abc import Sequence
from pathlib import Path

from reeltune.files import write_text
from reeltune.report.answers import answer_card
from reeltune.report.charts import Level, Series, line_chart
from reeltune.report.demo_files import MODELS, Demo, evenly_spaced, read_demo
from reeltune.report.media import media_tags
from reeltune.report.page import notice, page, points_text, seconds_in_words, section, table, text
from reeltune.report.timeline import SpanRow, timeline
from reeltune.tasks.temporal_grounding import TemporalGroundingSample

SHOWN, TRACKS_SHOWN = 12, 6
NAMES = {
    "base": "Base model",
    "sft": "SFT",
    "grpo": "GRPO",
    "whole_video": "Whole video",
    "best_fixed_span": "Best fixed span",
    "repeat_start_box": "Start box repeated",
}
COLUMNS = {
    "miou": "mIoU",
    "r@0.3": "R@0.3",
    "r@0.5": "R@0.5",
    "r@0.7": "R@0.7",
    "mean_overlap": "Tracking: mean overlap",
    "success@0.5": "Tracking: success@0.5",
    "unparsed": "Unparsed",
    "multiple_choice_accuracy": "Multiple choice",
    "retained": "Not trained, mean",
}
OPTIONAL = ("mean_overlap", "success@0.5", "retained")
"""Columns of demos that also train tracking, and keep more than one other task."""
DASHES = {"base": "2 3", "sft": "7 4", "grpo": ""}
TASK_IN_WORDS = (
    "The task is temporal grounding: asked when something happens in a video, the model answers with a time span. "
    "mIoU is the mean overlap (intersection over union) of predicted and true spans."
)
TRACKING_IN_WORDS = " Object tracking beside it: a box for each second asked, scored by its overlap with the true one."
SIMULATION = (
    "Toyworld is a simulation: generated clips of colored shapes with exact ground truth, and a small model made "
    "for them. The page shows that training works, not how a large model performs on real videos."
)


def write_demo_report(demo_dir: Path) -> Path:
    """Write demo_dir/report.html from the files of the demo; returns its path.

    InputError when results.json, demo.json or the held-out samples are missing or broken.
    """
    demo = read_demo(demo_dir)
    body = "".join(
        (_header(demo), _learning(demo), _results(demo), _spread(demo), _videos(demo), _tracks(demo), _how(demo))
    )
    path = demo_dir / "report.html"
    write_text(path, page("Reeltune demo", body, script="cursor.js"))
    return path


def headline(demo: Demo) -> str:
    """One sentence with the measured change; it says so when there was none."""
    base, grpo = demo.result("base", "miou"), demo.result("grpo", "miou")
    if base is None or grpo is None:
        return "The demo is not complete: there are no results of the base model and GRPO to compare yet."
    count = len(demo.samples)
    verb = "raised" if grpo > base else "lowered" if grpo < base else "left unchanged"
    sentence = (
        f"GRPO {verb} the model's mIoU on {count} videos it never saw: from {base:.1f} to {grpo:.1f} % "
        f"({points_text(grpo - base)})"
    )
    tracked = demo.result("base", "mean_overlap"), demo.result("grpo", "mean_overlap")
    if tracked[0] is not None and tracked[1] is not None:
        sentence += f", the overlap of its tracks from {tracked[0]:.1f} to {tracked[1]:.1f} %"
    seconds = demo.result("grpo", "seconds")
    return sentence + (f" in {seconds_in_words(seconds)}." if seconds is not None else ".")


def _header(demo: Demo) -> str:
    shown = [
        ("miou", "mIoU, held-out", 1),
        ("r@0.5", "answers with an IoU of at least 0.5", 1),
        ("unparsed", "unreadable answers", -1),
        ("multiple_choice_accuracy", "multiple choice (not trained): retained skill", 1),
    ]
    if "mean_overlap" in _columns(demo):
        shown[1] = ("mean_overlap", "mean overlap of tracks", 1)
        shown[3] = ("retained", "mean of the untrained tasks", 1)
    tiles = "".join(_tile(demo, metric, label, better) for metric, label, better in shown)
    task = TASK_IN_WORDS + (TRACKING_IN_WORDS if "mean_overlap" in _columns(demo) else "")
    return (
        f'<header><p class="kicker">Reeltune demo</p><h1>{text(headline(demo))}</h1>'
        f'<p class="lead">{text(task)} <b>{text(SIMULATION)}</b></p></header><div class="tiles">{tiles}</div>'
    )


def _columns(demo: Demo) -> dict[str, str]:
    """Metric -> heading; what this demo did not measure has no column, and a mean of one task is that task."""
    kept = demo.facts.get("retained", ())
    shown = {name for name in OPTIONAL[:2] if demo.result("base", name) is not None}
    shown |= {"retained"} if len(kept) > 1 else set()
    return {name: label for name, label in COLUMNS.items() if name not in OPTIONAL or name in shown}


def _tile(demo: Demo, metric: str, label: str, better: int) -> str:
    base, grpo = demo.result("base", metric), demo.result("grpo", metric)
    if base is None or grpo is None:
        return f'<div class="tile"><b>not measured</b><span>{text(label)}</span></div>'
    change = grpo - base
    kind = "same" if abs(change) < 0.05 else "gain" if change * better > 0 else "loss"
    return (
        f'<div class="tile"><b><s>{base:.1f}</s> → {grpo:.1f}<small> %</small></b>'
        f'<span><em class="{kind}">{points_text(change)}</em> {text(label)}</span></div>'
    )


def _learning(demo: Demo) -> str:
    grpo, sft = demo.runs.get("grpo"), demo.runs.get("sft")
    rewards: list[Series] = []
    if grpo:
        rewards.append(Series("reward", grpo.values("reward"), "grpo", smooth=True))
        rewards += [
            Series(name, grpo.values(f"temporal_grounding/{name}"), color, dash, smooth=True)
            for name, color, dash in (("format", "muted", "2 3"), ("iou", "truth", "7 4"))
        ]
    levels = [
        Level(NAMES[name].lower(), value)
        for name in ("whole_video", "best_fixed_span")
        if (value := demo.result(name, "miou")) is not None
    ]
    evaluations = [
        Series(NAMES[name], run.values("eval/temporal_grounding/miou"), name, DASHES[name], marks=True)
        for name, run in (("grpo", grpo), ("sft", sft))
        if run
    ]
    charts = (
        line_chart(rewards, title="GRPO: reward of the sampled answers", note="mean per step; strong: running mean"),
        line_chart(
            evaluations,
            title="mIoU on held-out videos",
            note="%, greedy answers",
            levels=levels if any(each.points for each in evaluations) else (),
            empty="no evaluation was recorded during training",
        ),
    )
    return section(
        "Reward and skill over the steps",
        f'<div class="charts">{"".join(charts)}</div>',
        lead="Left: the training reward. Right: performance on held-out videos.",
    )


def _results(demo: Demo) -> str:
    columns = _columns(demo)
    best = {
        metric: max((v for m in MODELS if (v := demo.result(m, metric)) is not None), default=None)
        for metric in columns
        if metric != "unparsed"
    }
    rows = []
    for name, label in NAMES.items():
        if name not in demo.results:
            continue
        cells = [f'<i class="dot" style="background:var(--{name if name in MODELS else "muted"})"></i>{label}']
        for metric in columns:
            value = demo.result(name, metric)
            shown = "–" if value is None else f"{value:.1f}"
            strong = name in MODELS and value is not None and value == best.get(metric)
            cells.append(f"<b>{shown}</b>" if strong else shown)
        seconds = demo.result(name, "seconds")
        rows.append([*cells, "–" if seconds is None else seconds_in_words(seconds)])
    lead = (
        "In percent. The trivial baselines ignore the video: the whole video as the answer, and the single span "
        "that fits best on average. Multiple choice was not trained; it shows how much of another skill is "
        "retained."
    )
    results = table(["", *columns.values(), "Wall time"], rows, name="results")
    return section("Results", results + _kept(demo), lead=lead)


def _kept(demo: Demo) -> str:
    """What each untrained task gave before and after, where there are several."""
    kept = demo.facts.get("kept", {})
    tasks = list(kept.get("base", ()))
    if len(tasks) < 2:
        return ""
    rows = [[NAMES[model], *(f"{kept[model][task]:.1f}" for task in tasks)] for model in MODELS if model in kept]
    return "<h3>What was not trained, task by task</h3>" + table(
        ["", *(task.replace("_", " ") for task in tasks)], rows, name="kept"
    )


def _spread(demo: Demo) -> str:
    """The share of videos above every threshold, and mIoU by kind of question; both from the predictions."""
    if not demo.answers:
        return section("How good is each answer?", notice("There are no predictions to show."))
    thresholds = [step / 50 for step in range(51)]
    curves = []
    for model, answers in demo.answers.items():
        found = [answers[sample.id].iou for sample in demo.samples]
        points = [(x, 100 * sum(value >= x for value in found) / len(found)) for x in thresholds if x > 0]
        curves.append(Series(NAMES[model], points, model, DASHES[model]))
    chart = line_chart(
        curves,
        title="Share of videos with at least this IoU",
        note="%",
        x_label="IoU of answer and truth",
        y_range=(0, 100),
        last_values=False,
    )
    kinds: dict[str, list[TemporalGroundingSample]] = {}
    for sample in demo.samples:
        kinds.setdefault(str(sample.meta.get("kind", "all")), []).append(sample)
    if len(kinds) < 2:
        return section("How good is each answer?", f'<div class="charts">{chart}</div>')
    rows = [
        [text(kind), str(len(own)), *(f"{demo.mean_iou(model, own):.1f}" for model in demo.answers)]
        for kind, own in sorted(kinds.items())
    ]
    by_kind = table(["Kind of question", "Videos", *(NAMES[model] for model in demo.answers)], rows)
    inside = f"<div><h3>mIoU by kind of question</h3>{by_kind}</div>"
    return section("How good is each answer?", f'<div class="charts">{chart}{inside}</div>')


def _videos(demo: Demo) -> str:
    chosen = [demo.samples[index] for index in evenly_spaced(len(demo.samples), SHOWN)]
    lead = (
        f"{len(chosen)} of the {len(demo.samples)} held-out videos, evenly spaced in the list sorted by id; none "
        "was picked by hand. The line follows the video; click a time line to jump there. The number on the right "
        "is the IoU of answer and truth (best: 1)."
    )
    cards = "".join(_card(demo, sample) for sample in chosen)
    return section("Watch it answer", f'<div class="cards">{cards}</div>', lead=lead)


def _card(demo: Demo, sample: TemporalGroundingSample) -> str:
    rows = [SpanRow("Truth", sample.target, "truth")]
    for model, answers in demo.answers.items():
        answer = answers[sample.id]
        rows.append(SpanRow(NAMES[model].split()[0], answer.spans, model, f"{answer.iou:.2f}"))
    unread = "".join(
        f"<li>{NAMES[model]}: {text(answer.reason)}"
        + (f" in <code>{text(answer.text, 200)}</code>" if answer.text is not None else "")
        + "</li>"
        for model, answers in demo.answers.items()
        if (answer := answers[sample.id]).spans is None
    )
    return (
        f'<article class="card watch"><div class="screen pixelated">{media_tags(sample)}</div>'
        f"<div><h3>“{text(sample.query)}”</h3>{timeline(sample.duration or max(end for _, end in sample.target), rows)}"
        f'{f"<ul class=muted>{unread}</ul>" if unread else ""}<p class="id">{text(sample.id)}</p></div></article>'
    )


def _tracks(demo: Demo) -> str:
    """Truth, GRPO's and the base's boxes of some held-out tracks; empty for a demo without tracking."""
    pair = [model for model in ("grpo", "base") if model in demo.tracks]
    known = [sample for sample in demo.tracked if all(sample.id in demo.tracks[model] for model in pair)]
    if not pair or not known:
        return ""
    chosen = [known[index] for index in evenly_spaced(len(known), TRACKS_SHOWN)]
    cards = "".join(
        answer_card(sample, {NAMES[model]: demo.tracks[model][sample.id] for model in pair}, "direct")
        for sample in chosen
    )
    lead = (
        f"{len(chosen)} of {len(known)} held-out tracks, evenly spaced in the list sorted by id: a frame for each "
        "second asked. Green: the truth; blue: GRPO; purple: the base model."
    )
    return section("Watch it track", cards, lead=lead)


def _how(demo: Demo) -> str:
    facts = [f"{len(demo.samples)} held-out videos"]
    if demo.facts.get("train_videos") is not None:
        facts.insert(0, f"{demo.facts['train_videos']} training videos")
    if demo.facts.get("seed") is not None:
        facts.append(f"seed {demo.facts['seed']}")
    made = ", ".join(facts)
    steps = _steps(demo, ("grpo", "sft"))
    return (
        f"<footer><p>{text(made)}{'. ' if made else ''}{text(steps)}</p><p>All numbers are read from the files "
        "next to this page.</p></footer>"
    )


def _steps(demo: Demo, names: Sequence[str]) -> str:
    return "".join(f"{NAMES[name]}: {demo.runs[name].last_step} steps. " for name in names if name in demo.runs)
