"""A protocol's numbers beside our own reading of the same answers, and on which answers the two differ."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reeltune.errors import InputError
from reeltune.protocols import Protocol, load_protocol, protocols
from reeltune.sample import Sample
from reeltune.tasks import get_task

SHOWN = 5
HALF = 0.5


@dataclass(frozen=True)
class Beside:
    """numbers: as the protocol prints them, in percent. more, less: ids to which it gives more or less than we do."""

    protocol: Protocol
    numbers: dict[str, float]
    ours: dict[str, float]
    more: list[str] = field(default_factory=list)
    less: list[str] = field(default_factory=list)

    def text(self) -> str:
        where = f"{self.protocol.benchmark}, protocol {self.protocol.name} ({self.protocol.source})"
        lines = [where, *(f"  {name:<32} {value:6.2f}" for name, value in self.numbers.items())]
        lines += [f"  ours: {name:<26} {value:6.2f}" for name, value in self.ours.items()]
        for ids, what in ((self.more, "more"), (self.less, "less")):
            if ids:
                shown = ", ".join(ids[:SHOWN]) + (f", ... ({len(ids)})" if len(ids) > SHOWN else "")
                lines.append(f"  it credits {len(ids)} answer(s) {what} than our reading does: {shown}")
        if not self.protocol.is_whole:
            lines.append(
                "  asked in our words, parsed and averaged as they do: docs/benchmarks.md explains how to use "
                "their prompt"
            )
        return "\n".join([*lines, *(f"  note: {note}" for note in self.protocol.notes)])

    def record(self) -> dict[str, Any]:
        """For the result file."""
        facts = {"name": self.protocol.name, "source": self.protocol.source, "their_words": self.protocol.is_whole}
        return {**facts, "numbers": self.numbers, "ours": self.ours, "more": len(self.more), "less": len(self.less)}


def protocol_of(samples: Sequence[Sample], name: str, prompts: Path | None = None) -> Protocol:
    """The protocol NAME, or BENCHMARK/NAME, of these samples. InputError where they are not of one known benchmark."""
    benchmark, slash, own = name.partition("/")
    if slash:
        return load_protocol(benchmark, own, prompts)
    sources = {str(sample.source) for sample in samples}
    found = {source: _benchmark(source) for source in sources}
    if len(set(found.values())) != 1 or None in found.values():
        raise InputError(
            f"--protocol {name}: the `source` of the samples does not name a single benchmark with protocols (it "
            f"is {', '.join(sorted(sources)[:SHOWN])}); there are {', '.join(protocols())}. Write --protocol "
            f"BENCHMARK/{name}"
        )
    return load_protocol(str(next(iter(found.values()))), name, prompts)


def _benchmark(source: str) -> str | None:
    """ "timelens-charades" is of timelens, "videomme" and "charades_sta" are spelt without marks."""
    bare = re.sub(r"[^a-z0-9]", "", source.casefold())
    known = {re.sub(r"[^a-z0-9]", "", name): name for name in protocols()}
    if bare in known:
        return known[bare]
    return next((name for name in protocols() if source.startswith(f"{name}-")), None)


def beside(protocol: Protocol, samples: Sequence[Sample], answers: Mapping[str, Sequence[str]]) -> Beside:
    """Of the first completion of each sample; ours is what the task's first reward-like score says of it."""
    texts = [next(iter(answers.get(sample.id, ())), None) for sample in samples]
    more: list[str] = []
    less: list[str] = []
    own_scores: dict[str, list[float]] = {}
    for sample, text in zip(samples, texts, strict=True):
        task = get_task(sample.task)
        scores = task.scores(sample, task.read(sample, text).value if text is not None else None)
        name = next(each for each in ("mra", "accuracy", "miou", *scores) if each in scores)
        own_scores.setdefault(f"{sample.task}, {name}", []).append(scores[name])
        theirs = protocol.credit(sample, text or "")
        if (theirs >= HALF) != (scores[name] >= HALF):
            (more if theirs > scores[name] else less).append(sample.id)
    ours = {name: 100 * sum(values) / len(values) for name, values in own_scores.items()}
    return Beside(protocol, protocol.score(samples, texts), ours, more, less)
