"""Published evaluation protocols as data: BENCHMARK/PROTOCOL.yaml, each naming its source.

A protocol says how the question is put, what a recipe must set for it, how an answer is read and how credits become a
number. `reeltune eval --protocol` asks so, `reeltune score --protocol` reads so, beside our own reading. Published
sentences are not ours to ship: a protocol names where its instruction stands and what its digest is, and takes it from
a folder of yours (`--prompts DIR`, DIR/BENCHMARK/PROTOCOL.txt). Without it, ours stands there, and the result says so.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from reeltune.errors import InputError, nearest
from reeltune.registry import Registry
from reeltune.sample import Sample
from reeltune.tasks import get_task
from reeltune.tasks.choices import LETTERS

Credit = Callable[[str, Any], float]
Aggregate = Callable[[Sequence[Any], Sequence[str], Sequence[float]], dict[str, float]]
READERS: Registry[Credit] = Registry(
    "protocol reader",
    {
        "first-span": "reeltune.protocols.times:first_span_iou",
        "lmms-mvbench": "reeltune.protocols.letters:lmms_mvbench",
        "lmms-four-letters": "reeltune.protocols.letters:lmms_four_letters",
        "lmms-video-mme-v2": "reeltune.protocols.letters:lmms_video_mme_v2",
        "lmms-first-word": "reeltune.protocols.letters:lmms_first_word",
        "lmms-charades": "reeltune.protocols.times:lmms_charades_iou",
        "lmms-timelens": "reeltune.protocols.times:lmms_timelens_iou",
        "lmms-vsibench": "reeltune.protocols.numbers:lmms_vsibench",
        "own-accuracy": "reeltune.protocols.letters:own_accuracy",
        "own-iou": "reeltune.protocols.times:own_iou",
        "temporal-r1": "reeltune.protocols.times:temporal_r1_iou",
        "temporal-r1-direct": "reeltune.protocols.times:temporal_r1_direct_iou",
        "videochat-r1": "reeltune.protocols.times:videochat_r1_iou",
        "vlmevalkit-mvbench": "reeltune.protocols.letters:vlmevalkit_mvbench",
        "vlmevalkit-video-mme": "reeltune.protocols.letters:vlmevalkit_video_mme",
    },
)
AGGREGATES: Registry[Aggregate] = Registry(
    "aggregation",
    {
        name: f"reeltune.protocols.aggregates:{name}"
        for name in ("grounding", "grounding_by_video", "mean", "mean_of_answered", "video_mme_v2", "vsibench")
    },
)


@dataclass(frozen=True)
class Protocol:
    """One file. `templates`, `readers`: by task, or under "any". `instruction`: the published sentence, "" without."""

    benchmark: str
    name: str
    source: str
    templates: Mapping[str, str]
    readers: Mapping[str, str]
    aggregate: str
    option: str = "{letter}. {text}"
    between: str = "\n"
    settings: Mapping[str, Any] = field(default_factory=dict)
    instruction_at: str = ""
    instruction_sha256: str = ""
    instruction: str = ""
    notes: Sequence[str] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the question is put in the published words."""
        return bool(self.templates) and (bool(self.instruction) or not self.instruction_sha256)

    def prompt(self, sample: Sample) -> str:
        """The user's turn after the video; our own prompt where the published sentence is not at hand."""
        if not self.is_whole:
            return get_task(sample.task).prompt(sample, "direct")
        options = getattr(sample, "options", ())
        listed = self.between.join(
            self.option.replace("{letter}", letter).replace("{text}", text)
            for letter, text in zip(LETTERS, options, strict=False)
        )
        asked = getattr(sample, "question", None) or getattr(sample, "query", "")
        template = _of_task(self.templates, sample.task, self).replace("{instruction}", self.instruction)
        values = {"{options}": listed, "{question}": str(asked)}
        return re.sub(r"\{options\}|\{question\}", lambda match: values[match[0]], template)

    def credit(self, sample: Sample, text: str) -> float:
        """In 0..1, as this protocol reads the completion."""
        return READERS.get(_of_task(self.readers, sample.task, self))(text, sample)

    def score(self, samples: Sequence[Sample], texts: Sequence[str | None]) -> dict[str, float]:
        """The numbers it prints, in percent; a missing answer is an empty one."""
        said = [text or "" for text in texts]
        credits = [self.credit(sample, text) for sample, text in zip(samples, said, strict=True)]
        return AGGREGATES.get(self.aggregate)(samples, said, credits)


def _of_task(table: Mapping[str, str], task: str, protocol: Protocol) -> str:
    if task not in table and "any" not in table:
        raise InputError(f"protocol {protocol.benchmark}/{protocol.name}: it has no samples of {task}")
    return table.get(task, table.get("any", ""))


def protocols() -> dict[str, list[str]]:
    """Benchmark -> its protocols."""
    root = resources.files("reeltune.protocols")
    found: dict[str, list[str]] = {}
    for folder in sorted(root.iterdir(), key=lambda each: each.name):
        files = [each.name for each in folder.iterdir()] if folder.is_dir() else []
        if names := sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml")):
            found[folder.name] = names
    return found


def load_protocol(benchmark: str, name: str, prompts: Path | None = None) -> Protocol:
    """InputError for an unknown benchmark or protocol, and for an instruction that is not the published one."""
    known = protocols()
    if benchmark not in known:
        raise InputError(
            f"no protocol is known for {benchmark!r}{nearest(benchmark, known)}; known: {', '.join(known)}. "
            "Samples name their benchmark in `source`"
        )
    if name not in known[benchmark]:
        raise InputError(f"{benchmark} has no protocol {name!r}; it has {', '.join(known[benchmark])}")
    text = (resources.files("reeltune.protocols") / benchmark / f"{name}.yaml").read_text(encoding="utf-8")
    tree = yaml.safe_load(text)
    instruction = tree.pop("instruction", "")
    digest = tree.get("instruction_sha256", "")
    file = prompts / benchmark / f"{name}.txt" if prompts else None
    if file is not None and digest and file.is_file():
        instruction = file.read_text(encoding="utf-8").strip()
        if hashlib.sha256(instruction.encode()).hexdigest() != digest:
            raise InputError(
                f"{file}: not the published instruction of {tree['source']} ({tree['instruction_at']}): the "
                f"SHA-256 of its stripped text must be {digest}"
            )
    return Protocol(benchmark=benchmark, name=name, instruction=instruction, **tree)
