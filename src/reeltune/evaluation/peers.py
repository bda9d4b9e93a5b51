"""Answers that other evaluators have written, as predictions: lmms-eval's `--log_samples` (Temporal-RLT's evaluations
too), VLMEvalKit's tables, the logs of VideoChat-R1's evaluations (a line: video_path, prompt, gt, pred), JSON lists.

They know a question by its place or by a field of the data set, not by our id. A field whose values are our ids
decides; without one, the name of the video and the words of the question, where they name one sample each; else the
place, where there are as many answers as samples.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reeltune.data.tables import first_entry, holds_lines, read_json, read_table
from reeltune.errors import InputError
from reeltune.evaluation.label_noise import run_rollouts
from reeltune.evaluation.predictions import read_predictions
from reeltune.sample import Sample

Row = Mapping[str, Any]
TABLES = (".csv", ".tsv", ".parquet")
TEXTS = ("output", "prediction", "pred", "response", "text")
"""What they call the completion, the rawest first."""
VIDEOS = ("video_path", "video", "video_name", "vid", "path")
"""What they call the video; of a path the last part counts, without its ending."""


def is_from_a_peer(path: Path) -> bool:
    """Whether a file of predictions is one of theirs, by its ending or its first entry."""
    if path.suffix in (*TABLES, ".xlsx") or (path.suffix == ".json" and not holds_lines(path)):
        return True
    try:
        entry = first_entry(path)
    except InputError:
        return False  # whoever reads it says what is wrong
    if not isinstance(entry, dict) or {"id", "text"} <= entry.keys():
        return False
    return "resps" in entry or "filtered_resps" in entry or any(name in entry for name in TEXTS[:-1])


def read_answers(path: Path | str, samples: Sequence[Sample]) -> dict[str, list[str]]:
    """Completions by id: of a file of ours, of one that lmms-eval or VLMEvalKit wrote, or of a GRPO run's rollouts."""
    path = Path(path)
    if path.is_dir():
        return run_rollouts(path)
    return read_from_a_peer(path, samples)[0] if is_from_a_peer(path) else read_predictions(path)


def read_from_a_peer(path: Path, samples: Sequence[Sample]) -> tuple[dict[str, list[str]], str]:
    """Completions by our ids, and in words how they were matched. InputError where they cannot be."""
    if path.suffix == ".xlsx":
        raise InputError(f"{path}: save the table as .tsv or .csv (VLMEvalKit: PRED_FORMAT=tsv)")
    rows = _rows(path)
    if "doc_id" in rows[0]:
        rows = sorted(rows, key=lambda row: int(row["doc_id"]))
        texts = [_response(row, path) for row in rows]
        facts: list[Row] = [row["doc"] if isinstance(row.get("doc"), dict) else {} for row in rows]
    elif name := next((name for name in TEXTS if name in rows[0]), None):
        rows = _in_order(rows)
        texts, facts = [_text(row.get(name)) for row in rows], list(rows)
    else:
        raise InputError(
            f"{path}: not predictions of lmms-eval (doc_id, resps), VLMEvalKit (a column prediction) or "
            f"VideoChat-R1 (pred); it has {', '.join(rows[0])}. Rename the field of the completions to one of "
            f"{', '.join(TEXTS)}"
        )
    ids, how = _ids(facts, samples, path)
    found: dict[str, list[str]] = {}
    for name, text in zip(ids, texts, strict=True):
        found.setdefault(name, []).append(text)
    return found, f"{path.name}: {len(rows)} answers, matched by {how}"


def _rows(path: Path) -> list[dict[str, Any]]:
    """A table of any kind, or a JSON object of texts by id."""
    if path.suffix == ".json" and not holds_lines(path):
        value = read_json(path)
        if isinstance(value, dict) and value and all(isinstance(text, str) for text in value.values()):
            return [{"id": name, "text": text} for name, text in value.items()]
    return read_table(path)


def _in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of VLMEvalKit, whose `index` is the place of a question in its data set; several processes may write in another
    order."""
    places = [str(row.get("index")) for row in rows]
    return sorted(rows, key=lambda row: int(row["index"])) if all(place.isdecimal() for place in places) else rows


def _text(value: Any) -> str:
    """A list of spans or boxes is written as JSON, as a model would."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _response(row: Row, path: Path) -> str:
    """The completion as it was written, before their filters."""
    value: Any = row.get("resps") or row.get("filtered_resps")
    while isinstance(value, list):
        value = value[0] if value else ""  # no response at all
    if not isinstance(value, str):
        raise InputError(f"{path}, doc_id {row.get('doc_id')}: no text in resps or filtered_resps")
    return value


def _ids(facts: Sequence[Row], samples: Sequence[Sample], path: Path) -> tuple[list[str], str]:
    known = {sample.id for sample in samples}
    for field in dict.fromkeys(name for fact in facts for name in fact):
        values = [str(fact.get(field)) for fact in facts]
        if all(value in known for value in values) and len(set(values)) == len(values) and field != "index":
            return values, f"their field {field!r}"
    if named := _by_question(facts, samples):
        return named, "their videos and questions"
    if len(facts) != len(samples):
        raise InputError(
            f"{path}: {len(facts)} answers for {len(samples)} samples, no field contains our ids, and videos and "
            "questions do not identify one sample each; give the samples of the same questions in the same order"
        )
    return [sample.id for sample in samples], "their order; make sure that the samples are in the same order"


def _by_question(facts: Sequence[Row], samples: Sequence[Sample]) -> list[str]:
    """The one sample of the same video whose words stand in each entry; [] where any entry has none or several."""
    own: defaultdict[str, list[tuple[str, list[str]]]] = defaultdict(list)
    for sample in samples:
        own[Path(sample.media_name).stem].append((sample.id, [_plain(text) for text in _words(sample)]))
    found = []
    for fact in facts:
        video = next((str(fact[name]) for name in VIDEOS if fact.get(name)), "")
        told = _plain(" ".join(text for text in fact.values() if isinstance(text, str)))
        fitting = [name for name, words in own[Path(video).stem] if words and all(word in told for word in words)]
        if len(fitting) != 1:
            return []
        found += fitting
    return found


def _words(sample: Sample) -> Iterator[str]:
    """What is asked: the texts of a sample that are neither its name nor its answer."""
    for name, value in sample:
        if isinstance(value, str) and name not in ("id", "task", "source", "video", "target"):
            yield value


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
