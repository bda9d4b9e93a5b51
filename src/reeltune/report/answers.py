"""Before and after: held-out videos with the answers of the first and of the last evaluation against the truth.

Nothing is picked: the videos stand evenly spaced in the list sorted by id. What a picture shows, its task says.
"""

from collections.abc import Mapping

from reeltune.answers.final_answer import Mode
from reeltune.report.media import media_tags
from reeltune.report.page import section, text
from reeltune.report.run_files import RunFiles, RunSamples, read_lines
from reeltune.sample import Sample
from reeltune.tasks import get_task

SHOWN = 12
VIDEO_BYTES = 2_000_000


def before_and_after(run: RunFiles, samples: RunSamples) -> str:
    """The section, empty without two evaluations whose samples can be read."""
    steps = list(run.answer_files)
    if len(steps) < 2 or not samples.held_out:
        return ""
    answers = {step: _texts(run, step) for step in (steps[0], steps[-1])}
    known = [sample for sample in samples.held_out if all(sample.id in texts for texts in answers.values())]
    shown = evenly(sorted(known, key=lambda sample: sample.id), SHOWN)
    cards = "".join(
        answer_card(sample, {f"step {step}": texts[sample.id] for step, texts in answers.items()}, samples.mode)
        for sample in shown
    )
    notes = dict.fromkeys(get_task(sample.task).picture_note for sample in shown)
    lead = (
        f"{len(shown)} of {len(known)} held-out samples, evenly spaced in the list sorted by id, as answered by "
        f"the model at step {steps[0]} and at step {steps[-1]}." + "".join(f" {note}" for note in notes if note)
    )
    return section("Before and after", cards, lead=lead) if shown else ""


def evenly(samples: list[Sample], count: int) -> list[Sample]:
    """At most `count` of them, from the first on at equal distances."""
    return [samples[index * len(samples) // count] for index in range(count)] if len(samples) > count else samples


def _texts(run: RunFiles, step: int) -> dict[str, str]:
    return {row["id"]: row["text"] for row in read_lines(run.answer_files[step])}


def answer_card(sample: Sample, texts: Mapping[str, str], mode: Mode) -> str:
    """The video, the prompt, and the task's picture of the truth and of each named text."""
    task = get_task(sample.task)
    pixelated = " pixelated" if sample.source == "toyworld" else ""
    video = media_tags(sample, max_bytes=VIDEO_BYTES)
    question = f'<pre class="question">{text(task.prompt(sample, mode), 3000)}</pre>'
    picture = task.picture(sample, {name: task.read(sample, said).value for name, said in texts.items()})
    return (
        f'<article class="card"><h3>{text(sample.id)} <small class="muted">{text(sample.task)}</small></h3>'
        f'<div class="watch asked"><div class="screen{pixelated}">{video}</div>'
        f'<div>{question}<div class="picture whole">{picture}</div></div></div></article>'
    )
