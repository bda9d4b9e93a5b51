"""A short part of the fault campaign: two minutes of faults/, at seeds that are always the same."""

from pathlib import Path

import pytest
from faults.media import media
from faults.table import BEGIN, END, Row, write_table


def test_damaged_videos_are_counted_and_healthy_ones_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faults.media.HEALTHY", 20)
    healthy, contained, *kinds, everything = media(tmp_path, seconds=20, seed=1)
    assert healthy.tried >= 15 and not healthy.wrong, healthy.wrong
    assert everything.tried >= 20 and contained.tried == everything.tried
    # One flipped bit is what codecs without redundancy cannot tell.
    silent = {row.what: len(row.wrong) for row in kinds if row.what not in ("one bit flipped", "30 bits flipped")}
    assert sum(silent.values()) <= 0.1 * everything.tried, silent


def test_the_table_replaces_the_one_before(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    row = Row("part", "what")
    row.took(None)
    row.took("broke")
    for _ in range(2):
        write_table(page, [row], command="python -m faults", date="2026-11-26")
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert text.count("| part | what | 2 | 1 | 1 |") == 1
