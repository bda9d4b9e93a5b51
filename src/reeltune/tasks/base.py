"""What a task is: a typed sample, a prompt, a reader, rewards. Metrics, baselines and a picture follow by default.

One file each. The reader of the reward is the reader of the benchmark. A task declares what only a judge can give; no
other code asks which task it is. No torch here.
"""

from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel

from reeltune.answers.final_answer import Mode, OffForm, has_format, off_form, request, wrap
from reeltune.answers.limits import within
from reeltune.errors import InputError
from reeltune.judges.base import Cost, Judge, Progress
from reeltune.judges.rounds import Judgment, ask_together, first_questions
from reeltune.sample import Sample
from reeltune.tasks.judged import NO_DRAWS, Draws, JudgedScores, mean_intervals
from reeltune.tasks.pictures import texts_picture

__all__ = [
    "ANSWER_COLUMNS", "FULL", "QUESTION_COLUMNS", "Components", "Judgment", "Mode", "Parsed", "RewardOptions", "Task",
    "request",
]  # fmt: skip

S = TypeVar("S", bound=Sample)
A = TypeVar("A")
Components = dict[str, float | None]
"""Reward component -> value in 0..1; None: it does not apply."""

FieldKind = Literal["spans", "letter", "label", "number", "box", "boxes"]

QUESTION_COLUMNS = ("question", "problem", "prompt", "query", "q", "instruction")
ANSWER_COLUMNS = (
    "answer", "target", "correct_answer", "correct_option", "correct", "ground_truth", "gt", "gold", "solution",
)  # fmt: skip
"""What columns of a question and of its right answer are usually called, best first, whatever the answer is."""

FULL = 0.99
"""A reward component this high is full: gold answers are written with two decimals (our choice)."""


@dataclass(frozen=True)
class Parsed(Generic[A]):
    """The parsed answer of a completion. `value` is None if it could not be parsed; `reason` says why."""

    value: A | None
    reason: str | None = None


@dataclass(frozen=True)
class RewardOptions:
    """Further shaping of rewards, all off by default (our choice; none is in the published recipes)."""

    iou_threshold: float | None = None
    """Overlaps below this value count as 0."""
    generalized_iou: bool = False
    """Boxes: (GIoU + 1) / 2 in place of IoU, so that a near miss scores higher than a far one."""
    length_bounds: tuple[int, int] | None = None
    """Adds the component `length`: 1 when the completion has between so many characters, else 0."""
    further: frozenset[str] = frozenset()
    """The task's `further` components that the recipe gives a weight: only these are computed."""
    own: Any = None
    """What the recipe sets under rewards.options.TASK, as the task's `options_type`; None: nothing."""

    def overlap(self, value: float) -> float:
        return value if self.iou_threshold is None or value >= self.iou_threshold else 0.0


class Task(ABC, Generic[S, A]):
    """One kind of question about a video, with a checkable answer of type A.

    Required: `name`, `sample_type`, `default_weights`, `prompt`, `parse`, `content_rewards`. The rest has defaults.
    """

    name: ClassVar[str]
    sample_type: type[S]
    default_weights: ClassVar[Mapping[str, float]]
    """Reward component -> weight where a recipe gives none; a component of weight 0 is known, but not scored."""
    further: ClassVar[tuple[str, ...]] = ()
    """Components that exist only where a recipe gives them a weight; `options.further` names them."""
    fields: ClassVar[Mapping[str, FieldKind]] = {}
    """What its answers and their like are, by field: import, `init` and `data check --fix` know how to read and repair
    each kind, whatever the task."""
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Field of text -> what columns of tables with it are usually called, best first. `init` tries every task that
    declares some; fields of a kind (`fields`) have their usual names by their kind."""
    modes: ClassVar[tuple[Mode, ...]] = ("think", "direct")
    blocks: ClassVar[tuple[str, ...]] = ()
    """Tags that must follow the answer block in a well-formed completion."""
    judged: ClassVar[tuple[str, ...]] = ()
    """The reward components that only a judge can give (`judge_group`). A recipe that weighs one must have a judge."""
    judged_titles: ClassVar[Mapping[str, str]] = {}
    """What a judged metric is called in tables, by the part of its name before the first dot."""
    options_type: ClassVar[type[BaseModel] | None] = None
    """What a recipe may set under rewards.options.TASK; it arrives as `options.own`."""
    picture_note: ClassVar[str] = ""
    """A sentence that says how `picture` is to be read."""

    # ---- To be written ----

    @abstractmethod
    def prompt(self, sample: S, mode: Mode) -> str:
        """The text after the video in the user turn; `request` appends the answer format."""

    @abstractmethod
    def parse(self, sample: S, text: str) -> Parsed[A]:
        """Parse the answer of a completion, leniently. Must not raise for any text."""

    @abstractmethod
    def content_rewards(self, sample: S, value: A | None, options: RewardOptions) -> Components:
        """Reward components of a parsed answer, each in 0..1; None if a component does not apply."""

    # ---- With defaults ----

    def gold(self, sample: S, mode: Mode) -> str:
        """A completion that earns the full reward; by default `target` is the answer."""
        if "target" not in self.sample_type.model_fields:
            raise InputError(f"task {self.name}: its samples have no field `target`; define its method `gold`")
        return wrap(str(getattr(sample, "target")), mode, thought="Let me look.")  # noqa: B009

    def scores(self, sample: S, value: A | None) -> dict[str, float]:
        """The score of one answer in each metric, 0..1; by default its reward components. None scores 0.

        A metric that does not apply to the sample must be omitted for every answer; the mean skips such samples.
        """
        found = self.content_rewards(sample, value, RewardOptions())
        return {name: score for name, score in found.items() if score is not None}

    def trivial_scores(
        self, samples: Sequence[S], fit_on: Sequence[S] | None = None
    ) -> dict[str, list[dict[str, float]]]:
        """For each trivial baseline, the scores of each sample. Baselines are fitted on `fit_on`, else on `samples`.

        By default, the most frequent gold answer, given to every sample.
        """
        usual = most_common([self.gold(sample, self.modes[0]) for sample in fit_on or samples])
        return {"majority_answer": [self.scores(sample, self.parse(sample, usual).value) for sample in samples]}

    def spans(self, sample: S) -> tuple[tuple[float, float], ...]:
        """The gold spans of a sample in seconds; empty for a task without spans."""
        return next((getattr(sample, field) for field, kind in self.fields.items() if kind == "spans"), ())

    def picture(self, sample: S, answers: Mapping[str, A | None]) -> str:
        """An SVG or HTML snippet with the gold answer and the named answers; None is an unparsable one."""
        truth = self.parse(sample, self.gold(sample, self.modes[0])).value
        return texts_picture(str(truth), {name: None if v is None else str(v) for name, v in answers.items()})

    def type_of(self, sample: S) -> str | None:
        """The question type for breakdowns: `meta.type` if the annotation has one."""
        kind = sample.meta.get("type")
        return str(kind) if kind is not None else None

    def format_reward(self, sample: S, text: str, mode: Mode) -> float:
        """1 for exactly the required format, else 0; `rewards` gives 0 if the content is unparsable (our choice)."""
        return float(has_format(text, mode, self.blocks))

    def off_form(self, text: str, mode: Mode) -> OffForm:
        """Where a completion without the format reward violates the format; pages mark it in the text."""
        return off_form(text, mode, self.blocks)

    # ---- What a judge gives ----

    def judge_group(self, sample: S, texts: Sequence[str], options: RewardOptions) -> Judgment[list[Components | None]]:
        """The `judged` components of one sample's completions, written as a generator (`judges.rounds`):

            answers = yield [Grading(...) for text in texts]

        None for a completion that the judge did not answer; it is excluded from the group's statistics. Return
        `JudgedComponents` instead of a dictionary to store the judge's verdict on each statement.
        """
        raise NotImplementedError(f"task {self.name} declares judged={self.judged}; write its method `judge_group`")

    def judge_cost(self, sample: S, words: int, judge: Judge, options: RewardOptions) -> Cost:
        """Upper bound for `judge_group` on one completion of `words` words; by default its first round."""
        longest = wrap("word " * words, self.modes[0], thought="word")
        asked = first_questions(self.judge_group(sample, [longest], options))
        if not asked:  # an answer of another form: the gold one is not far from the longest
            asked = first_questions(self.judge_group(sample, [self.gold(sample, self.modes[0])], options))
        return judge.cost(asked)

    def judged_metrics(
        self,
        samples: Sequence[S],
        texts: Sequence[Sequence[str]],
        judge: Judge,
        *,
        progress: Progress | None = None,
        draws: Draws = NO_DRAWS,
    ) -> JudgedScores:
        """The metrics that need a judge, in percent; `texts` are the completions of each sample.

        By default `judged.COMPONENT`, the mean over samples. Several completions count as their mean, a missing one
        scores 0, and unanswered ones are excluded and counted in `judged.unanswered`. A proxy judge's metrics carry
        its name.
        """
        prefix = f"{judge.kind}_proxy" if judge.proxy else "judged"
        judgments = [self.judge_group(s, own, RewardOptions()) for s, own in zip(samples, texts, strict=True)]
        groups = ask_together(judge, judgments, progress)
        per_sample = [_judged_means(self.judged, own, prefix) for own in groups]
        metrics: dict[str, float] = {}
        for name in self.judged:
            column = [row[f"{prefix}.{name}"] for row in per_sample if f"{prefix}.{name}" in row]
            if column:
                metrics |= {f"{prefix}.{name}": fmean(column), **mean_intervals({f"{prefix}.{name}": column}, draws)}
        metrics[f"{prefix}.unanswered"] = float(sum(row is None for own in groups for row in own))
        return JudgedScores(metrics, per_sample)

    def judged_cost(self, samples: Sequence[S], texts: Sequence[Sequence[str]], judge: Judge) -> Cost:
        """Upper bound for `judged_metrics`; by default its first round."""
        judgments = [self.judge_group(s, own, RewardOptions()) for s, own in zip(samples, texts, strict=True)]
        return judge.cost([question for judgment in judgments for question in first_questions(judgment)])

    # ---- What follows ----

    def read(self, sample: S, text: str) -> Parsed[A]:
        """`parse` with a time limit; a text that takes too long counts as unparsable."""
        return within(lambda: self.parse(sample, text), late=lambda reason: Parsed[A](None, reason))

    def rewards(self, sample: S, text: str, mode: Mode, options: RewardOptions | None = None) -> Components:
        """All unweighted components of one completion that need no judge; None if one does not apply."""
        options = options or RewardOptions()
        parsed = self.read(sample, text)
        # The shape alone would reward an answer that says nothing, such as <answer>[]</answer>.
        shape = self.format_reward(sample, text, mode) if parsed.reason is None else 0.0
        found: Components = {"format": shape}
        found.update(self.content_rewards(sample, parsed.value, options))
        if options.length_bounds:
            low, high = options.length_bounds
            found["length"] = float(low <= len(text) <= high)
        return found

    def metrics(self, samples: Sequence[S], texts: Sequence[str | None]) -> dict[str, float]:
        """Percentages over all samples; a missing text counts as wrong and unparsed. `n` is a count."""
        parsed = [
            self.read(s, text) if text is not None else Parsed[A](None, "missing")
            for s, text in zip(samples, texts, strict=True)
        ]
        found = percent([self.scores(s, p.value) for s, p in zip(samples, parsed, strict=True)])
        unparsed = sum(p.reason is not None for p in parsed)
        return found | {
            "unparsed": 100.0 * unparsed / len(samples) if samples else 0.0,
            "n": float(len(samples)),
        }

    def baselines(self, samples: Sequence[S], fit_on: Sequence[S] | None = None) -> dict[str, dict[str, float]]:
        """Metrics of the trivial baselines, by name."""
        return {name: percent(rows) for name, rows in self.trivial_scores(samples, fit_on).items()}

    def validate(self, sample: S) -> None:
        """Raises InputError unless the gold answer earns the full reward in every mode."""
        for mode in self.modes:
            text = self.gold(sample, mode)
            short = {k: v for k, v in self.rewards(sample, text, mode).items() if v is not None and v < FULL}
            if short:
                raise InputError(
                    f"id {sample.id!r}: its own gold answer ({mode}) {text!r} earns {short} instead of 1; the "
                    "target cannot be reached as written"
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


def _judged_means(names: Sequence[str], rows: Sequence[Components | None], prefix: str) -> dict[str, float]:
    """One sample's judged components in percent, each over its completions that were judged."""
    if not rows:
        return {f"{prefix}.{name}": 0.0 for name in names}
    found = {name: [row[name] for row in rows if row is not None and row.get(name) is not None] for name in names}
    return {f"{prefix}.{name}": 100.0 * fmean(v or 0.0 for v in values) for name, values in found.items() if values}
