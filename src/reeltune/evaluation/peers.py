"""Answers that other evaluators have written, as predictions: lmms-eval's `--log_samples`, VLMEvalKit's tables.

They know a question by its place or by a field of the data set, not by our id. A field whose values are our ids
decides; without one, the place does, where there are as many answers as samples.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reeltune.data.tables import first_entry, read_table
from reeltune.errors import InputError
from reeltune.evaluation.label_noise import run_rollouts
from reeltune.evaluation.predictions import read_predictions
from reeltune.sample import Sample

Row = Mapping[str, Any]
TABLES = (".csv", ".tsv", ".parquet")


def is_from_a_peer(path: Path) -> bool:
    """Whether a file of predictions is one of theirs, by its ending or its first entry."""
    if path.suffix in (*TABLES, ".xlsx"):
        return True
    try:
        entry = first_entry(path)
    except InputError:
        return False  # whoever reads it says what is wrong
    return isinstance(entry, dict) and "doc_id" in entry and ("resps" in entry or "filtered_resps" in entry)


def read_answers(path: Path | str, samples: Sequence[Sample]) -> dict[str, list[str]]:
    """Completions by id: of a file of ours, of one that lmms-eval or VLMEvalKit wrote, or of a GRPO run's rollouts."""
    path = Path(path)
    if path.is_dir():
        return run_rollouts(path)
    return read_from_a_peer(path, samples)[0] if is_from_a_peer(path) else read_predictions(path)


def read_from_a_peer(path: Path, samples: Sequence[Sample]) -> tuple[dict[str, list[str]], str]:
    """Completions by our ids, and in words how they were matched. InputError where they cannot be."""
    if path.suffix == ".xlsx":
        raise InputError(f"{path}: save the sheet as .tsv or .csv (VLMEvalKit: PRED_FORMAT=tsv)")
    rows = read_table(path)
    if "doc_id" in rows[0]:
        rows = sorted(rows, key=lambda row: int(row["doc_id"]))
        texts = [_response(row, path) for row in rows]
        facts: list[Row] = [row["doc"] if isinstance(row.get("doc"), dict) else {} for row in rows]
    elif "prediction" in rows[0]:
        texts, facts = ["" if row["prediction"] is None else str(row["prediction"]) for row in rows], list(rows)
    else:
        raise InputError(
            f"{path}: no predictions of lmms-eval (doc_id, resps) or VLMEvalKit (a column prediction); it has "
            f"{', '.join(rows[0])}"
        )
    ids, how = _ids(facts, samples, path)
    found: dict[str, list[str]] = {}
    for name, text in zip(ids, texts, strict=True):
        found.setdefault(name, []).append(text)
    return found, f"{path.name}: {len(rows)} answers, matched by {how}"


def _response(row: Row, path: Path) -> str:
    """The completion as it was written, before their filters."""
    value: Any = row.get("resps") or row.get("filtered_resps")
    while isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, str):
        raise InputError(f"{path}, doc_id {row.get('doc_id')}: no text in resps or filtered_resps")
    return value


def _ids(facts: Sequence[Row], samples: Sequence[Sample], path: Path) -> tuple[list[str], str]:
    known = {sample.id for sample in samples}
    for field in dict.fromkeys(name for fact in facts for name in fact):
        values = [str(fact.get(field)) for fact in facts]
        if all(value in known for value in values) and len(set(values)) == len(values) and field != "index":
            return values, f"their field {field!r}"
    if len(facts) != len(samples):
        raise InputError(
            f"{path}: {len(facts)} answers for {len(samples)} samples, and no field of theirs holds our ids; give the "
            "samples of the same questions, in the same order"
        )
    return [sample.id for sample in samples], "their order: make sure that the samples have the same"
