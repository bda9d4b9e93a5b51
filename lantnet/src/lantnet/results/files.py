"""Results appear whole or not at all: they are made in a hidden folder beside their place, then moved."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lantnet.errors import InputError


@contextmanager
def staged(directory: Path) -> Iterator[Path]:
    """A scratch folder inside `directory`; on success its files replace those of the same name in `directory`.

    When the block raises (Ctrl-C included) the scratch folder goes and `directory` is as it was.
    """
    existed = directory.exists()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=directory))
    except OSError as error:
        raise InputError(
            f"the output must be a folder that can be written to; {directory}: {error.strerror}. Name another one."
        ) from error
    try:
        yield scratch
        for file in sorted(scratch.iterdir()):
            os.replace(file, directory / file.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if not existed and not any(directory.iterdir()):
            directory.rmdir()


def write_text(path: Path, text: str) -> None:
    with staged(path.parent) as scratch:
        (scratch / path.name).write_text(text, encoding="utf-8")


def as_json(value: Any) -> str:
    """Indented JSON; NaN and infinity are errors: they are not JSON and hide defects."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
