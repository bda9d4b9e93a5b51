"""Run `reeltune` commands as processes of their own that need not import torch again.

A command takes about ten seconds to import torch and transformers and often less than one to do its work. Here a server
process has imported them once for every test process, and each command is a fork of it: its own process with its own
folder, environment, streams and exit code. A command of several processes is as many forks, told of each other in
torchrun's words. What a test says of *starting* (import times, signals in the first second, `torchrun`, the installed
script) still starts a real `python -m reeltune`.
"""

import atexit
import multiprocessing
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from multiprocessing import connection
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "reeltune.cli",
        "reeltune.training.train",
        "reeltune.commands.eval",
        "reeltune.evaluation.judging",
        "tests.imported",
    ]
)


class Command:
    """A command that has been started, in `ranks` processes. One rank that fails ends the others, as torchrun does."""

    def __init__(
        self,
        *words: object,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        ranks: int = 1,
        program: Path | None = None,
    ) -> None:
        """`program`: a Python file that is run in place of `python -m reeltune`."""
        self.args = [str(word) for word in words]
        environment = dict(env if env is not None else os.environ) | {"OMP_NUM_THREADS": "1"}
        self._folder = tempfile.TemporaryDirectory()
        self._streams = [Path(self._folder.name) / "stdout", Path(self._folder.name) / "stderr"]
        worlds: list[dict[str, str]] = [{}] if ranks == 1 else _worlds(ranks)
        self._processes: list[Any] = [
            CONTEXT.Process(
                target=_command, args=(self.args, str(cwd or Path.cwd()), environment | world, self._streams, program)
            )
            for world in worlds
        ]
        for process in self._processes:
            process.start()
            # Before multiprocessing waits for all of its children: what a failed test left behind ends with the tests.
            atexit.register(process.kill)

    def poll(self) -> int | None:
        codes = [process.exitcode for process in self._processes]
        return None if None in codes else next((code for code in codes if code), 0)

    def send_signal(self, number: int) -> None:
        for process in self._processes:
            if process.exitcode is None:
                os.kill(process.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float = 300) -> int:
        """The exit code: the first that is not 0. TimeoutExpired after `timeout` seconds, as subprocess.run has it."""
        deadline = time.monotonic() + timeout
        failed = 0
        while alive := [process for process in self._processes if process.exitcode is None]:
            failed = failed or next((each.exitcode for each in self._processes if each.exitcode), 0)
            if failed:
                self.kill()
            if not connection.wait([process.sentinel for process in alive], max(0.0, deadline - time.monotonic())):
                self.kill()
                raise subprocess.TimeoutExpired(self.args, timeout)
        for process in self._processes:
            process.join()
            atexit.unregister(process.kill)
        return failed or self.poll() or 0

    def finish(self, timeout: float = 300) -> "subprocess.CompletedProcess[str]":
        """Wait for its end, as `wait`, and take what it wrote."""
        code = self.wait(timeout)
        output, errors = (each.read_bytes().decode(errors="replace") if each.exists() else "" for each in self._streams)
        self._folder.cleanup()
        return subprocess.CompletedProcess(["reeltune", *self.args], code, output, errors)


def reeltune(
    *words: object,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 300,
    ranks: int = 1,
    program: Path | None = None,
) -> "subprocess.CompletedProcess[str]":
    """`python -m reeltune WORDS` to its end; TimeoutExpired after `timeout` seconds, as subprocess.run has it."""
    return Command(*words, cwd=cwd, env=env, ranks=ranks, program=program).finish(timeout)


def _worlds(ranks: int) -> list[dict[str, str]]:
    """What torchrun tells each of the processes."""
    common = {"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks)}
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    return [common | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(ranks)]


def _free_port() -> int:
    """Below those that the kernel gives to connections: nothing else may take it before the first rank listens."""
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(20000, 32000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _command(
    arguments: Sequence[str], cwd: str, environment: Mapping[str, str], streams: Sequence[Path], program: Path | None
) -> None:
    """In the fork: become the command."""
    assert {"transformers", "tests.imported"} <= sys.modules.keys(), (
        "nothing was imported beforehand: tests.warm saves no time"
    )
    os.setsid()
    for number, stream in enumerate(streams, start=1):
        os.dup2(os.open(stream, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = [str(program or "reeltune"), *arguments]
    code: object = 0
    try:
        if program:
            sys.path.insert(0, str(program.parent))  # as Python does
            runpy.run_path(str(program), run_name="__main__")
        else:
            from reeltune.cli import main

            code = main()
    finally:
        # multiprocessing leaves with os._exit, which skips what the command registered for its end.
        atexit._run_exitfuncs()
    raise SystemExit(code)
