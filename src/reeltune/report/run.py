"""The page of one run: what ran, what it learned, what it sampled. Read from the run directory alone."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reeltune.files import write_text
from reeltune.report.answers import before_and_after
from reeltune.report.charts import Level, Series, line_chart, number_text
from reeltune.report.groups import group_card
from reeltune.report.page import facts, notice, page, points_text, seconds_in_words, section, table, text
from reeltune.report.run_files import EVAL, RunFiles, RunSamples, read_run, read_run_samples
from reeltune.tasks import TASKS

GROUPS_SHOWN = 3
VIDEO_BYTES = 2_000_000
QUARANTINE_SHOWN = 10
COLORS = ("grpo", "truth", "sft", "violet", "muted")
DASHES = ("", "7 4", "2 3", "10 3 2 3", "4 2")
SHOWN_WARNINGS = 5
NOT_SKILLS = ("n", "unparsed")
HEALTH = {
    "loss": ("Loss", ""),
    "kl": ("KL to the initial model", "per token"),
    "grad_norm": ("Gradient norm", "before clipping"),
    "lr": ("Learning rate", ""),
    "completion_tokens": ("Completion length", "tokens"),
    "reward_std": ("Reward std within groups", "standard deviation"),
    "groups_without_signal": ("Zero-variance groups", "all rewards equal"),
    "unparsed": ("Unparsed answers", "share of completions"),
    "unjudged": ("Unanswered by the judge", "share of completions"),
    "truncated": ("Truncated completions", "share"),
    "nll": ("Entropy estimate", "mean −log p of the sampled tokens"),
    "clip_fraction": ("Clipped tokens", "share"),
}


def write_run_report(run_dir: Path) -> Path:
    """Write run_dir/report.html; returns its path. InputError when run_dir is no run directory."""
    run = read_run(run_dir)
    samples = read_run_samples(run)
    parts = (_header(run), _progress(run), _evaluation(run, samples), _health(run), _quarantine(run))
    body = "".join((*parts, before_and_after(run, samples), _rollouts(run, samples)))
    path = run_dir / "report.html"
    write_text(path, page(f"Reeltune run {run_dir.resolve().name}", body, script="cursor.js"))
    return path


def _header(run: RunFiles) -> str:
    planned = run.planned_steps
    state = f"{run.last_step} of {planned} steps" if planned is not None else f"{run.last_step} steps"
    stopped = ""
    if planned is not None and run.last_step < planned:
        stopped = notice(
            f"This run is not finished: it is at {state}. To continue, run the same command with --resume."
        )
    for row in run.warnings[-SHOWN_WARNINGS:]:
        stopped += notice(f"Step {row['step']}: {row['warning']}")
    rows: list[tuple[str, object]] = [("Method", run.method.upper()), ("Steps", state)]
    rows += [(name, value) for name, value in _recipe_facts(run) if value is not None]
    if run.timings:
        rows.append(("Time of steps and evaluations", seconds_in_words(run.seconds())))
    environment = ("device", "processes", "reeltune", "torch", "transformers")
    rows += [(name.capitalize(), run.environment[name]) for name in environment if name in run.environment]
    recipe = run.directory / "config.yaml"
    full = ""
    if recipe.exists():
        content = text(recipe.read_text(encoding="utf-8"))
        full = f"<details><summary>The complete recipe</summary><pre>{content}</pre></details>"
    return (
        f'<header><p class="kicker">Reeltune run {text(run.directory.resolve().name)}</p>'
        f"<h1>{text(headline(run))}</h1>{stopped}{facts(rows)}{full}</header>"
    )


def headline(run: RunFiles) -> str:
    """The first skill metric from first to last evaluation, else the reward, else what is known."""
    for key in _skills(run):
        points = run.values(key)
        if len(points) > 1:
            task, name = key.removeprefix(EVAL).split("/", 1)
            first, last = points[0][1], points[-1][1]
            return (
                f"{_words(task)}: {metric_name(name)} from {first:.1f} to {last:.1f}\u00a0% "
                f"({points_text(last - first)}) between steps {points[0][0]} and {points[-1][0]}"
            )
    rewards = run.values("reward")
    if len(rewards) > 1:
        return (
            f"Reward from {number_text(rewards[0][1])} at the first step to {number_text(rewards[-1][1])} at the last"
        )
    losses = run.values("loss")
    if losses:
        return f"Loss {number_text(losses[0][1])} at the first step, {number_text(losses[-1][1])} at the last"
    return "No training step has been recorded yet"


def _recipe_facts(run: RunFiles) -> list[tuple[str, object]]:
    config = run.config

    def get(*keys: str) -> Any:
        value: Any = config
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    sources = get("data", "train")
    listed = sources if isinstance(sources, list) else [sources] if sources else []
    paths = [str(each.get("path", "")) if isinstance(each, dict) else str(each) for each in listed]
    found: list[tuple[str, object]] = [
        ("Model", get("model", "path")),
        ("Trained on", ", ".join(paths) or None),
        ("Evaluated on", get("eval", "data")),
        ("Learning rate", get("optim", "lr")),
        ("Seed", get("seed")),
    ]
    if run.method != "sft":
        groups, size = get("rl", "groups_per_step"), get("distill", "group_size") or get("rl", "group_size")
        if groups and size:
            found.append(("Groups of a step", f"{groups} prompts × {size} completions"))
        distills = run.method == "distill"
        found.append(("Teacher", get("distill", "teacher")) if distills else ("Loss form", get("rl", "loss")))
    return found


def _skills(run: RunFiles) -> list[str]:
    """Evaluation metrics in percent that say how good the answers are, in the order of the task's own."""
    names = run.names(evaluations=True)
    keys = [key for key in names if key.split("/")[-1] not in NOT_SKILLS and ".unjudged" not in key]
    main = ("miou", "accuracy")
    return sorted(keys, key=lambda key: (key.split("/")[-1] not in main, key))


PAPER_NAMES = {"iou": "IoU", "miou": "mIoU", "giou": "GIoU", "f1": "F1", "autodq": "AutoDQ", "capst": "CapST",
               "vdcscore": "VDCScore"}  # fmt: skip


def metric_name(key: str) -> str:
    """As papers write it.

    >>> metric_name("autodq.f1"), metric_name("think_f1"), metric_name("acc@gqa"), metric_name("r@0.5")
    ('AutoDQ F1', 'think F1', 'acc@gqa', 'R@0.5')
    """
    if key.startswith("r@"):
        return key.replace("r@", "R@")
    return " ".join(PAPER_NAMES.get(word, word) for word in re.split(r"[._](?!\d)", key))


def _words(task: str) -> str:
    return task.replace("_", " ").capitalize()


def _progress(run: RunFiles) -> str:
    tasks = list(dict.fromkeys(key.split("/")[0] for key in run.names() if "/" in key))
    charts = []
    if run.values("reward"):
        lines = [Series("all tasks", run.values("reward"), COLORS[0], smooth=True)]
        charts.append(line_chart(lines, title="Reward", note=_SMOOTHED))
    for task in tasks:
        keys = [key for key in run.names() if key.startswith(f"{task}/") and key.split("/")[-1] not in HEALTH]
        lines = _lines(run, keys, smooth=True)
        charts.append(line_chart(lines, title=f"{_words(task)}: reward components", note=_SMOOTHED))
    if not charts:
        charts.append(line_chart(_lines(run, ["loss"], smooth=True), title="Loss", note=_SMOOTHED))
    return section("Training", f'<div class="charts">{"".join(charts)}</div>')


_SMOOTHED = "mean of each step; strong: running mean"


def _lines(run: RunFiles, keys: Sequence[str], **options: bool) -> list[Series]:
    return [
        Series(
            metric_name(key.split("/")[-1]),
            run.values(key),
            COLORS[i % len(COLORS)],
            DASHES[i % len(DASHES)],
            **options,
        )
        for i, key in enumerate(keys)
    ]


def _evaluation(run: RunFiles, samples: RunSamples) -> str:
    skills = _skills(run)
    if not skills:
        return section("Evaluation", notice("No evaluation was recorded; set eval.data and eval.every."))
    baselines, remark = trivial_baselines(samples)
    parts = []
    for task in dict.fromkeys(key.split("/")[1] for key in skills):
        own = [key for key in skills if key.split("/")[1] == task]
        beside = baselines.get(task, {})
        first = own[0].split("/")[-1]
        levels = [Level(_words(name).lower(), row[first]) for name, row in beside.items() if first in row]
        note = "%" + (f"; dotted: {metric_name(first)} of the trivial baselines" if levels else "")
        parts.append(line_chart(_lines(run, own, marks=True), title=_words(task), note=note, levels=levels))
        every = [key for key in run.names(evaluations=True) if key.split("/")[1] == task]
        parts.append(f"<div><h3>First and last</h3>{_first_last(run, every, beside)}</div>")
    return section("Evaluation", f'<div class="charts">{"".join(parts)}</div>', lead=remark)


def _first_last(run: RunFiles, keys: Sequence[str], baselines: dict[str, dict[str, float]]) -> str:
    rows = []
    for key in keys:
        name, points = key.split("/")[-1], run.values(key)
        first, last = points[0][1], points[-1][1]
        if name == "n" or ".unjudged" in name:
            title = "samples" if name == "n" else text(metric_name(name))
            if name == "n" or first or last:
                rows.append([title, f"{first:g}", f"{last:g}", "", *("" for _ in baselines)])
            continue
        change = points_text(last - first).removesuffix(" points") if len(points) > 1 else "–"
        beside = [f"{row[name]:.1f}" if name in row else "–" for row in baselines.values()]
        rows.append([text(metric_name(name)), f"{first:.1f}", f"<b>{last:.1f}</b>", change, *beside])
    steps = [step for step, _ in run.values(keys[0])]
    names = (text(_words(name).lower()) for name in baselines)
    return table(["%", f"step {steps[0]}", f"step {steps[-1]}", "change", *names], rows)


def trivial_baselines(samples: RunSamples) -> tuple[dict[str, dict[str, dict[str, float]]], str]:
    """Task -> baseline -> metric of the evaluation samples, and a sentence on where the fitted ones learned."""
    found, fitted = {}, True
    for name in dict.fromkeys(sample.task for sample in samples.held_out):
        own = [sample for sample in samples.held_out if sample.task == name]
        fit_on = [sample for sample in samples.train.values() if sample.task == name]
        fitted = fitted and bool(fit_on)
        found[name] = TASKS[name].baselines(own, fit_on or None)
    if not found:
        return (
            {},
            "The evaluation samples cannot be read, so there are no trivial baselines to compare the metrics with.",
        )
    where = "the training samples" if fitted else "the evaluation samples themselves, which favors them"
    return found, f"Trivial baselines ignore the video; fitted ones use {where}."


def _health(run: RunFiles) -> str:
    found = [(title, note, run.values(key)) for key, (title, note) in HEALTH.items()]
    found.append(
        ("Time of a step", "seconds", [(row["step"], row["seconds"]) for row in run.timings if "seconds" in row])
    )
    charts = [
        line_chart([Series(title, points, "grpo", smooth=True)], title=title, note=note, width=250, height=160)
        for title, note, points in found
        if points
    ]
    return section("Health", f'<div class="charts small">{"".join(charts)}</div>') if charts else ""


def _quarantine(run: RunFiles) -> str:
    rows = run.quarantine
    if not rows:
        return section("Videos set aside", '<p class="muted">None: all videos were usable.</p>')
    shown = [[text(row["id"]), text(row["video"]), text(row["reason"], 400)] for row in rows[:QUARANTINE_SHOWN]]
    more = len(rows) - len(shown)
    rest = f'<p class="muted">And {more} more in quarantine.jsonl.</p>' if more else ""
    lead = f"{len(rows)} samples have an unusable video and were replaced by others."
    return section("Videos set aside", table(["Sample", "Video", "Reason"], shown, name="texts"), rest, lead=lead)


def _rollouts(run: RunFiles, samples: RunSamples) -> str:
    if not run.rollout_files:
        return ""
    steps = list(run.rollout_files)
    parts = []
    for step in dict.fromkeys((steps[0], steps[-1])):
        cards = "".join(group_card(each, samples, video_bytes=VIDEO_BYTES) for each in run.groups(step)[:GROUPS_SHOWN])
        parts.append(f"<h3>Step {step}</h3>{cards}")
    lead = (
        f"The first {GROUPS_SHOWN} groups of the first and last steps, in the order drawn and not hand-picked. "
        "“reeltune view” shows more."
    )
    return section("Sampled completions", *(notice(each) for each in samples.problems), *parts, lead=lead)
