"""What a task is: a typed sample, a prompt, a parser, rewards, metrics, trivial baselines, a picture.

One file each. The parser that pays the reward is the parser that scores the benchmark. No torch here.
"""

from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from reeltune.answers.final_answer import Mode, has_format
from reeltune.config.captioning import CaptioningOptions
from reeltune.data.samples import Sample
from reeltune.errors import InputError
from reeltune.judges.base import Judge

__all__ = ["FULL", "Mode", "Parsed", "RewardOptions", "Task"]

S = TypeVar("S", bound=Sample)
A = TypeVar("A")

FULL = 0.99
"""A reward component this high is full: gold answers are written with two decimals (our choice)."""


@dataclass(frozen=True)
class Parsed(Generic[A]):
    """What a completion answers. `value` is None when nothing could be read; `reason` says what could not."""

    value: A | None
    reason: str | None = None


@dataclass(frozen=True)
class RewardOptions:
    """Further shaping of rewards, all off by default (our choice; none is in the published recipes)."""

    iou_threshold: float | None = None
    """An overlap below it pays nothing."""
    generalized_iou: bool = False
    """Boxes: (GIoU + 1) / 2 in place of IoU, so that a near miss pays more than a far one."""
    length_bounds: tuple[int, int] | None = None
    """Adds the component `length`: 1 when the completion has between so many characters, else 0."""
    captioning: CaptioningOptions = field(default_factory=CaptioningOptions)
    """How captions and their structured thinking are scored."""

    def overlap(self, value: float) -> float:
        return value if self.iou_threshold is None or value >= self.iou_threshold else 0.0


class Task(ABC, Generic[S, A]):
    """One kind of question about a video, with a checkable answer of type A."""

    name: ClassVar[str]
    sample_type: type[S]
    modes: ClassVar[tuple[Mode, ...]] = ("think", "direct")
    presets: ClassVar[Mapping[str, Mapping[str, float]]]
    """Weights of the reward components by preset; the first is the default."""
    blocks: ClassVar[tuple[str, ...]] = ()
    """Tags that must follow the answer block in a well-formed completion."""

    @abstractmethod
    def prompt(self, sample: S, mode: Mode) -> str:
        """The text after the video in the user's turn."""

    @abstractmethod
    def gold(self, sample: S, mode: Mode) -> str:
        """A completion that earns the full reward."""

    @abstractmethod
    def parse(self, sample: S, text: str) -> Parsed[A]:
        """What a completion answers, read leniently. Never raises, whatever the text."""

    @abstractmethod
    def content_rewards(self, sample: S, value: A | None, options: RewardOptions) -> dict[str, float | None]:
        """Reward components of a parsed answer, each in 0..1; None: the component does not apply."""

    @abstractmethod
    def scores(self, sample: S, value: A | None) -> dict[str, float]:
        """What one answer adds to each metric, in 0..1. None scores 0.

        A metric that does not apply to the sample is left out, whatever the answer: it is averaged over the others.
        """

    @abstractmethod
    def trivial_scores(
        self, samples: Sequence[S], fit_on: Sequence[S] | None = None
    ) -> dict[str, list[dict[str, float]]]:
        """By trivial baseline: the scores of each sample. Fitted ones use `fit_on`, else `samples`."""

    @abstractmethod
    def picture(self, sample: S, answers: Mapping[str, A | None]) -> str:
        """An SVG or HTML snippet: the truth and the answers by name, None meaning unreadable."""

    def type_of(self, sample: S) -> str | None:
        """The kind of question for breakdowns: `meta.type` where the annotation has one."""
        kind = sample.meta.get("type")
        return str(kind) if kind is not None else None

    @property
    def default_weights(self) -> dict[str, float]:
        return dict(next(iter(self.presets.values())))

    def format_reward(self, sample: S, text: str, mode: Mode) -> float:
        """1 for exactly the asked shape, else 0."""
        return float(has_format(text, mode, self.blocks))

    def rewards(
        self, sample: S, text: str, mode: Mode, options: RewardOptions | None = None
    ) -> dict[str, float | None]:
        """All components of one completion, unweighted; None: does not apply."""
        options = options or RewardOptions()
        found: dict[str, float | None] = {"format": self.format_reward(sample, text, mode)}
        found.update(self.content_rewards(sample, self.parse(sample, text).value, options))
        if options.length_bounds:
            low, high = options.length_bounds
            found["length"] = float(low <= len(text) <= high)
        return found

    def group_rewards(
        self,
        sample: S,
        texts: Sequence[str],
        mode: Mode,
        *,
        judge: Judge | None = None,
        options: RewardOptions | None = None,
    ) -> list[dict[str, float | None] | None]:
        """`rewards` of one group's completions. A task that needs a judge asks it here, for all of them at once; None
        for a completion that the judge left unanswered: it leaves the group's statistics.
        """
        return [self.rewards(sample, text, mode, options) for text in texts]

    def metrics(self, samples: Sequence[S], texts: Sequence[str | None]) -> dict[str, float]:
        """Percentages over all samples; a missing text counts as wrong and as unparsed. `n` is a count."""
        parsed = [
            self.parse(s, text) if text is not None else Parsed[A](None, "missing")
            for s, text in zip(samples, texts, strict=True)
        ]
        found = percent([self.scores(s, p.value) for s, p in zip(samples, parsed, strict=True)])
        unparsed = sum(p.reason is not None for p in parsed)
        return found | {
            "unparsed": 100.0 * unparsed / len(samples) if samples else 0.0,
            "n": float(len(samples)),
        }

    def baselines(self, samples: Sequence[S], fit_on: Sequence[S] | None = None) -> dict[str, dict[str, float]]:
        """Metrics of the trivial answers, by their names."""
        return {name: percent(rows) for name, rows in self.trivial_scores(samples, fit_on).items()}

    def validate(self, sample: S) -> None:
        """InputError unless the gold answer earns the full reward in every mode."""
        for mode in self.modes:
            text = self.gold(sample, mode)
            short = {k: v for k, v in self.rewards(sample, text, mode).items() if v is not None and v < FULL}
            if short:
                raise InputError(
                    f"id {sample.id!r}: its own gold answer ({mode}) {text!r} earns {short} instead of 1; "
                    "the target cannot be reached as it is written"
                )


def percent(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means of per-sample scores, times 100, each over the samples that have it."""
    columns: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in row.items():
            columns[name].append(value)
    return {name: 100.0 * sum(values) / len(values) for name, values in columns.items()}


def most_common(values: Sequence[Any]) -> Any:
    """The most frequent value, the smallest of several: independent of order."""
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value))
