"""The rows of one source in SQLite: a cache that can be made again at any time, never a second truth.

It stands in the reader's cache folder, not in the run. What was read is known by size and time; a file that grew is
read on from where it ended, one that became another is read anew, one that is gone is forgotten.
"""

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reeltune.explorer.query import Term, Where, column, condition
from reeltune.explorer.rows import GROUP, TEXT, Indexed, row_maker
from reeltune.explorer.sources import RowFile, Source
from reeltune.sample import Sample

VERSION = 4
TABLES = ("groups", "answers")
LIMIT = 500
"""Rows given out at once."""
BATCH = 2000
WORDS = {
    "groups": "sample LIKE ? ESCAPE '\\' OR question LIKE ? ESCAPE '\\' OR key IN "
    "(SELECT grp FROM texts WHERE text LIKE ? ESCAPE '\\')",
    "answers": "key IN (SELECT key FROM texts WHERE text LIKE ? ESCAPE '\\') OR grp IN "
    "(SELECT key FROM groups WHERE sample LIKE ? ESCAPE '\\' OR question LIKE ? ESCAPE '\\')",
}
INNER = ("key", "grp", "offset", "size")


Find = Callable[[RowFile, Mapping[str, Any]], Sample | None]
Placed = tuple[Indexed, int, int, int]
"""What a line says, its number, its offset and its size."""


class Index:
    """Safe for threads: each has a connection of its own, and one at a time writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._local = threading.local()
        self._writing = threading.Lock()
        self.generation = 0
        """Rises whenever rows came or went."""
        self.problems: list[str] = []
        db = self._db
        if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            self._create(db)

    @property
    def _db(self) -> sqlite3.Connection:
        if not hasattr(self._local, "db"):
            db = sqlite3.connect(self.path, timeout=60)
            db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA mmap_size=4294967296;")
            self._local.db = db
        found: sqlite3.Connection = self._local.db
        return found

    def _create(self, db: sqlite3.Connection) -> None:
        for table in (*TABLES, "texts", "files", "used"):
            db.execute(f"DROP TABLE IF EXISTS {table}")
        columns = ", ".join(
            [f'"{name}" TEXT' for name in TEXT if name != "question"] + [f'"{name}" REAL' for name in GROUP]
        )
        db.execute(f"CREATE TABLE groups (key INTEGER PRIMARY KEY, offset INTEGER, size INTEGER, {columns}, question)")
        db.execute(f"CREATE TABLE answers (key INTEGER PRIMARY KEY, grp INTEGER, number REAL, {columns})")
        db.execute("CREATE TABLE texts (key INTEGER PRIMARY KEY, grp INTEGER, text TEXT)")
        db.execute("CREATE TABLE files (name TEXT PRIMARY KEY, size INT, mtime INT, read INT, lines INT)")
        db.execute("CREATE TABLE used (tbl TEXT, name TEXT, PRIMARY KEY (tbl, name))")
        db.execute("CREATE INDEX by_sample ON groups (sample)")
        db.execute("CREATE INDEX by_place ON groups (file, line)")
        db.execute("CREATE INDEX by_group ON answers (grp)")
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.commit()

    # ---- Reading the files ----

    def refresh(self, source: Source, find: Find) -> bool:
        """Take in what is new, changed or gone. `find` gives the sample of a row. True when anything was."""
        with self._writing:
            db = self._db
            known = {row[0]: row[1:] for row in db.execute("SELECT name, size, mtime, read, lines FROM files")}
            there: set[str] = set()
            changed = False
            for file in source.files():
                name = _name(file.path, source.folder)
                there.add(name)
                with contextlib.suppress(FileNotFoundError):
                    stat = file.path.stat()
                    if known.get(name, (None, None))[:2] == (stat.st_size, stat.st_mtime_ns):
                        continue
                    self._take(db, file, name, stat, known.get(name), find)
                    changed = True
            for name in known.keys() - there:
                self._forget(db, name)
                changed = True
            if changed:
                db.commit()
                self.generation += 1
            return changed

    def _take(
        self, db: sqlite3.Connection, file: RowFile, name: str, stat: os.stat_result, known: Any, find: Any
    ) -> None:
        read, line = 0, 0
        if known and known[0] < stat.st_size and file.step is None and file.part != "sample":
            read, line = known[2], known[3]  # what is appended to: predictions and statistics
        else:
            self._forget(db, name)
        make = row_maker(file)
        batch: list[Placed] = []
        for line, offset, raw in whole_lines_from(file.path, read, line):  # noqa: B020
            read = offset + len(raw) + 1
            try:
                row = json.loads(raw)
                sample = find(file, row)
                batch.append((make(row, sample), line, offset, len(raw)))
            except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
                self._note(f"{file.path}, line {line}: left out, not a row of a {file.part} ({error!r})")
            if len(batch) >= BATCH:
                self._insert(db, file, name, batch)
                db.commit()
                self.generation += 1
                batch = []
        self._insert(db, file, name, batch)
        db.execute(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", (name, stat.st_size, stat.st_mtime_ns, read, line)
        )

    def _insert(
        self, db: sqlite3.Connection, file: RowFile, name: str, batch: Sequence[tuple[Indexed, int, int, int]]
    ) -> None:
        if not batch:
            return
        group = db.execute("SELECT coalesce(max(key), 0) FROM groups").fetchone()[0]
        answer = db.execute("SELECT coalesce(max(key), 0) FROM answers").fetchone()[0]
        groups, answers, texts = [], [], []
        for indexed, line, offset, size in batch:
            group += 1
            place = {"part": file.part, "file": name, "line": line, "step": file.step}
            groups.append({"key": group, "offset": offset, "size": size, **indexed.group, **place})
            shared = {key: indexed.group.get(key) for key in (*TEXT, "std", "duration", "start", "end", "span", "spans",
                                                             "replaced") if key != "question"}  # fmt: skip
            for number, (values, text) in enumerate(zip(indexed.answers, indexed.texts, strict=True), start=1):
                answer += 1
                answers.append({"key": answer, "grp": group, "number": number, **shared, **values, **place})
                texts.append((answer, group, text))
        _add(db, "groups", groups)
        _add(db, "answers", answers)
        db.executemany("INSERT INTO texts VALUES (?, ?, ?)", texts)

    def _forget(self, db: sqlite3.Connection, name: str) -> None:
        inside = "(SELECT key FROM groups WHERE file = ?)"
        for statement in (
            f"DELETE FROM texts WHERE grp IN {inside}",
            f"DELETE FROM answers WHERE grp IN {inside}",
            "DELETE FROM groups WHERE file = ?",
            "DELETE FROM files WHERE name = ?",
        ):
            db.execute(statement, (name,))

    def set_values(self, name: str, values: Iterable[tuple[Any, str]]) -> None:
        """Fill a column of the groups by sample: (value, sample id)."""
        with self._writing:
            db = self._db
            db.execute("INSERT OR IGNORE INTO used VALUES ('groups', ?)", (name,))
            db.executemany(f'UPDATE groups SET "{name}" = ? WHERE sample = ?', values)
            db.commit()
            self.generation += 1

    def _note(self, problem: str) -> None:
        if problem not in self.problems and len(self.problems) < 50:
            self.problems.append(problem)

    # ---- Asking ----

    def columns(self, table: str) -> dict[str, str]:
        """Field -> "REAL" or "TEXT"."""
        rows = self._db.execute(f"PRAGMA table_info({table})")
        return {row[1]: row[2] or "TEXT" for row in rows if row[1] not in INNER}

    def used(self, table: str) -> list[str]:
        """The fields that any row ever had a value of."""
        found = {row[0] for row in self._db.execute("SELECT name FROM used WHERE tbl = ?", (table,))}
        return [name for name in self.columns(table) if name in found]

    def where(self, table: str, terms: Sequence[Term], tagged: Mapping[str, Sequence[str]]) -> Where:
        return condition(terms, self.columns(table), WORDS[table], tagged)

    def count(self, table: str, where: Where) -> int:
        found: int = self._db.execute(f"SELECT count(*) FROM {table} WHERE {where.sql}", where.parameters).fetchone()[0]
        return found

    def rows(
        self, table: str, where: Where, *, sort: str = "", offset: int = 0, limit: int = 100
    ) -> list[dict[str, Any]]:
        """In the order of `sort`: a field, "-field" from the highest on; rows without it last."""
        order = "key"
        if sort:
            name = column(sort.removeprefix("-"), self.columns(table))
            order = f"{name} IS NULL, {name} {'DESC' if sort.startswith('-') else 'ASC'}, key"
        sql = f"SELECT key FROM {table} WHERE {where.sql} ORDER BY {order} LIMIT ? OFFSET ?"
        keys = [row[0] for row in self._db.execute(sql, (*where.parameters, min(limit, LIMIT), max(0, offset)))]
        return self.by_keys(table, keys)

    def by_keys(self, table: str, keys: Sequence[int]) -> list[dict[str, Any]]:
        marks = ", ".join("?" * len(keys))
        text = "" if table == "groups" else ", (SELECT text FROM texts WHERE texts.key = answers.key) AS text"
        found = {row["key"]: row for row in self.select(f"SELECT *{text} FROM {table} WHERE key IN ({marks})", keys)}
        return [found[key] for key in keys if key in found]

    def select(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        cursor = self._db.execute(sql, parameters)
        names = [each[0] for each in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def ids(self, table: str, where: Where) -> list[str]:
        """The samples of the rows, each once, in the order of the files."""
        sql = f"SELECT sample FROM {table} WHERE {where.sql} GROUP BY sample ORDER BY min(key)"
        return [row[0] for row in self._db.execute(sql, where.parameters)]

    def close(self) -> None:
        if hasattr(self._local, "db"):
            self._local.db.close()
            del self._local.db


def whole_lines_from(path: Path, offset: int, line: int) -> Iterator[tuple[int, int, bytes]]:
    """(line number, offset, bytes) of the whole lines from `offset` on; a last one without its line feed is no line."""
    with path.open("rb") as file:
        file.seek(offset)
        for raw in file:
            if not raw.endswith(b"\n"):
                return
            line += 1
            if raw.strip():
                yield line, offset, raw[:-1]
            offset += len(raw)


def read_line(path: Path, offset: int, size: int) -> dict[str, Any]:
    """One row as it stands in its file."""
    with path.open("rb") as file:
        file.seek(offset)
        row: dict[str, Any] = json.loads(file.read(size))
    return row


def _add(db: sqlite3.Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    known = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
    for name in dict.fromkeys(name for row in rows for name in row):
        if name not in known and name != "question":
            db.execute(f'ALTER TABLE {table} ADD COLUMN "{name}" REAL')
    used = {name for row in rows for name, value in row.items() if value is not None}
    db.executemany("INSERT OR IGNORE INTO used VALUES (?, ?)", [(table, name) for name in used])
    by_shape: dict[tuple[str, ...], list[Any]] = {}
    for row in rows:
        names = tuple(row)
        by_shape.setdefault(names, []).append(tuple(row.values()))
    for names, values in by_shape.items():
        quoted = ", ".join(f'"{name}"' for name in names)
        db.executemany(f"INSERT INTO {table} ({quoted}) VALUES ({', '.join('?' * len(names))})", values)


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
