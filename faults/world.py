"""The world around a command: several processes, a second writer, clocks that jump, no home, another encoding, closed
streams, few descriptors, a tiny disk; and a key that must be in no output of any command."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import reeltune.cli
from faults.cases import Case, Check, refused, try_cases, went_on
from faults.commands import ROOT, commands, small
from faults.crash import digests
from faults.table import Row
from faults.zygote import run, warm

CANARY = "sk-canary-51f0c2d9"
SHUT = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
"""A program without its three streams."""
WENT_ON = went_on()
YEAR = 365 * 86400.0


def world(scratch: Path, *, seconds: float, seed: int) -> list[Row]:
    """All of them: there is nothing to draw."""
    inputs = scratch / "inputs"
    rows = try_cases("world", _in_forks(scratch, inputs), scratch)
    return [*rows, *_in_programs(scratch, inputs), _canary(scratch)]


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
    for size in (0, 10_000, 300_000, 2_000_000):
        check = same(resumed, refused())
        yield Case(f"tiny disk: files of {size} bytes", train, check, lambda size=size: _small_files(size))
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


def _small_files(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    reader, writer = os.pipe()  # what is printed does not count as a file
    child = os.fork()
    if child == 0:
        os.close(writer)
        while part := os.read(reader, 65536):
            os.write(1, part)
        os._exit(0)
    for number in (1, 2):
        os.dup2(writer, number)
    os.close(reader)
    os.close(writer)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    def end_reader() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os.closerange(1, 3)
        os.waitpid(child, 0)

    _at_the_end(end_reader)


def _broken_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 2)


def _in_programs(scratch: Path, inputs: Path) -> list[Row]:
    """What an interpreter decides when it starts, so no fork shows it."""
    train = small(inputs, "sft")
    greek = ["run.dir=κόκκινο", "toyworld.train_videos=2", f"toyworld.dir={scratch / 'σκηνές'}"]
    environments: dict[str, tuple[dict[str, str], list[str]]] = {
        "no home: nowhere": ({"HOME": "/nowhere", "XDG_CACHE_HOME": "/nowhere/cache"}, []),
        "no home: read-only": ({"HOME": "/proc"}, []),
        "streams: all closed": ({}, []),
        "encoding: ASCII": ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, greek),
        "encoding: Latin-1": ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}, greek),
    }
    rows: dict[str, Row] = {}
    for what, (environment, more) in environments.items():
        folder = scratch / what.replace(" ", "-").replace(":", "")
        folder.mkdir()
        clean = {key: value for key, value in os.environ.items() if key not in ("HF_HOME", "LANG", "LD_PRELOAD")}
        done = subprocess.run(
            [*(SHUT if "closed" in what else []), sys.executable, "-m", "reeltune", *train, *more],
            cwd=folder,
            env=clean | {"PYTHONPATH": str(ROOT / "src")} | environment,
            capture_output=True,
            timeout=300,
            check=False,
        )
        row = rows.setdefault(what.split(":")[0], Row("world", what.split(":")[0]))
        text = done.stderr.decode(errors="replace")
        row.took(None if done.returncode == 0 and "Traceback" not in text else f"{what}:\n{text[-1500:]}")
    return list(rows.values())


class _Echo(BaseHTTPRequestHandler):
    """A server that repeats all that it was sent, the key among it, with an error."""

    def do_POST(self) -> None:
        sent = str(self.headers) + self.rfile.read(int(self.headers["Content-Length"])).decode()
        body = json.dumps({"error": {"message": sent}, "choices": [{"message": {"content": sent}}]}).encode()
        self.send_response(200 if self.server.asked % 2 else 401)  # type: ignore[attr-defined]
        self.server.asked += 1  # type: ignore[attr-defined]
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Sent", self.headers.get("Authorization", ""))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


def _canary(scratch: Path) -> Row:
    """Every command with a key in its environment, and one that a judge sends to a server that repeats it."""
    row = Row("world", "a key in all outputs")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    server.asked = 0  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["CANARY"] = CANARY
    place = scratch / "canary"
    place.mkdir()
    samples, predictions = place / "samples.jsonl", place / "predictions.jsonl"
    asked = [{"id": str(n), "task": "open_ended", "question": "Why?", "target": "It rains."} for n in range(4)]
    samples.write_text("".join(json.dumps(each) + "\n" for each in asked))
    predictions.write_text("".join(json.dumps({"id": each["id"], "text": "wet"}) + "\n" for each in asked))
    settings = {"base_url": f"http://127.0.0.1:{server.server_port}/v1", "model": "m", "api_key_env": "CANARY"}
    settings |= {"attempts": "2", "backoff_s": "0.01"}
    judge = [word for key, value in settings.items() for word in ("--judge-set", f"{key}={value}")]
    judged = ["score", str(samples), str(predictions), "--json", "out.json", "--judge", "openai", *judge]
    main = reeltune.cli.main
    known = [(each.name, each.main, each.words, each.processes) for each in commands(place / "inputs")]
    for number, (name, call, words, processes) in enumerate([("score, judged", main, judged, 1), *known]):
        folder = place / f"out-{number}"
        code = run(call, words, folder, folder.with_suffix(".txt"), processes=processes)
        holds = [path for path in place.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
        wrong = f"{name}: the key stands in {holds}" if holds else None
        row.took(wrong or (f"{name}: exit code {code}" if code not in (0, 2) else None))
    row.note = f"the server was asked {server.asked} times"  # type: ignore[attr-defined]
    if not server.asked:  # type: ignore[attr-defined]
        row.took("nobody asked the server: nothing was shown")
    server.shutdown()
    return row
