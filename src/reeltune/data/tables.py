"""Tables as people keep them, read as rows: CSV, TSV, JSON, JSON Lines, Parquet, and saved Hugging Face datasets."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reeltune.errors import InputError
from reeltune.sample import read_rows

Row = dict[str, Any]

DELIMITERS = ",;\t|"


def read_table(path: Path) -> list[Row]:
    """The rows of a table of any of these kinds; a cell that is empty text is None.

    A folder may be what `datasets` saves (`save_to_disk`), one split or several, or hold .parquet files. JSON may be an
    object {video: row} too: its keys become the column `video`. InputError for anything else.
    """
    rows = _of_folder(path) if path.is_dir() else read_records(path)
    if not rows:
        raise InputError(f"{path}: the table has no rows")
    return [{str(key): _filled(value) for key, value in row.items() if key is not None} for row in rows]


def _filled(value: Any) -> Any:
    return (value.strip() or None) if isinstance(value, str) else value


def read_records(path: Path) -> list[Row]:
    """A list of objects from .json, .jsonl, .csv, .tsv, .parquet or .arrow (the last two need pyarrow)."""
    if path.suffix in (".csv", ".tsv"):
        return read_csv(path)
    if path.suffix == ".parquet":
        return _read_parquet(path)
    if path.suffix == ".arrow":
        return _read_arrow(path)
    if holds_lines(path):
        return [row for _, row in read_rows(path)]
    value = read_json(path)
    if isinstance(value, dict):
        value = next((part for part in value.values() if _is_rows(part)), None) or _by_video(value)
    if not _is_rows(value):
        raise InputError(f"{path}: expected a list of objects")
    rows: list[Row] = value
    return rows


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _by_video(value: dict[str, Any]) -> list[Row] | None:
    """{video: row, ...}; None for other objects."""
    if not value or not all(isinstance(row, dict) for row in value.values()):
        return None
    return [{"video": video} | row for video, row in value.items()]


def read_json(path: Path) -> Any:
    """The content of a JSON file; InputError when it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; give the annotation file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); give the annotation file as it was published") from error


def read_csv(path: Path) -> list[Row]:
    """Rows of a table with a header; the delimiter is the one of , ; | and tab that the header has most of."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            delimiter = max(DELIMITERS, key=header.count)
            return [dict(row) for row in csv.DictReader(file, delimiter=delimiter)]
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; give the annotation file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a table in UTF-8 ({error}); save it as CSV in UTF-8") from error


def first_entry(path: Path) -> Any:
    """The first object of a JSON list or of JSON Lines; None where there is none."""
    if holds_lines(path):
        return next((row for _, row in read_rows(path)), None)
    value = read_json(path)
    return value[0] if isinstance(value, list) and value else None


def holds_lines(path: Path) -> bool:
    """JSON Lines, by whatever name: not a list, and .jsonl or an object in each of the first two lines."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            filled = (line.strip() for line in file if line.strip())
            first, second = next(filled, ""), next(filled, "")
    except (OSError, UnicodeDecodeError):
        return False  # read_json says why
    if first.startswith("["):
        return False
    return path.suffix == ".jsonl" or (first.endswith("}") and second.startswith("{"))


def _of_folder(path: Path) -> list[Row]:
    rows: list[Row] = []
    for file in _data_files(path):
        rows += read_records(file)
    return rows


def _data_files(path: Path) -> Iterator[Path]:
    """The .arrow files that `datasets` names in its state.json, split by split, else all .parquet files."""
    states = sorted(path.glob("state.json")) + sorted(path.glob("*/state.json"))
    if states:
        for state in states:
            for entry in read_json(state).get("_data_files", []):
                yield state.parent / entry["filename"]
        return
    files = sorted(path.rglob("*.parquet"))
    if not files:
        raise InputError(
            f"{path}: a folder, but not a saved dataset: it has neither state.json nor .parquet files; give a "
            ".csv, .tsv, .json, .jsonl or .parquet file, or what Dataset.save_to_disk wrote"
        )
    yield from files


def _read_parquet(path: Path) -> list[Row]:
    pyarrow = _pyarrow(path)
    try:
        rows: list[Row] = pyarrow.parquet.read_table(path).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{path}: not a Parquet table ({str(error).splitlines()[0]})") from error
    return rows


def _read_arrow(path: Path) -> list[Row]:
    """The stream or the file that `datasets` writes."""
    pyarrow = _pyarrow(path)
    try:
        with pyarrow.memory_map(str(path)) as source:
            try:
                table = pyarrow.ipc.open_stream(source).read_all()
            except pyarrow.ArrowInvalid:
                table = pyarrow.ipc.open_file(source).read_all()
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{path}: not an Arrow table ({str(error).splitlines()[0]})") from error
    rows: list[Row] = table.to_pylist()
    return rows


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow  # type: ignore[import-not-found, import-untyped, unused-ignore]
        import pyarrow.ipc  # type: ignore[import-not-found, import-untyped, unused-ignore]
        import pyarrow.parquet  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise InputError(
            f"{path}: reading {path.suffix} needs pyarrow: pip install 'reeltune[tables]', or save the table as .jsonl"
        ) from error
    return pyarrow
