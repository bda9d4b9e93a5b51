"""One group of completions as a card: the video, the question, what was sampled, how it was rewarded."""

from collections.abc import Mapping, Sequence
from typing import Any

from reeltune.report.charts import number_text
from reeltune.report.media import media_tags
from reeltune.report.page import completion_html, table, text
from reeltune.report.run_files import RunSamples
from reeltune.sample import Sample
from reeltune.tasks import get_task

Group = Mapping[str, Any]


def group_card(group: Group, samples: RunSamples, *, video_bytes: int) -> str:
    """`group` is a line of a rollout file. Videos above `video_bytes` are named, not embedded."""
    sample = samples.train.get(group["id"])
    texts = list(group["texts"])
    if sample is None:
        screen, question, picture = "", '<p class="muted">The sample of this group cannot be read.</p>', ""
    else:
        pixelated = " pixelated" if sample.source == "toyworld" else ""
        screen = f'<div class="screen{pixelated}">{media_tags(sample, max_bytes=video_bytes)}</div>'
        question = f'<pre class="question">{text(get_task(sample.task).prompt(sample, samples.mode), 3000)}</pre>'
        picture = f'<div class="picture">{_picture(sample, texts)}</div>'
    signal = "" if _has_signal(group) else ' <span class="badge">zero variance: all rewards are equal</span>'
    return (
        f'<article class="card group-card"><h3>{text(group["id"])} <small class="muted">{text(group["task"])}</small>'
        f'{signal}</h3><div class="watch asked">{screen}<div>{question}{picture}</div></div>'
        f"{_completions(group, texts, sample)}</article>"
    )


def _picture(sample: Sample, texts: Sequence[str]) -> str:
    """What every completion answers, as the task draws it against the truth."""
    task = get_task(sample.task)
    answers = {str(number): task.read(sample, each).value for number, each in enumerate(texts, start=1)}
    return task.picture(sample, answers)


def _completions(group: Group, texts: Sequence[str], sample: Sample | None) -> str:
    components: Mapping[str, Sequence[float | None]] = group["components"]
    advantages = list(group["advantage"])
    largest = max([abs(value) for value in advantages] + [1e-9])
    rows = []
    for index, each in enumerate(texts):
        rows.append(
            [
                str(index + 1),
                _advantage(advantages[index], largest),
                f"<b>{number_text(group['reward'][index])}</b>",
                *(_component(values[index]) for values in components.values()),
                completion_html(each) + _remarks(each, group["truncated"][index], sample),
            ]
        )
    return table(["", "Advantage", "Reward", *(text(name) for name in components), "Completion"], rows, name="sampled")


def _advantage(value: float, largest: float) -> str:
    """Blue above the group's mean, orange below, stronger the farther; the sign says it without color."""
    share = abs(value) / largest
    color = "up" if value > 0 else "down"
    style = f"background:color-mix(in srgb, var(--{color}) {60 * share:.0f}%, transparent)"
    return f'<span class="advantage" style="{style}">{f"{value:+.2f}" if round(value, 2) else "0"}</span>'


def _component(value: float | None) -> str:
    return '<span class="muted" title="does not apply">–</span>' if value is None else number_text(value)


def _remarks(completion: str, truncated: bool, sample: Sample | None) -> str:
    remarks = ["truncated at the length limit"] if truncated else []
    if sample is not None:
        parsed = get_task(sample.task).read(sample, completion)
        if parsed.reason is not None:
            remarks.append(f"no readable answer: {parsed.reason}")
    return f'<p class="remark">{text("; ".join(remarks))}</p>' if remarks else ""


def _has_signal(group: Group) -> bool:
    return any(value != 0 for value in group["advantage"])
