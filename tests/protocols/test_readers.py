"""Every reader of a protocol gives what the peer's own function gave, on each recorded text (recorded/README.md)."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reeltune.protocols import READERS, aggregates, letters, numbers, times

RECORDED = Path(__file__).parent / "recorded"


def rows(name: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (RECORDED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(found) >= 300 and len({row["text"] for row in found}) >= 300
    return found


@pytest.mark.parametrize("name", ["lmms-mvbench", "lmms-first-word", "vlmevalkit-mvbench"])
def test_credited_letters(name: str) -> None:
    reader = READERS.get(name)
    for row in rows(name):
        credited = "".join(x for x in "ABCDEF" if reader(row["text"], SimpleNamespace(target=x)))
        assert credited == row["expected"], row["text"]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("lmms-letter", lambda text: letters.lmms_letter(text, "ABCD")),
        ("lmms-video-mme-v2", lambda text: letters.first_capital(text, "A-H", letters._V2_LEADS)),
        ("vlmevalkit-video-mme", lambda text: letters.first_capital(text, "A-D", letters._VLMEVALKIT_LEADS)),
    ],
)
def test_extracted_letters(name: str, read: Callable[[str], str]) -> None:
    for row in rows(name):
        assert read(row["text"]) == row["expected"], row["text"]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("lmms-charades", times.lmms_charades),
        ("lmms-timelens", times.lmms_timelens),
        ("temporal-r1", times.temporal_r1),
        ("temporal-r1-direct", times.temporal_r1_direct),
        ("videochat-r1", times.videochat_r1),
    ],
)
def test_extracted_spans(name: str, read: Callable[[str], Any]) -> None:
    reader = READERS.get(name)
    for row in rows(name):
        assert read(row["text"]) == (None if row["pair"] is None else tuple(row["pair"])), row["text"]
        assert reader(row["text"], SimpleNamespace(target=[row["truth"]])) == pytest.approx(row["expected"], abs=1e-12)


def test_numbers_and_their_relative_accuracy() -> None:
    for row in rows("lmms-vsibench"):
        assert numbers.lmms_number(row["text"]) == row["number"], row["text"]
        credit = numbers.lmms_vsibench(row["text"], SimpleNamespace(target=float(row["target"])))
        assert credit == pytest.approx(row["expected"], abs=1e-12), row


def test_group_scores_of_video_mme_v2() -> None:
    for line in (RECORDED / "video-mme-v2-groups.jsonl").read_text().splitlines():
        row = json.loads(line)
        found = aggregates.group_score(
            [bool(x) for x in row["right"]], row["kind"], {"group_structure": row["structure"]}
        )
        assert found == pytest.approx(row["expected"]), row


def test_the_whole_of_video_mme_v2() -> None:
    value = json.loads((RECORDED / "video-mme-v2-whole.json").read_text())
    named = {"group": "video_id", "group_type": "group_type", "group_structure": "group_structure"}
    asked = [
        SimpleNamespace(id=each["question_id"], meta={name: each[key] for name, key in named.items()})
        for each in value["questions"]
    ]
    assert len(asked) >= 300
    credits = [float(each["score"]) for each in value["questions"]]
    found = aggregates.video_mme_v2(asked[::-1], [""] * len(asked), credits[::-1])
    expected = value["expected"]
    assert found["score"] == pytest.approx(expected["overall_score"])
    assert found["accuracy"] == pytest.approx(expected["overall_acc"])
    assert found["type.logic"] == pytest.approx(expected["logic_score"])
    assert found["type.relevance"] == pytest.approx(expected["relevance_score"])
