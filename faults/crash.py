"""Crash points: before the k-th file operation of a command the process is killed, or the operation fails; then the
command is given again, killed once more or not, and the whole directory is compared with that of a run never stopped.
"""

import hashlib
import json
import os
import random
import re
import shutil
import time
from pathlib import Path

from faults.commands import Command, commands
from faults.seeds import seeds
from faults.table import Row
from faults.zygote import FAULTS, Fault, run, warm, with_shim

TIMES = ("timings.jsonl", "report.html", "judge.json", "environment.json", "lock")
"""What holds clock times, or counts starts; and the file of the lock, which a kill leaves."""
SECONDS = re.compile(rb'"seconds": [0-9.]+')
RADAR_TIMES = ("report.json", "item.json", "changes.gpkg", "changes.geojson")
AGAIN = 0.3
"""Share of the tries in which the command that goes on is killed too."""


def crash(scratch: Path, *, seconds: float, seed: int, only: str = "") -> list[Row]:
    """Rows per command and fault. `only`: commands whose names begin with one of these, parted by semicolons."""
    if not with_shim():
        return [Row("crash points", "not tried", note="no C compiler (cc) to build faults/shim.c with")]
    places = []
    for each in commands(scratch / "inputs"):
        if each.name.startswith(tuple(only.split(";"))):
            places.append(_Place(each, scratch / re.sub(r"\W+", "-", each.name)))
    able = [place for place in places if place.operations]
    end, rng = time.monotonic() + seconds, random.Random(seed)
    # As much time for each, not as many tries: some take a hundred times as long as others.
    while able and (time.monotonic() < end or not all(place.tries for place in able)):
        min(able, key=lambda place: place.spent).attempt(rng)
    return [row for place in places for row in place.rows.values() if row.tried]


class _Place:
    """One command, the folder of a run without faults, and a folder to try in."""

    def __init__(self, command: Command, folder: Path) -> None:
        self.command, self.folder = command, folder
        self.rows = {kind: Row("crash points", f"{command.name}: {kind}") for kind in FAULTS}
        self.operations: list[str] = []
        self.tries, self.spent = 0, 0.0
        folder.mkdir(parents=True)
        if command.forks and command.processes == 1:
            warm(command.main, command.words, folder / "warm")
        else:  # what several processes, or GDAL's threads, do would stay with us; this makes the inputs
            run(command.main, command.words, folder / "warm", folder / "warm.txt", processes=command.processes)
        log = folder / "operations"
        said = folder / "whole.txt"
        code = run(
            command.main, command.words, folder / "whole", said, fault=Fault(log=log), processes=command.processes
        )
        if code:
            self.rows["kill"].took(f"the run without a fault ended with {code}:\n{said.read_text()[-2000:]}")
            return
        self.operations = log.read_text().splitlines()
        self.whole = digests(folder / "whole")
        known = [each for each in seeds("crash") if each["command"] == command.name]
        self.known = [(each["fault"], at) for each in known if (at := self._find(each["operation"]))]
        for row in self.rows.values():
            row.note = f"{len(self.operations)} file operations"

    def attempt(self, rng: random.Random) -> None:
        number, begun = self.tries, time.monotonic()
        kind = list(FAULTS)[number % len(FAULTS)]
        at, again = rng.randint(1, len(self.operations)), rng.random() < AGAIN
        if number < len(self.known):
            kind, at = self.known[number]
        work, said = self.folder / "work", self.folder / "work.txt"
        shutil.rmtree(work, ignore_errors=True)
        said.unlink(missing_ok=True)
        codes = [self._run(work, said, Fault(at, kind), self.command.words)]
        if again and codes[-1]:
            second = Fault(rng.randint(1, max(len(self.operations) // 2, 1)))
            codes.append(self._run(work, said, second, self.command.again(work)))
        if codes[-1]:
            codes.append(self._run(work, said, Fault(), self.command.again(work)))
        self.rows[kind].took(self._judge(codes, kind, at, digests(work), said.read_text(errors="replace")))
        self.tries, self.spent = number + 1, self.spent + time.monotonic() - begun

    def _run(self, work: Path, said: Path, fault: Fault, words: list[str]) -> int:
        return run(self.command.main, words, work, said, fault=fault, processes=self.command.processes)

    def _judge(self, codes: list[int], kind: str, at: int, found: dict[str, str], text: str) -> str | None:
        """What went wrong, in words: the end, the directory, a traceback, or an end that no message goes with."""
        names = sorted(self.whole.keys() | found.keys())
        different = [name for name in names if self.whole.get(name) != found.get(name)]
        refused = codes[0] in (0, 2) if kind != "kill" else codes[0] in (0, -9)
        # Of several processes, one whose peer was killed may say so as it likes.
        raw = "Traceback" in text and self.command.processes == 1
        if codes[-1] == 0 and not different and not raw and refused:
            return None
        where = json.dumps({"command": self.command.name, "fault": kind, "operation": self.operations[at - 1]})
        return f"{where} (operation {at}); exit codes {codes}; differ: {different[:5]}\n{text[-1500:]}"

    def _find(self, operation: str) -> int:
        """The number of an operation that was written down earlier; 0: it is no more."""
        pattern = _stable(operation)
        return next((n for n, each in enumerate(self.operations, 1) if _stable(each) == pattern), 0)


def _stable(operation: str) -> str:
    """Without names that are drawn by chance."""
    return re.sub(r"\.tmp\w+|unfinished-\w+|tmp\w{8}", "TEMPORARY", operation)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(_content(path)).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in TIMES
    }


def _content(path: Path) -> bytes:
    """Of records of LANTNet, and of the demo's results: without their times. Of the moments of a sharded run: with the
    names in their header in order, which safetensors writes in another one each time."""
    if path.name in RADAR_TIMES:
        return os.fsencode(path.name)
    data = path.read_bytes()
    if path.name == "results.json":
        return SECONDS.sub(b"", data)
    if path.parent.name == "optimizer" and path.suffix == ".safetensors":
        end = 8 + int.from_bytes(data[:8], "little")
        return json.dumps(json.loads(data[8:end]), sort_keys=True).encode() + data[end:]
    if path.name == "manifest.json" and (path.parent / "optimizer").is_dir():
        manifest = json.loads(data)
        manifest["files"] = {name: each for name, each in manifest["files"].items() if "optimizer/" not in name}
        return json.dumps(manifest, sort_keys=True).encode()
    return data
