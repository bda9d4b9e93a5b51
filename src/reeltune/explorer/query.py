"""The one language of filters, in the search field and in addresses: words, and fields with a comparison.

red circle                  both words stand in the text, the question or the id
"red circle" -blue          this phrase, and not that word
reward<0.5 truncated=1      a number compared; true and false are 1 and 0
task=numeric|multiple       one of several; `=` is equal, `:` contains
step:40..60 iou=none        a range, both ends with it; without a value
tag:hard                    what was noted of the sample
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reeltune.errors import InputError, nearest

OPERATORS = ("<=", ">=", "!=", "<", ">", "=", ":")
TERM = re.compile(
    r'(?P<negated>-?)(?:(?P<field>[A-Za-z_][\w@./]*)(?P<op><=|>=|!=|<|>|=|:))?(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>\S+))'
)
LONGEST = 2000
RANGE = re.compile(r"(-?[\d.]+(?:e-?\d+)?)\.\.(-?[\d.]+(?:e-?\d+)?)")


@dataclass(frozen=True)
class Term:
    """A word (`field` "") or a comparison."""

    value: str
    field: str = ""
    op: str = ":"
    negated: bool = False


@dataclass(frozen=True)
class Where:
    """A condition in SQL and its parameters, in order."""

    sql: str
    parameters: tuple[object, ...] = ()


def parse(query: str) -> list[Term]:
    """InputError for a query that is too long; everything else says something."""
    if len(query) > LONGEST:
        raise InputError(f"a filter can have at most {LONGEST} characters; this one has {len(query)}")
    terms = []
    for match in TERM.finditer(query):
        quoted, bare = match["quoted"], match["bare"]
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
        terms.append(Term(value, match["field"] or "", match["op"] or ":", bool(match["negated"])))
    return terms


def condition(
    terms: Sequence[Term], columns: Mapping[str, str], words: str, tagged: Mapping[str, Sequence[str]]
) -> Where:
    """What `terms` ask of a table. `columns`: field -> "REAL" or "TEXT"; `words`: SQL that holds where a text of the
    row is LIKE its one kind of parameter, `?`; `tagged`: tag -> ids of the samples that have it.

    InputError for an unknown field and for a comparison that its field does not know.
    """
    parts: list[str] = []
    parameters: list[object] = []
    for term in terms:
        if not term.field:
            found = Where(words, (_like(term.value),) * words.count("?"))
        elif term.field in ("tag", "tags"):
            ids = [name for tag, names in tagged.items() if term.value in tag for name in names]
            found = Where(f"sample IN ({', '.join('?' * len(ids))})", tuple(ids))
        else:
            found = _comparison(term, columns)
        parts.append(f"NOT coalesce(({found.sql}), 0)" if term.negated else f"({found.sql})")
        parameters += found.parameters
    return Where(" AND ".join(parts) or "1", tuple(parameters))


def column(name: str, columns: Mapping[str, str]) -> str:
    """A field as SQL. InputError names the nearest known one."""
    if name not in columns:
        raise InputError(
            f"there is no field {name!r}{nearest(name, columns)}; the fields are {', '.join(columns)}. "
            f'To search for text, put it in quotes: "{name}"'
        )
    return '"' + name + '"'


def _comparison(term: Term, columns: Mapping[str, str]) -> Where:
    name = column(term.field, columns)
    if term.value == "none" and term.op in (":", "=", "!="):
        return Where(f"{name} IS {'NOT ' if term.op == '!=' else ''}NULL")
    if columns[term.field] == "TEXT":
        return _of_text(name, term)
    if (ends := RANGE.fullmatch(term.value)) and term.op in (":", "="):
        return Where(f"{name} BETWEEN ? AND ?", (_number(ends[1], term), _number(ends[2], term)))
    if term.op == ":":
        term = Term(term.value, term.field, "=", term.negated)
    values = [_number(value, term) for value in term.value.split("|")]
    if term.op == "!=":
        return Where(" AND ".join([f"{name} IS NOT ?"] * len(values)), tuple(values))
    return Where(" OR ".join([f"{name} {term.op} ?"] * len(values)), tuple(values))


def _of_text(name: str, term: Term) -> Where:
    values = term.value.split("|")
    if term.op == ":":
        return Where(" OR ".join([f"{name} LIKE ? ESCAPE '\\'"] * len(values)), tuple(map(_like, values)))
    if term.op == "=":
        return Where(f"{name} IN ({', '.join('?' * len(values))})", tuple(values))
    if term.op == "!=":
        return Where(f"{name} IS NULL OR {name} NOT IN ({', '.join('?' * len(values))})", tuple(values))
    raise InputError(f"{term.field} is text, which supports = != and :, not {term.op}")


def _number(value: str, term: Term) -> float:
    named = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
    try:
        return named[value] if value in named else float(value)
    except ValueError:
        raise InputError(f"{term.field}{term.op}{term.value}: {term.field} is a number; got {value!r}") from None


def _like(word: str) -> str:
    return "%" + re.sub(r"([\\%_])", r"\\\1", word) + "%"
