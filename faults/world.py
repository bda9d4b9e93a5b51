"""The world around a command: several processes, a second writer, clocks that jump, no home, another encoding, closed
streams, few descriptors, a full and a tiny disk; and a key that must be in no output of any command (canary.py)."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import reeltune.cli
from faults.canary import canary
from faults.cases import Case, Check, refused, try_cases, went_on
from faults.commands import ROOT, small
from faults.crash import digests
from faults.table import Row
from faults.zygote import run, warm

WENT_ON = went_on()
YEAR = 365 * 86400.0


def world(scratch: Path, *, seconds: float, seed: int) -> list[Row]:
    """All of them: there is nothing to draw."""
    inputs = scratch / "inputs"
    rows = try_cases("world", _in_forks(scratch, inputs), scratch)
    return [*rows, *_in_programs(scratch, inputs), canary(scratch)]


def _in_forks(scratch: Path, inputs: Path) -> Iterator[Case]:
    train = small(inputs, "grpo", steps=2)
    warm(reeltune.cli.main, train, scratch / "warm")
    whole = scratch / "whole"
    run(reeltune.cli.main, train, whole, scratch / "whole.txt")
    expected = digests(whole)

    def same(then: Callable[[Path], int] = lambda folder: 0, first: Check = WENT_ON) -> Check:
        """After `then`, the directory of a run that nothing happened to."""

        def check(code: int, text: str, folder: Path) -> str | None:
            wrong = first(code, text, folder)
            if wrong or then(folder):
                return wrong or "it does not go on"
            found = digests(folder)
            different = [name for name in sorted(expected | found) if expected.get(name) != found.get(name)]
            return f"differ: {different[:5]}" if different else None

        return check

    def resumed(folder: Path) -> int:
        words = [*train, "--resume"] if (folder / "out").exists() else train
        return run(reeltune.cli.main, words, folder, folder.with_suffix(".resumed"))

    def processes(count: int) -> Check:
        def check(code: int, text: str, folder: Path) -> str | None:
            wrong = went_on()(code, text, folder)
            found = wrong or json.loads((folder / "out" / "environment.json").read_text())["processes"]
            return wrong or (None if found == count else f"the run had {found} processes")

        return check

    for count in (2, 3):
        words = [*train, f"rl.groups_per_step={count}"]
        yield Case(f"processes: {count}", words, processes(count), processes=count)
    yield Case("processes: do not divide the groups", train, refused("multiple"), processes=3)
    yield Case("two writers: a second start", train, refused("is being written by another"), lambda: _second(train))
    yield Case(
        "two writers: --resume", [*train, "--resume"], refused("is being written by another"), lambda: _second(train)
    )
    for jump in (YEAR, -YEAR):
        yield Case(f"clock jumps: {jump / YEAR:+.0f} year", train, same(), lambda jump=jump: _jump(jump))
    for number in (8, 12, 16, 24, 32):
        check = same(resumed, lambda code, text, folder: None if "Traceback" not in text else "a traceback")
        yield Case(f"descriptors: at most {number}", train, check, lambda number=number: _few_files(number))
    yield Case("streams: nobody reads", train, same(), _broken_pipe)


def _second(train: list[str]) -> None:
    """Another process trains in the same folder from now on, until this one ends."""
    first = os.fork()
    if first == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        reeltune.cli.main([*train, "rl.steps=200"])
        os._exit(0)
    end = time.monotonic() + 60
    while not Path("out/lock").exists() and time.monotonic() < end:
        time.sleep(0.01)

    def end_first() -> None:
        os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)

    _at_the_end(end_first)


def _at_the_end(then: Callable[[], None]) -> None:
    """Call it after the command."""
    honest = reeltune.cli.main

    def main(words: list[str]) -> int:
        try:
            return honest(words)
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            then()

    reeltune.cli.main = main  # type: ignore[assignment]


def _jump(seconds: float) -> None:
    """The clock on the wall stands elsewhere at each look; the monotonic one does not."""
    honest, looks = time.time, [0]

    def now() -> float:
        looks[0] += 1
        return honest() + (seconds if looks[0] % 2 else 0.0)

    time.time = now


def _few_files(number: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))


def _broken_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 2)


def _in_programs(scratch: Path, inputs: Path) -> list[Row]:
    """What an interpreter decides when it starts, so no fork shows it; and limits that bind what is printed too."""
    train = small(inputs, "sft")
    greek = ["run.dir=κόκκινο", "toyworld.train_videos=2", f"toyworld.dir={scratch / 'σκηνές'}"]
    shut = 'exec "$@" <&- >&- 2>&-'
    tries: list[tuple[str, dict[str, str], str, list[str], Check]] = [
        ("no home: nowhere", {"HOME": "/nowhere", "XDG_CACHE_HOME": "/nowhere/cache"}, 'exec "$@"', [], WENT_ON),
        ("no home: read-only", {"HOME": "/proc"}, 'exec "$@"', [], WENT_ON),
        ("streams: all closed", {}, shut, [], WENT_ON),
        ("encoding: ASCII", {"LC_ALL": "C", "PYTHONUTF8": "0"}, 'exec "$@"', greek, refused("PYTHONUTF8")),
        ("encoding: ASCII, names within it", {"LC_ALL": "C", "PYTHONUTF8": "0"}, 'exec "$@"', [], WENT_ON),
        ("tiny disk: no file at all", {}, 'ulimit -f 0; exec "$@"', [], refused()),
        ("tiny disk: no file above 200 kB", {}, 'ulimit -f 200; exec "$@"', [], refused("make room")),
    ]
    rows: dict[str, Row] = {}
    clean = {key: value for key, value in os.environ.items() if key not in ("HF_HOME", "LANG", "LD_PRELOAD")}
    for number, (what, environment, shell, more, check) in enumerate(tries):
        folder = scratch / f"program-{number}"
        folder.mkdir()
        done = subprocess.run(
            ["bash", "-c", shell, "sh", sys.executable, "-m", "reeltune", *train, *more],
            cwd=folder,
            env=clean | {"PYTHONPATH": str(ROOT / "src")} | environment,
            capture_output=True,
            timeout=400,
            check=False,
        )
        text = done.stderr.decode(errors="replace")
        wrong = check(done.returncode, text, folder)
        row = rows.setdefault(what.split(":")[0], Row("world", what.split(":")[0]))
        row.took(f"{what}: {wrong}\n{text[-1200:]}" if wrong else None)
    return list(rows.values())
