"""What a judged metric gives."""

from dataclasses import dataclass


@dataclass(frozen=True)
class JudgedScores:
    """metrics: over all samples. per_sample: of each sample, in order, the scores that were judged, in percent."""

    metrics: dict[str, float]
    per_sample: list[dict[str, float]]
