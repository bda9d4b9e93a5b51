"""Samples in the forms that other trainers read: the task's prompt, the gold answer, the media, and the sample itself.

Every row keeps the whole sample as JSON in its column `reeltune`, so that nothing is lost and a reward function there
can ask for what ours asks. What a form has no place for is left out and counted, never bent.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reeltune.errors import InputError
from reeltune.files import write_jsonl, write_text, write_whole
from reeltune.media import Medium, Turn
from reeltune.sample import Sample
from reeltune.tasks import get_task
from reeltune.tasks.base import Mode

Row = dict[str, Any]
SHOWN = ("video", "image")


class NoPlace(Exception):
    """A form has no place for something of a sample; says for what."""


@dataclass(frozen=True)
class Said:
    """A sample as a conversation: the turns before, then the task's prompt; and its gold answer."""

    sample: Sample
    turns: tuple[Turn, ...]
    answer: str

    @property
    def extra(self) -> Row:
        row = self.sample.model_dump(mode="json", exclude_unset=True)
        return {"id": self.sample.id, "reeltune": json.dumps(row, ensure_ascii=False)}

    def path(self, medium: Medium) -> str:
        return str(medium.files(self.sample.folder)[0])

    def of_kind(self, kind: str) -> list[Medium]:
        return [medium for turn in self.turns for medium in turn.media if medium.kind == kind]


def trl(said: Said) -> Row:
    """TRL: `prompt` and `completion` with content in parts; bounds of a part of a video as qwen-vl-utils reads them."""
    prompt = [{"role": turn.role, "content": _parts(said, turn)} for turn in said.turns]
    return {
        "prompt": prompt,
        "completion": [{"role": "assistant", "content": [{"type": "text", "text": said.answer}]}],
        **said.extra,
    }


def ms_swift(said: Said) -> Row:
    """ms-swift: `messages` with places, lists of files, `solution` for its reward functions."""
    return {"messages": _messages(said, answer=True), **_files(said), "solution": said.answer, **said.extra}


def llama_factory(said: Said) -> Row:
    return {"messages": _messages(said, answer=True), **_files(said), **said.extra}


def verl(said: Said) -> Row:
    """verl: a row of its Parquet, the gold answer as `ground_truth` of a rule."""
    task = said.sample.task
    return {
        "data_source": f"reeltune/{task}",
        "prompt": _messages(said, answer=False),
        "images": [{"image": said.path(each)} for each in said.of_kind("image")],
        "videos": [_bounded({"video": said.path(each)}, each) for each in said.of_kind("video")],
        "ability": task,
        "reward_model": {"style": "rule", "ground_truth": said.answer},
        "extra_info": said.extra,
    }


def datasets(said: Said) -> Row:
    """A flat table that `datasets.load_dataset("parquet", data_files=FILE)` opens."""
    asked = said.turns[-1]
    return {
        "id": said.sample.id,
        "task": said.sample.task,
        "videos": [said.path(each) for each in said.of_kind("video")],
        "images": [said.path(each) for each in said.of_kind("image")],
        "prompt": asked.text,
        "answer": said.answer,
        "reeltune": said.extra["reeltune"],
    }


@dataclass(frozen=True)
class Form:
    row: Callable[[Said], Row]
    suffix: str


FORMS: Mapping[str, Form] = {
    "trl": Form(trl, ".jsonl"),
    "ms-swift": Form(ms_swift, ".jsonl"),
    "llama-factory": Form(llama_factory, ".json"),
    "verl": Form(verl, ".parquet"),
    "datasets": Form(datasets, ".parquet"),
}


def export(samples: Sequence[Sample], form: str, output: Path, *, mode: Mode) -> Counter[str]:
    """Write `output`, whole or not at all; returns what was left out, in words, with counts.

    InputError for another ending than the form's, where nothing is left, and for Parquet without pyarrow.
    """
    suffix = FORMS[form].suffix
    if output.suffix != suffix:
        raise InputError(f"-o {output}: {form} is written as {suffix}; give a name with that ending")
    left_out: Counter[str] = Counter()
    rows = list(_rows(samples, FORMS[form].row, mode, left_out))
    if not rows:
        raise InputError(f"nothing to write: {', '.join(f'{count} {text}' for text, count in left_out.items())}")
    if suffix == ".jsonl":
        write_jsonl(output, rows)
    elif suffix == ".json":
        text = json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_text(output, text)
    else:
        _write_parquet(output, rows)
    return left_out


def _rows(samples: Sequence[Sample], make: Callable[[Said], Row], mode: Mode, left_out: Counter[str]) -> Iterator[Row]:
    for sample in samples:
        task = get_task(sample.task)
        asked = Turn.model_construct(role="user", text=task.prompt(sample, mode), media=sample.own_media)
        try:
            yield make(Said(sample, (*sample.turns, asked), task.gold(sample, mode)))
        except NoPlace as what:
            left_out[f"samples with {what}"] += 1


def _parts(said: Said, turn: Turn) -> list[Row]:
    parts = []
    for medium in turn.media:
        if medium.kind not in SHOWN:
            raise NoPlace("a list of frames")
        parts.append(_bounded({"type": medium.kind, medium.kind: said.path(medium)}, medium))
    return [*parts, {"type": "text", "text": turn.text}]


def _bounded(part: Row, medium: Medium) -> Row:
    bounds = {"video_start": medium.start, "video_end": medium.end}
    return part | {name: value for name, value in bounds.items() if value is not None}


def _messages(said: Said, *, answer: bool) -> list[Row]:
    """Content as text, a place before it for each medium."""
    found = []
    for turn in said.turns:
        if any(medium.kind not in SHOWN for medium in turn.media):
            raise NoPlace("a list of frames")
        if "<video>" in turn.text or "<image>" in turn.text:
            raise NoPlace("text that looks like a media placeholder")
        places = "".join(f"<{medium.kind}>" for medium in turn.media)
        found.append({"role": turn.role, "content": places + turn.text})
    return [*found, {"role": "assistant", "content": said.answer}] if answer else found


def _files(said: Said) -> Row:
    if any(each.start is not None or each.end is not None for turn in said.turns for each in turn.media):
        raise NoPlace("a part of a video")
    lists = {f"{kind}s": [said.path(each) for each in said.of_kind(kind)] for kind in SHOWN}
    return {name: paths for name, paths in lists.items() if paths}


def _write_parquet(output: Path, rows: list[Row]) -> None:
    try:
        import pyarrow  # type: ignore[import-not-found, import-untyped, unused-ignore]
        import pyarrow.parquet  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise InputError(f"{output}: writing .parquet needs pyarrow: pip install 'reeltune[tables]'") from error
    table = pyarrow.Table.from_pylist(rows)
    write_whole(output, lambda path: pyarrow.parquet.write_table(table, path))
