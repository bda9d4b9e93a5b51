"""The rows of one source in SQLite: a cache that can be made again at any time, never a second truth.

It stands in the reader's cache folder, not in the run. What was read is known by size and time; a file that grew is
read on from where it ended, one that became another is read anew, one that is gone is forgotten.
"""

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reeltune.explorer.lines import digest_before, whole_lines_from
from reeltune.explorer.query import Term, Where, column, condition
from reeltune.explorer.rows import GROUP, TEXT, Indexed, row_maker
from reeltune.explorer.sources import RowFile, Source
from reeltune.sample import Sample

VERSION = 7
TABLES = ("groups", "answers")
LIMIT = 500
"""Rows given out at once."""
BATCH = 2000
WORDS = {
    "groups": "sample LIKE ? ESCAPE '\\' OR question LIKE ? ESCAPE '\\' OR key IN "
    "(SELECT grp FROM answers WHERE text LIKE ? ESCAPE '\\')",
    "answers": "text LIKE ? ESCAPE '\\' OR grp IN "
    "(SELECT key FROM groups WHERE sample LIKE ? ESCAPE '\\' OR question LIKE ? ESCAPE '\\')",
}
FOUND_KEPT = 8
"""Filters whose rows are remembered: the next page and another order need no second look."""
SHARED = (
    *(name for name in TEXT if name != "question"),
    "std",
    "duration",
    "start",
    "end",
    "span",
    "spans",
    "replaced",
)
"""What an answer has from its group."""
INNER = ("key", "grp", "offset", "size")


Find = Callable[[RowFile, Mapping[str, Any]], Sample | None]
Placed = tuple[Indexed, int, int, int]
"""What a line says, its number, its offset and its size."""


class Index:
    """Safe for threads: one at a time asks, over one connection, and one writes, over another, meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._asking, self._writing = threading.RLock(), threading.Lock()
        self.generation = 0
        """Rises whenever rows came or went."""
        self.problems: list[str] = []
        self._db = _connect(path)
        self._found: dict[tuple[int, str, Where], str] = {}
        if self._db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            self._create(self._db)

    def _create(self, db: sqlite3.Connection) -> None:
        for table in (*TABLES, "files", "used"):
            db.execute(f"DROP TABLE IF EXISTS {table}")
        columns = ", ".join(
            [f'"{name}" TEXT' for name in TEXT if name != "question"] + [f'"{name}" REAL' for name in GROUP]
        )
        db.execute(f"CREATE TABLE groups (key INTEGER PRIMARY KEY, offset INTEGER, size INTEGER, {columns}, question)")
        db.execute(f"CREATE TABLE answers (key INTEGER PRIMARY KEY, grp INTEGER, number REAL, {columns}, text TEXT)")
        db.execute("CREATE TABLE files (name TEXT PRIMARY KEY, size INT, mtime INT, read INT, lines INT, tail TEXT)")
        db.execute("CREATE TABLE used (tbl TEXT, name TEXT, PRIMARY KEY (tbl, name))")
        db.execute("CREATE INDEX by_sample ON groups (sample)")
        db.execute("CREATE INDEX by_place ON groups (file, line)")
        db.execute("CREATE INDEX by_group ON answers (grp)")
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.commit()

    # ---- Reading the files ----

    def refresh(self, source: Source, find: Find) -> bool:
        """Take in what is new, changed or gone. `find` gives the sample of a row. True when anything was."""
        with self._writing, contextlib.closing(_connect(self.path)) as db:
            known = {row[0]: row[1:] for row in db.execute("SELECT name, size, mtime, read, lines, tail FROM files")}
            there: set[str] = set()
            changed, read = False, 0
            for file in source.files():
                name = file.name_in(source.folder)
                there.add(name)
                with contextlib.suppress(FileNotFoundError):
                    stat = file.path.stat()
                    if known.get(name, (None, None))[:2] == (stat.st_size, stat.st_mtime_ns):
                        continue
                    read += self._take(db, file, name, stat, known.get(name), find)
                    changed = True
                    if read >= BATCH:  # what is there so far can be looked at
                        self._tell(db)
                        read = 0
            for name in known.keys() - there:
                self._forget(db, name)
                changed = True
            if changed:
                self._tell(db)
            return changed

    def _tell(self, db: sqlite3.Connection) -> None:
        db.commit()
        self.generation += 1

    def _take(
        self, db: sqlite3.Connection, file: RowFile, name: str, stat: os.stat_result, known: Any, find: Any
    ) -> int:
        """The number of lines taken in."""
        # 1. Where to begin: a file that was only appended to is read on, any other from its start.
        read, line, before = 0, 0, 0
        grows = file.step is None and file.part != "sample"  # what is appended to: predictions and statistics
        if known and grows and known[0] < stat.st_size and digest_before(file.path, known[2]) == known[4]:
            read, line = known[2], known[3]
            before = line
        else:
            self._forget(db, name)
        # 2. Each whole line as rows of the tables; one that is no row is named and leaves the others alone.
        make = row_maker(file)
        batch: list[Placed] = []
        for line, offset, raw in whole_lines_from(file.path, read, line):  # noqa: B020
            read = offset + len(raw) + 1
            try:
                row = json.loads(raw)
                sample = find(file, row)
                batch.append((make(row, sample), line, offset, len(raw)))
            except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
                self._note(f"{file.path}, line {line}: skipped, not a valid {file.part} row ({error!r})")
            # 3. A batch at a time, so that the page shows the beginning of a large file while its end is read.
            if len(batch) >= BATCH:
                self._insert(db, file, name, batch)
                self._tell(db)
                batch = []
        self._insert(db, file, name, batch)
        # 4. How far the file was read, and by what it is known to begin so the next time.
        row = (name, stat.st_size, stat.st_mtime_ns, read, line, digest_before(file.path, read))
        db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", row)
        return line - before

    def _insert(
        self, db: sqlite3.Connection, file: RowFile, name: str, batch: Sequence[tuple[Indexed, int, int, int]]
    ) -> None:
        if not batch:
            return
        group = db.execute("SELECT coalesce(max(key), 0) FROM groups").fetchone()[0]
        answer = db.execute("SELECT coalesce(max(key), 0) FROM answers").fetchone()[0]
        groups, answers = [], []
        for indexed, line, offset, size in batch:
            group += 1
            place = {"part": file.part, "file": name, "line": line, "step": file.step}
            groups.append({"key": group, "offset": offset, "size": size, **indexed.group, **place})
            shared = {name: value for name in SHARED if (value := indexed.group.get(name)) is not None}
            for number, (values, text) in enumerate(zip(indexed.answers, indexed.texts, strict=True), start=1):
                answer += 1
                row = {"key": answer, "grp": group, "number": number, **shared, **values, **place, "text": text}
                answers.append(row)
        self._add(db, "groups", groups)
        self._add(db, "answers", answers)

    def _add(self, db: sqlite3.Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows of any fields; one that the table does not know becomes a column of numbers."""
        by_shape: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
        for row in rows:
            by_shape.setdefault(tuple(row), []).append(row)
        used = {row[0] for row in db.execute("SELECT name FROM used WHERE tbl = ?", (table,))}
        known = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for names, own in by_shape.items():
            for name in names:
                if name not in known:
                    known.add(name)
                    db.execute(f'ALTER TABLE {table} ADD COLUMN "{name}" REAL')
                if name not in used and any(row[name] is not None for row in own):
                    used.add(name)
                    db.execute("INSERT OR IGNORE INTO used VALUES (?, ?)", (table, name))
            quoted = ", ".join(f'"{name}"' for name in names)
            marks = ", ".join("?" * len(names))
            values = [tuple(row.values()) for row in own]
            db.executemany(f"INSERT INTO {table} ({quoted}) VALUES ({marks})", values)

    def _forget(self, db: sqlite3.Connection, name: str) -> None:
        inside = "(SELECT key FROM groups WHERE file = ?)"
        for statement in (
            f"DELETE FROM answers WHERE grp IN {inside}",
            "DELETE FROM groups WHERE file = ?",
            "DELETE FROM files WHERE name = ?",
        ):
            db.execute(statement, (name,))

    def set_values(self, name: str, values: Iterable[tuple[Any, str]]) -> None:
        """Fill a column of the groups by sample: (value, sample id). One that is not there yet is of numbers."""
        with self._writing, contextlib.closing(_connect(self.path)) as db:
            if name not in {row[1] for row in db.execute("PRAGMA table_info(groups)")}:
                db.execute(f'ALTER TABLE groups ADD COLUMN "{name}" REAL')
            db.execute("INSERT OR IGNORE INTO used VALUES ('groups', ?)", (name,))
            db.executemany(f'UPDATE groups SET "{name}" = ? WHERE sample = ?', values)
            self._tell(db)

    def _note(self, problem: str) -> None:
        if problem not in self.problems and len(self.problems) < 50:
            self.problems.append(problem)

    # ---- Asking ----

    def select(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        with self._asking:
            cursor = self._db.execute(sql, parameters)
            names = [each[0] for each in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def columns(self, table: str) -> dict[str, str]:
        """Field -> "REAL" or "TEXT"."""
        rows = self.select(f"PRAGMA table_info({table})")
        return {row["name"]: row["type"] or "TEXT" for row in rows if row["name"] not in INNER}

    def used(self, table: str) -> list[str]:
        """The fields that any row ever had a value of."""
        found = {row["name"] for row in self.select("SELECT name FROM used WHERE tbl = ?", (table,))}
        return [name for name in self.columns(table) if name in found]

    def where(self, table: str, terms: Sequence[Term], tagged: Mapping[str, Sequence[str]]) -> Where:
        return condition(terms, self.columns(table), WORDS[table], tagged)

    def count(self, table: str, where: Where) -> int:
        with self._asking:
            place = self._rows_of(table, where)
            found: int = self.select(f"SELECT count(*) AS n FROM {place}")[0]["n"]
            return found

    def rows(
        self, table: str, where: Where, *, sort: str = "", offset: int = 0, limit: int = 100
    ) -> list[dict[str, Any]]:
        """In the order of `sort`: a field, "-field" from the highest on; rows without it last."""
        order = "key"
        if sort:
            name = column(sort.removeprefix("-"), self.columns(table))
            order = f"{name} IS NULL, {name} {'DESC' if sort.startswith('-') else 'ASC'}, key"
        with self._asking:
            place = self._rows_of(table, where)
            inside = "" if place == table else f"WHERE key IN (SELECT key FROM {place})"
            sql = f"SELECT key FROM {table} {inside} ORDER BY {order} LIMIT ? OFFSET ?"
            found = self.select(sql, (min(limit, LIMIT), max(0, offset)))
            return self.by_keys(table, [row["key"] for row in found])

    def by_keys(self, table: str, keys: Sequence[int]) -> list[dict[str, Any]]:
        marks = ", ".join("?" * len(keys))
        found = {row["key"]: row for row in self.select(f"SELECT * FROM {table} WHERE key IN ({marks})", keys)}
        return [found[key] for key in keys if key in found]

    def ids(self, table: str, where: Where) -> list[str]:
        """The samples of the rows, each once, in the order of the files."""
        sql = f"SELECT sample FROM {table} WHERE {where.sql} GROUP BY sample ORDER BY min(key)"
        return [row["sample"] for row in self.select(sql, where.parameters)]

    def _rows_of(self, table: str, where: Where) -> str:
        """A table with the keys of the rows that a filter finds: looked for once, while nothing changes."""
        if where.sql == "1":
            return table
        asked = (self.generation, table, where)
        if asked not in self._found:
            while len(self._found) >= FOUND_KEPT:
                oldest = next(iter(self._found))
                self._db.execute(f"DROP TABLE temp.{self._found.pop(oldest)}")
            numbers = {int(name.removeprefix("found_")) for name in self._found.values()}
            name = f"found_{next(n for n in range(FOUND_KEPT + 1) if n not in numbers)}"
            self._db.execute(f"CREATE TEMP TABLE {name} (key INTEGER PRIMARY KEY)")
            self._db.execute(f"INSERT INTO {name} SELECT key FROM {table} WHERE {where.sql}", where.parameters)
            self._db.commit()
            self._found[asked] = name
        return self._found[asked]

    def forget_found(self) -> None:
        """What was remembered of filters."""
        with self._asking:
            for name in self._found.values():
                self._db.execute(f"DROP TABLE temp.{name}")
            self._found.clear()

    def close(self) -> None:
        self._db.close()


def _connect(path: Path) -> sqlite3.Connection:
    """A cache: what a power loss takes is read again."""
    db = sqlite3.connect(path, timeout=60, check_same_thread=False)
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA mmap_size=4294967296;")
    return db
