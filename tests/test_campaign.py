"""A short part of the fault campaign: a minute of faults/, at seeds that are always the same."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from faults.claims import CLAIMS
from faults.commands import ROOT
from faults.media import media
from faults.readers import readers
from faults.table import BEGIN, END, Row, write_table


def test_damaged_videos_are_counted_and_healthy_ones_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faults.media.HEALTHY", 20)
    healthy, contained, *kinds, everything, digest = media(tmp_path, seconds=15, seed=1)
    assert healthy.tried >= 15 and not healthy.wrong, healthy.wrong
    assert everything.tried >= 20 and contained.tried == everything.tried
    assert digest.tried == len(everything.wrong) and not digest.wrong
    # One flipped bit is what codecs without redundancy cannot tell.
    silent = {row.what: len(row.wrong) for row in kinds if row.what not in ("one bit flipped", "30 bits flipped")}
    assert sum(silent.values()) <= 0.1 * everything.tried, silent


def test_the_table_replaces_the_one_before(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    begin, end = BEGIN.format("part"), END.format("part")
    other = f"{BEGIN.format('other')}\nanother\n{END.format('other')}\n"
    page.write_text(f"before\n{begin}\nold\n{end}\n{other}after\n")
    row = Row("part", "what")
    row.took(None)
    row.took("broke")
    for _ in range(2):
        write_table(page, "part", [row], command="python -m faults", date="2026-11-26")
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text and other in text
    assert text.count("| part | what | 2 | 1 | 1 |") == 1


CARELESS = """
import random, sys, tempfile
from pathlib import Path

from faults.commands import Command
from faults.crash import _Place
from faults.zygote import with_shim

assert with_shim()

def main(words):
    out = Path("out")
    out.mkdir(exist_ok=True)
    (out / "a").write_text("0123456789")
    try:
        with (out / "b").open("ab") as file:  # a second start writes it twice
            file.write(b"0123456789")
    except OSError:
        pass  # and says nothing
    return 0

place = _Place(Command("careless", [], main), Path(tempfile.mkdtemp()) / "place")
rng = random.Random(0)
for _ in range(60):
    place.attempt(rng)
print([len(row.wrong) for row in place.rows.values()], place.operations)
"""


def python(*words: str) -> "subprocess.CompletedProcess[str]":
    root = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=300, env=environment, cwd=root, check=False
    )


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to build the faults' shim with")
def test_crash_points_of_a_command(tmp_path: Path) -> None:
    done = python("-m", "faults", "crash", "--only", "data import", "--minutes", "0.05", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    for kind in ("kill", "disk full", "I/O error", "read-only"):
        [line] = [line for line in done.stdout.splitlines() if f"data import: {kind}" in line]
        assert int(line.split(kind)[1].split()[0]) > 0 and "10 file operations" in line, line


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to build the faults' shim with")
def test_the_crash_points_find_what_a_careless_command_does(tmp_path: Path) -> None:
    """Killed in the middle it leaves half a file or a line twice; a full disk it does not tell."""
    script = tmp_path / "careless.py"
    script.write_text(CARELESS)
    library = tmp_path / "shim.so"
    source = Path(__file__).parents[1] / "faults" / "shim.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "LD_PRELOAD": str(library)}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=120, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert all(int(count) > 0 for count in last[1 : last.index("]")].split(", ")), done.stdout
    assert "write /out/b" in last


def test_readers_take_whatever_is_grown(tmp_path: Path) -> None:
    rows = readers(tmp_path, seconds=2, seed=1)
    assert len(rows) == 12 and all(row.tried and not row.wrong for row in rows)


def test_the_patches_of_the_claims_fit() -> None:
    """Whether their tests fail then is the campaign's to try."""
    assert len(CLAIMS) >= 12
    for claim in CLAIMS:
        file = ROOT / "src" / "reeltune" / claim.file
        assert file.read_text(encoding="utf-8").count(claim.old) == 1, claim.says
        assert claim.old != claim.new and all((ROOT / test).exists() for test in claim.test.split()), claim.says
