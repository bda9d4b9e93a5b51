"""docs/models.md has a row for every family, made by scripts/models_table.py."""

from pathlib import Path

from reeltune.models.families import FAMILIES

PAGE = Path(__file__).parents[3] / "docs" / "models.md"


def test_every_family_has_its_row() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and line.count("|") == 9]
    assert [line.split("`")[1] for line in rows if "`" in line] == [name for name in FAMILIES if ":" not in name]
    assert all("| equal |" in line for line in rows if "`" in line)
