"""Notes and tags on samples: a file of our own beside what was opened, one line a sample.

{"id": "clip-17", "tags": ["hard", "bad label"], "note": "the cut comes before the kick"}
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reeltune.errors import InputError
from reeltune.files import write_jsonl
from reeltune.sample import read_rows

LONGEST_NOTE, LONGEST_TAG, MOST_TAGS = 10_000, 60, 20


class Notes:
    """Read at the start and whenever the file is another; every change is written at once, the file whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[str, dict[str, Any]] = {}
        self._seen: tuple[int, int] | None = None
        self._lock = threading.Lock()

    def _read(self) -> None:
        """A colleague may write to the same file."""
        if not self.path.exists():
            self._rows, self._seen = {}, None
            return
        stat = self.path.stat()
        if self._seen == (stat.st_mtime_ns, stat.st_size):
            return
        rows = {}
        for line, row in read_rows(self.path):
            if not isinstance(row.get("id"), str):
                raise InputError(
                    f"{self.path}, line {line}: a note needs an id, tags and a note; fix or remove the line"
                )
            rows[row["id"]] = {"id": row["id"], "tags": list(row.get("tags", [])), "note": str(row.get("note", ""))}
        self._rows, self._seen = rows, (stat.st_mtime_ns, stat.st_size)

    def of(self, sample: str) -> dict[str, Any]:
        with self._lock:
            self._read()
            return self._rows.get(sample, {"id": sample, "tags": [], "note": ""})

    def tagged(self) -> dict[str, list[str]]:
        """Tag -> samples; a sample with a note and no tag has the tag "noted"."""
        with self._lock:
            self._read()
            found: dict[str, list[str]] = {}
            for name, row in self._rows.items():
                for tag in row["tags"] or ["noted"]:
                    found.setdefault(tag, []).append(name)
            return found

    def set(self, sample: str, tags: Sequence[str], note: str) -> dict[str, Any]:
        """Both empty: the sample has no line any more. InputError for what is too long or no text."""
        tags = list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
        if len(tags) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in tags) or len(note) > LONGEST_NOTE:
            raise InputError(
                f"a sample can have {MOST_TAGS} tags of {LONGEST_TAG} characters and a note of {LONGEST_NOTE} "
                "characters"
            )
        with self._lock:
            self._read()
            row = {"id": sample, "tags": tags, "note": note.strip()}
            if tags or row["note"]:
                self._rows[sample] = row
            else:
                self._rows.pop(sample, None)
            write_jsonl(self.path, self._rows.values())
            stat = self.path.stat()
            self._seen = (stat.st_mtime_ns, stat.st_size)
            return row
