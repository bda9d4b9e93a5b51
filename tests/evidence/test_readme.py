"""README's table of claims says what docs/evidence.md says."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_differences_and_verdicts_of_readme_are_those_of_the_evidence_page() -> None:
    page = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    known = set()
    for line in page.splitlines():
        if found := re.match(r"\| .* \| at least (\S+) \| (\S+) \| .* \| (.*?) \|$", line):
            known.add((float(found[1]), float(found[2]), found[3].startswith("**MISS**")))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("| claim on a small scale")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[2:5]] for line in table.splitlines()[2:]]
    told = [
        (float(goal), float(measured), verdict == "**MISS**")
        for goal, several, verdict in rows
        if goal
        for measured in several.split(";")
    ]
    assert len(told) == 18 and len(known) >= 12
    assert set(told) <= known
