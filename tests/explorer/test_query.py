"""The language of filters: what it finds, what it refuses, and that no text breaks out of it."""

import contextlib
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.errors import InputError
from reeltune.explorer.query import LONGEST, Term, condition, parse

COLUMNS = {"sample": "TEXT", "task": "TEXT", "reward": "REAL", "r@0.5": "REAL", "truncated": "REAL"}
ROWS = [
    ("red circle", "numeric", 0.2, 1.0, 0.0, "the red circle moves"),
    ("blue 50%", "choice", 0.5, None, 1.0, 'says "hello" there'),
    ("c", "choice", None, 0.0, 0.0, "red\\square"),
    ("it's", None, 1.5, 1.0, 1.0, "круг"),
]
WORDS = "sample LIKE ? ESCAPE '\\' OR text LIKE ? ESCAPE '\\'"


def found(query: str, tagged: dict[str, list[str]] | None = None) -> list[str]:
    db = sqlite3.connect(":memory:")
    db.execute('CREATE TABLE t (sample TEXT, task TEXT, reward REAL, "r@0.5" REAL, truncated REAL, text TEXT)')
    db.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", ROWS)
    where = condition(parse(query), COLUMNS, WORDS, tagged or {})
    return [row[0] for row in db.execute(f"SELECT sample FROM t WHERE {where.sql}", where.parameters)]


@pytest.mark.parametrize(
    ("query", "samples"),
    [
        ("", ["red circle", "blue 50%", "c", "it's"]),
        ("RED circle", ["red circle"]),
        ('"circle moves"', ["red circle"]),
        ("-red", ["blue 50%", "it's"]),
        ('"says \\"hello\\""', ["blue 50%"]),
        ("50%", ["blue 50%"]),
        ("%", ["blue 50%"]),
        ("red\\", ["c"]),
        ("reward<0.5", ["red circle"]),
        ("reward>=0.5 truncated=1", ["blue 50%", "it's"]),
        ("reward:0.2..0.5", ["red circle", "blue 50%"]),
        ("reward=none", ["c"]),
        ("reward!=none truncated:no", ["red circle"]),
        ("reward=0.2|1.5", ["red circle", "it's"]),
        ("task=numeric|choice", ["red circle", "blue 50%", "c"]),
        ("task:cho", ["blue 50%", "c"]),
        ("task!=choice", ["red circle", "it's"]),
        ("-task=choice", ["red circle", "it's"]),
        ("r@0.5=1", ["red circle", "it's"]),
        ("tag:hard", ["c"]),
        ("-tag:hard reward>0", ["red circle", "blue 50%", "it's"]),
        ("круг", ["it's"]),
    ],
)
def test_finds(query: str, samples: list[str]) -> None:
    assert found(query, {"hard": ["c"], "easy": ["it's"]}) == samples


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("rewrd<1", "did you mean 'reward'"),
        ("reward<much", "is a number"),
        ("task<numeric", "is text"),
        ("x" * (LONGEST + 1), "at most"),
    ],
)
def test_refuses_in_words(query: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        found(query)


def test_a_field_in_quotes_is_text() -> None:
    assert parse('"reward<1"') == [Term("reward<1")]
    assert found('"reward<1"') == []


@given(st.text(max_size=60))
def test_no_text_breaks_out(query: str) -> None:
    """Whatever is typed: rows, or a message; never an error of the data base."""
    with contextlib.suppress(InputError):
        assert set(found(query)) <= {row[0] for row in ROWS}


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters='\\"\x00'), min_size=1, max_size=30))
def test_a_quoted_text_finds_the_row_that_holds_it(text: str) -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t (text TEXT)")
    db.execute("INSERT INTO t VALUES (?)", (f"a {text} b",))
    where = condition(parse(f'"{text}"'), {}, "text LIKE ? ESCAPE '\\'", {})
    assert db.execute(f"SELECT count(*) FROM t WHERE {where.sql}", where.parameters).fetchone() == (1,)


def test_docs_name_every_operator() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explorer.md").read_text()
    for example in ("reward<0.5", "task=", "step:40..60", "tag:", "iou=none", '"red circle"'):
        assert example in page
