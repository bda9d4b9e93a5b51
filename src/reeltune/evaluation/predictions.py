"""Predictions: JSON Lines of {"id": ..., "text": "<raw completion>"}. Several lines of one id are several
completions of it."""

from collections.abc import Iterable
from pathlib import Path

from reeltune.errors import InputError, shown
from reeltune.sample import read_rows


def read_predictions(path: Path | str) -> dict[str, list[str]]:
    """Completions by id, in the order of the file. Further fields of a line are free.

    InputError names file, line and id of a line without an id or a text, and an empty file.
    """
    path = Path(path)
    found: dict[str, list[str]] = {}
    for line, row in read_rows(path):
        name, text = row.get("id"), row.get("text")
        name = str(name) if isinstance(name, int) and not isinstance(name, bool) else name  # as in samples
        if not isinstance(name, str) or not isinstance(text, str):
            field = "text" if isinstance(name, str) else "id"
            wrong = f"{shown(row[field])} is not text" if field in row else f"missing; the line has {', '.join(row)}"
            raise InputError(
                f"{path}, line {line}, id {shown(name)}, field {field!r}: {wrong}; "
                'a prediction is {"id": "...", "text": "..."}'
            )
        found.setdefault(name, []).append(text)
    if not found:
        raise InputError(f'{path}: the file has no predictions; write one {{"id": ..., "text": ...}} per line')
    return found


def read_truncated(path: Path | str) -> dict[str, float] | None:
    """The share of each id's completions that a token limit cut off; None where no line says so."""
    found: dict[str, list[bool]] = {}
    told = False
    for line, row in read_rows(Path(path)):
        value = row.get("truncated", False)
        if not isinstance(value, bool):
            raise InputError(f"{path}, line {line}, field 'truncated': {shown(value)}; it must be true or false")
        told = told or "truncated" in row
        found.setdefault(str(row["id"]), []).append(value)
    return {name: sum(values) / len(values) for name, values in found.items()} if told else None


def compare_ids(wanted: Iterable[str], predictions: dict[str, list[str]]) -> list[str]:
    """What does not match, in words: samples without an answer, unknown ids, ids with several completions."""
    wanted = list(wanted)
    known = set(wanted)
    missing = [name for name in wanted if name not in predictions]
    unknown = [name for name in predictions if name not in known]
    several = [name for name, texts in predictions.items() if len(texts) > 1 and name in known]
    notices = [
        (missing, "without a prediction; they count as wrong"),
        (unknown, "only in the predictions; they are not scored"),
        (several, "with several predictions; the score of a sample is their mean"),
    ]
    return [f"{len(names)} id(s) {what}: {_listed(names)}" for names, what in notices if names]


def _listed(names: list[str], limit: int = 10) -> str:
    more = f", ... ({len(names) - limit} more)" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
