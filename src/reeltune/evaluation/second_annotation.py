"""The same answers against two annotations of one set, side by side: Charades-STA and what TimeLens made of it.

Questions are the same where their task, the name of their video and their words are. Those that the second annotation
words anew were not asked: they are counted, and wait for an evaluation of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from reeltune.answers.option_texts import normalized
from reeltune.errors import InputError
from reeltune.evaluation.score import score_answers
from reeltune.evaluation.score_table import aligned
from reeltune.sample import Sample

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Columns:
    """first, second: task -> metric -> value, over the same `shared` questions. alone: those of either annotation that
    the other one does not ask. names: of the two annotations."""

    first: dict[str, dict[str, float]]
    second: dict[str, dict[str, float]]
    shared: int
    alone: tuple[int, int]
    names: tuple[str, str]

    def text(self) -> str:
        blocks = [f"{self.shared} questions in both annotations, the same answers:"]
        for task, values in self.first.items():
            shown = [name for name in values if name != "n" and not name.startswith(("trivial.", "type.", "macro."))]
            rows = [[f"{task}, %", *self.names]]
            rows += [[name, f"{values[name]:.2f}", f"{self.second[task][name]:.2f}"] for name in shown]
            blocks.append(aligned(rows))
        for count, name, other in zip(self.alone, self.names, reversed(self.names), strict=True):
            if count:
                blocks.append(f"  {count} question(s) only in {name}: {other} does not ask them in these words")
        return "\n".join(blocks)

    def record(self) -> dict[str, object]:
        """For the result file."""
        return {"names": self.names, "shared": self.shared, "alone": self.alone, "values": [self.first, self.second]}


def both_columns(samples: Sequence[Sample], others: Sequence[Sample], answers: Mapping[str, Sequence[str]]) -> Columns:
    """`answers`: completions by the ids of `samples`. InputError where the two have no question in common."""
    again: dict[Key, Sample] = {_key(other): other for other in others}
    pairs = [(sample, again[_key(sample)]) for sample in samples if _key(sample) in again]
    if not pairs:
        raise InputError(
            f"--also: no question of {_name(others)} is asked in {_name(samples)}: none has the same task, name of "
            "video and words. Evaluate its own samples file"
        )
    first = [sample for sample, _ in pairs]
    second = [other.model_copy(update={"id": sample.id}) for sample, other in pairs]
    columns = [score_answers(own, answers, resamples=0).metrics for own in (first, second)]
    known = {_key(sample) for sample in samples}
    alone = len(samples) - len(pairs), sum(key not in known for key in again)
    return Columns(columns[0], columns[1], len(pairs), alone, (_name(samples), _name(others)))


def _key(sample: Sample) -> Key:
    asked = str(getattr(sample, "query", None) or getattr(sample, "question", ""))
    return sample.task, PurePosixPath(sample.media_name).stem, normalized(asked)


def _name(samples: Sequence[Sample]) -> str:
    sources = {str(sample.source or "no source") for sample in samples}
    return ", ".join(sorted(sources)[:3])
