"""Annotation files that a test writes, and what is imported of them."""

import csv
import json
from pathlib import Path
from typing import Any

from reeltune.data.import_ import Imported, import_annotations
from reeltune.tasks import load_samples


def imported(name: str, *files: Path) -> tuple[list[Any], Imported]:
    output = files[0].parent / "out/samples.jsonl"
    found = import_annotations(name, files, videos=files[0].parent / "videos", output=output, digests=False)
    return list(load_samples(output)), found


def dump(folder: Path, value: object, name: str = "annotations.json") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def table(folder: Path, rows: list[dict[str, object]], name: str) -> Path:
    path = folder / name
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path
