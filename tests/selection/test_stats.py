"""The line of a sample: what is computed, what is refused."""

import json
from pathlib import Path
from statistics import stdev
from typing import Any

import pytest

from reeltune.errors import InputError
from reeltune.selection.stats import StatsFile, make_stats, read_stats, score
from reeltune.video.quarantine import Quarantine

REST: dict[str, Any] = {
    "id": "a", "index": 0, "task": "t", "source": None, "unparsed": 1, "truncated": 0, "lengths": [1, 2, 3, 4],
    "prompt": "p", "model": "m", "sampling": "s", "sample": {"id": "a", "video": "a.mp4"},
}  # fmt: skip


def test_the_score_is_the_content_alone() -> None:
    weights = {"format": 1.0, "accuracy": 1.0, "iou": 3.0, "length": 0.5, "repetition": -1.0}
    components = {"format": 0.0, "accuracy": 1.0, "iou": 0.5, "length": 0.0, "repetition": 1.0, "unweighed": 0.0}
    assert score(components, weights) == pytest.approx((1.0 + 3 * 0.5) / 4)
    assert score(components | {"iou": None}, weights) == 1.0
    assert score({"format": 1.0}, weights) is None


def test_what_k_answers_say() -> None:
    components = {"format": [1.0, 0.0, 1.0, 1.0], "iou": [0.25, 0.5, None, 1.0]}
    found = make_stats([1.25, 0.5, None, 2.0], components, {"format": 1.0, "iou": 1.0}, ["p", "q", "r", "s"], **REST)
    assert found.scores == [0.25, 0.5, None, 1.0]
    assert found.mean == pytest.approx(1.75 / 3)
    assert found.std == pytest.approx(stdev([0.25, 0.5, 1.0]))
    assert (found.passes, found.max, found.best, found.worst) == (1, 1.0, "s", "r")


def test_reading_gives_back_what_was_written(row: Any, tmp_path: Path) -> None:
    rows = [row("a", [0.0, 0.3, None]), row("b", [1.0, 1.0, 0.1], source="two")]
    path = tmp_path / "stats.jsonl"
    path.write_text("".join(json.dumps(each.model_dump()) + "\n" for each in rows))
    assert read_stats(path) == rows


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lengths": [1]}, "line 2: not the statistics of a sample: .*lengths has 1 values for 3 rewards"),
        ({"rewards": None}, "line 2: not the statistics of a sample: rewards"),
        ({"extra": 1}, "line 2: not the statistics of a sample: extra"),
        ({"id": "a"}, "line 2, id 'a': already in line 1"),
    ],
)
def test_broken_statistics_are_refused(row: Any, tmp_path: Path, change: dict[str, Any], words: str) -> None:
    rows = [row("a", [0.0, 0.3, 0.5]).model_dump(), row("b", [1.0, 1.0, 0.1]).model_dump() | change]
    path = tmp_path / "stats.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    with pytest.raises(InputError, match=words):
        read_stats(path)


@pytest.mark.parametrize("cut", range(0, 1400, 97))
def test_a_file_cut_anywhere_goes_on_from_its_last_whole_batch(row: Any, tmp_path: Path, cut: int) -> None:
    ids = [f"s{number}" for number in range(12)]
    quarantine = Quarantine(tmp_path / "quarantine.jsonl", 0.5)
    quarantine.add("s4", "s4.mp4", "broken")
    file = StatsFile(tmp_path / "stats.jsonl", quarantine)
    rows = {number: row(name, [0.0, 1.0], index=number) for number, name in enumerate(ids) if name != "s4"}

    def fill(batches: list[range]) -> None:
        for batch in batches:
            file.append([rows[number] for number in batch if number in rows])

    assert file.missing(ids, 2, 11, 4) == [range(2, 6), range(6, 10), range(10, 11)]
    fill(file.missing(ids, 2, 11, 4))
    whole = file.path.read_bytes()
    file.path.write_bytes(whole[: len(whole) * cut // 1400])
    fill(file.missing(ids, 2, 11, 4))
    assert file.path.read_bytes() == whole
    assert file.missing(ids, 2, 11, 4) == []
