"""Rows of the campaign's table, and the page they are written into."""

from dataclasses import dataclass, field
from pathlib import Path

from reeltune.files import write_text

BEGIN, END = "<!-- campaign: {} -->", "<!-- end of campaign: {} -->"


@dataclass
class Row:
    """`wrong`: what went wrong, in words, with the seed to try it again."""

    part: str
    what: str
    tried: int = 0
    survived: int = 0
    wrong: list[str] = field(default_factory=list)
    note: str = ""

    def took(self, fault: str | None) -> None:
        """One more try; `fault` says what went wrong."""
        self.tried += 1
        if fault is None:
            self.survived += 1
        else:
            self.wrong.append(fault)
            print(f"WRONG {self.part}, {self.what}: {fault}", flush=True)


def write_table(page: Path, part: str, rows: list[Row], *, command: str, date: str) -> None:
    """Put a part's table between its marks on the page; those of other parts stay."""
    lines = ["| part | what | tried | survived | wrong | |", "|---|---|---|---|---|---|"]
    lines += [f"| {r.part} | {r.what} | {r.tried} | {r.survived} | {len(r.wrong)} | {r.note} |" for r in rows]
    text = page.read_text(encoding="utf-8")
    begin, end = BEGIN.format(part), END.format(part)
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    head = f"Written by `{command}` on {date}:"
    write_text(page, f"{before}{begin}\n{head}\n\n" + "\n".join(lines) + f"\n{end}{after}")
