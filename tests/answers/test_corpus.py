"""The corpus: what our readers make of it, by the command that prints it, against the goals."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tests" / "answers" / "corpus").glob("*.jsonl"))
COMMAND = ROOT / "scripts" / "answer_corpus.py"
sys.path.insert(0, str(COMMAND.parent))

import answer_corpus  # noqa: E402

ROWS = list(answer_corpus.rows(FILES))


def test_the_corpus_is_large_enough_and_has_no_text_twice() -> None:
    assert len(ROWS) >= 600
    assert {row["kind"] for row in ROWS} == {"letter", "option", "label", "number", "span", "box"}
    keys = [json.dumps({name: value for name, value in row.items() if name != "answer"}) for row in ROWS]
    assert len(set(keys)) == len(keys)
    for kind in ("letter", "label", "number", "span", "box"):
        unanswered = sum(row["answer"] is None for row in ROWS if row["kind"] == kind)
        assert unanswered >= 10, f"{kind}: too few texts without an answer to tell false credit"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_readers_agree_with_the_careful_reader(file: Path) -> None:
    found = [answer_corpus.outcome(row) for row in answer_corpus.rows([file])]
    assert found.count("agreement") / len(found) >= 0.97
    assert found.count("false credit") == 0


def test_the_outcomes() -> None:
    row = {"kind": "letter", "text": "B", "options": ["x", "y"]}
    assert answer_corpus.outcome(row | {"answer": "B"}) == "agreement"
    assert (
        answer_corpus.outcome(row | {"answer": "A"}) == answer_corpus.outcome(row | {"answer": None}) == "false credit"
    )
    assert answer_corpus.outcome(row | {"answer": "A", "text": "no idea"}) == "missed"


def test_the_command_prints_every_kind() -> None:
    found = subprocess.run([sys.executable, COMMAND, FILES[0]], capture_output=True, text=True, check=True, timeout=120)
    for word in ("agreement", "false credit", "missed", "letter", "span", "all"):
        assert word in found.stdout
