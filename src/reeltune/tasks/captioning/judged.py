"""The judged metrics of captions: AutoDQ, VDCScore, CapST, each with the name of who judged.

Which apply is read off the samples: a caption AutoDQ, or CapST where there are objects or the source is carebench;
questions VDCScore. A proxy judge gives `lexical_proxy.*` numbers and never one of these names.
"""

from collections.abc import Sequence
from typing import Any

from reeltune.data.samples import Sample
from reeltune.judges.base import Cost, Judge, Progress
from reeltune.judges.described import described_cost
from reeltune.judges.questions import Kind
from reeltune.tasks import get_task
from reeltune.tasks.captioning.autodq import autodq, described_pairs
from reeltune.tasks.captioning.capst import capst
from reeltune.tasks.captioning.intervals import NO_DRAWS, Draws
from reeltune.tasks.captioning.scores import JudgedScores
from reeltune.tasks.captioning.vdcscore import vdcscore, vdcscore_cost

CAREBENCH = "carebench"
Caption = str | None
"""What a completion describes; None when it says nothing that can be read."""


def judged_metrics(samples: Sequence[Sample], texts: Sequence[Sequence[str]], judge: Judge) -> dict[str, float]:
    """The metrics of `judged_scores`, without intervals."""
    return judged_scores(samples, texts, judge).metrics


def judged_scores(
    samples: Sequence[Sample],
    texts: Sequence[Sequence[str]],
    judge: Judge,
    progress: Progress | None = None,
    draws: Draws = NO_DRAWS,
) -> JudgedScores:
    """Metric -> percent, and counts. `texts`: the completions of each sample; without one, its caption says nothing.

    Keys: autodq.recall, .precision, .f1 (macro over subsets), .unjudged_recall, .unjudged_precision; capst.actions.f1,
    capst.objects.f1, ...; vdcscore.strict.accuracy, .score, vdcscore.compat..., and its drop counts; with `draws`
    the 95 % intervals, KEY.low and KEY.high.
    """
    captions = captions_of(samples, texts)
    found: dict[str, float] = {}
    per_sample: list[dict[str, float]] = [{} for _ in samples]
    plain = [i for i, sample in enumerate(samples) if _kinds(sample) == ("events",)]
    both = [i for i, sample in enumerate(samples) if _kinds(sample) == ("events", "objects")]
    asked = [i for i, sample in enumerate(samples) if _get(sample, "questions")]
    for metric, indices in ((autodq, plain), (capst, both), (vdcscore, asked)):
        if indices:
            own = [samples[i] for i in indices]
            scores = metric(own, [captions[i] for i in indices], judge, progress, draws)
            found |= scores.metrics
            for i, row in zip(indices, scores.per_sample, strict=True):
                per_sample[i] |= row
    return JudgedScores(found, per_sample)


def judged_cost(samples: Sequence[Sample], texts: Sequence[Sequence[str]], judge: Judge) -> Cost:
    """At most what `judged_scores` will ask."""
    captions = captions_of(samples, texts)
    total = Cost()
    for sample, own in zip(samples, captions, strict=True):
        for kind in _kinds(sample):
            total += described_cost(judge, described_pairs(sample, own, kind))
        if _get(sample, "questions"):
            total += vdcscore_cost(sample, own, judge)
    return total


def captions_of(samples: Sequence[Sample], texts: Sequence[Sequence[str]]) -> list[list[Caption]]:
    """The captions of each sample's completions, read by the task's own parser."""
    found: list[list[Caption]] = []
    for sample, own in zip(samples, texts, strict=True):
        values = [get_task(sample.task).parse(sample, text).value for text in own]
        found.append([value.caption if value is not None else None for value in values] or [None])
    return found


def _kinds(sample: Sample) -> tuple[Kind, ...]:
    """What is compared with the sample's caption."""
    if not _get(sample, "caption"):
        return ()
    return ("events", "objects") if _get(sample, "objects") is not None or sample.source == CAREBENCH else ("events",)


def _get(sample: Sample, name: str) -> Any:
    return getattr(sample, name, None)
