"""Numbers for the charts over a table: how a field is distributed under a filter, and its most frequent values."""

from collections.abc import Mapping
from typing import Any

from reeltune.errors import InputError
from reeltune.explorer.index import TABLES
from reeltune.explorer.opened import Opened
from reeltune.explorer.query import Where, column, parse

BINS = 40
MOST_VALUES = 50


def asked_where(opened: Opened, asked: Mapping[str, str]) -> tuple[str, Where, str, dict[str, str]]:
    """(table, condition, field as SQL, fields) of an address."""
    table = asked.get("table", "groups")
    if table not in TABLES:
        raise InputError(f"table={table!r}: the tables are {', '.join(TABLES)}")
    where = opened.index.where(table, parse(asked.get("q", "")), opened.notes.tagged())
    columns = opened.index.columns(table)
    return table, where, column(asked.get("field", ""), columns), columns


def histogram(opened: Opened, asked: Mapping[str, str]) -> dict[str, Any]:
    """{"low", "high", "counts" [BINS]} of a number under the filter `q`; no counts where no row has it."""
    table, where, field, columns = asked_where(opened, asked)
    if columns[asked["field"]] != "REAL":
        raise InputError(f"{asked['field']} is text; only numbers have a distribution")
    condition = f"({where.sql}) AND {field} IS NOT NULL"
    [ends] = opened.index.select(
        f"SELECT min({field}) AS low, max({field}) AS high, count(*) AS n FROM {table} WHERE {condition}",
        where.parameters,
    )
    low, high = ends["low"], ends["high"]
    if low is None:
        return {"low": 0, "high": 0, "counts": [], "n": 0}
    width = (high - low) / BINS or 1.0
    rows = opened.index.select(
        f"SELECT min(CAST(({field} - ?) / ? AS INTEGER), {BINS - 1}) AS bin, count(*) AS n FROM {table} "
        f"WHERE {condition} GROUP BY bin",
        (low, width, *where.parameters),
    )
    counts = [0] * BINS
    for row in rows:
        counts[int(row["bin"])] = row["n"]
    return {"low": low, "high": high, "counts": counts, "n": ends["n"]}


def values(opened: Opened, asked: Mapping[str, str]) -> list[dict[str, Any]]:
    """[{"value", "n"}]: the most frequent values of a field under the filter."""
    table, where, field, _ = asked_where(opened, asked)
    sql = f"SELECT {field} AS value, count(*) AS n FROM {table} WHERE {where.sql} GROUP BY 1 ORDER BY n DESC LIMIT ?"
    return opened.index.select(sql, (*where.parameters, MOST_VALUES))
