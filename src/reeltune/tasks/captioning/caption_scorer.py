"""The caption scorer E of VideoCap-R1: how many of the reference's events a caption covers, by a judge.

Published: 0 below .28 coverage, .5 below .35, 1 from there. Recall alone saturates and rewards guessing, so a linear
shape and F1 with precision are options. A reference without an event says nothing about a caption: E does not apply
(our choice; AutoDQ, the benchmark, counts it as full recall).
"""

from collections.abc import Iterator, Sequence

from reeltune.judges.described import Described, Shares, described
from reeltune.judges.rounds import Judgment
from reeltune.tasks.captioning.options import CaptionOptions
from reeltune.tasks.judged import Verdict

Scored = tuple[float | None, tuple[Verdict, ...]]
"""E of a caption, None where the judge did not answer; and what was said of each event."""


def shaped(value: float, options: CaptionOptions) -> float:
    """From coverage (or F1) in 0..1 to reward in 0..1."""
    if options.shape == "linear":
        return value
    return max((reward for edge, reward in options.steps if value >= edge), default=0.0)


def caption_rewards(
    captions: Sequence[str | None], reference: str, events: Sequence[str], options: CaptionOptions | None = None
) -> Judgment[list[Scored]]:
    """E for each caption of a group, with the verdicts on the reference's events and, for F1, on its own.

    A caption that is None (the completion has none) scores 0 and is not sent.
    """
    options = options or CaptionOptions()
    wanted = [caption for caption in captions if caption is not None]
    pairs = [Described(caption, reference, tuple(events)) for caption in wanted]
    found = iter((yield from described(pairs, precision=options.measure != "recall")))
    rewards: list[Scored] = []
    for caption in captions:
        shares = next(found) if caption is not None else Shares(recall=0.0, precision=0.0)
        value = shares.recall if options.measure == "recall" else shares.f1
        if value and options.measure == "jaccard":
            value = value / (2 - value)  # of the same counts
        rewards.append((None if value is None else shaped(value, options), tuple(_verdicts(shares))))
    return rewards


def _verdicts(shares: Shares) -> Iterator[Verdict]:
    for event, label in zip(shares.statements or (), shares.recall_labels or (), strict=False):
        yield Verdict("reference", event, label)
    for claim, label in zip(shares.claims or (), shares.precision_labels or (), strict=False):
        yield Verdict("answer", claim, label)
