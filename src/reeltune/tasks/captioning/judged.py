"""The judged metrics of captions: AutoDQ, VDCScore, CapST, each with the name of who judged.

Which apply is read off the samples: a caption AutoDQ, or CapST where there are objects or the source is carebench;
questions VDCScore. A proxy judge gives `lexical_proxy.*` numbers and never one of these names.
"""

from collections.abc import Sequence

from reeltune.judges.base import Cost, Judge, Progress
from reeltune.judges.described import described_cost
from reeltune.judges.questions import Kind
from reeltune.tasks.captioning.autodq import autodq, described_pairs
from reeltune.tasks.captioning.capst import capst
from reeltune.tasks.captioning.sample import CaptioningSample
from reeltune.tasks.captioning.vdcscore import vdcscore, vdcscore_cost
from reeltune.tasks.judged import NO_DRAWS, Draws, JudgedScores

CAREBENCH = "carebench"
Captions = Sequence[Sequence[str | None]]
"""Of each sample, what its completions describe; None where one says nothing that can be read."""


def judged_scores(
    samples: Sequence[CaptioningSample],
    captions: Captions,
    judge: Judge,
    progress: Progress | None = None,
    draws: Draws = NO_DRAWS,
) -> JudgedScores:
    """Metric -> percent, and counts.

    Keys: autodq.recall, .precision, .f1 (macro over subsets), .unjudged_recall, .unjudged_precision; capst.actions.f1,
    capst.objects.f1, ...; vdcscore.strict.accuracy, .score, vdcscore.compat..., and its drop counts; with `draws`
    the 95 % intervals, KEY.low and KEY.high.
    """
    found: dict[str, float] = {}
    per_sample: list[dict[str, float]] = [{} for _ in samples]
    plain = [i for i, sample in enumerate(samples) if _kinds(sample) == ("events",)]
    both = [i for i, sample in enumerate(samples) if _kinds(sample) == ("events", "objects")]
    asked = [i for i, sample in enumerate(samples) if sample.questions]
    for metric, indices in ((autodq, plain), (capst, both), (vdcscore, asked)):
        if indices:
            own = [samples[i] for i in indices]
            scores = metric(own, [captions[i] for i in indices], judge, progress, draws)
            found |= scores.metrics
            for i, row in zip(indices, scores.per_sample, strict=True):
                per_sample[i] |= row
    return JudgedScores(found, per_sample)


def judged_cost(samples: Sequence[CaptioningSample], captions: Captions, judge: Judge) -> Cost:
    """At most what `judged_scores` will ask."""
    total = Cost()
    for sample, own in zip(samples, captions, strict=True):
        for kind in _kinds(sample):
            total += described_cost(judge, described_pairs(sample, own, kind))
        if sample.questions:
            total += vdcscore_cost(sample, own, judge)
    return total


def _kinds(sample: CaptioningSample) -> tuple[Kind, ...]:
    """What is compared with the sample's caption."""
    if not sample.caption:
        return ()
    return ("events", "objects") if sample.objects is not None or sample.source == CAREBENCH else ("events",)
