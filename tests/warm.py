"""Run `reeltune` commands as processes of their own that need not import torch again.

A command takes about ten seconds to import torch and transformers and often less than one to do its work. Here a server
process has imported them once for every test process, and each command is a fork of it: its own process with its own
folder, environment, streams and exit code. What a test says of *starting* (import times, signals in the first second,
`torchrun`, the installed script) still starts a real `python -m reeltune`.
"""

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["reeltune.cli", "reeltune.training.train", "reeltune.commands.eval"])


def reeltune(
    *words: object, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 300
) -> "subprocess.CompletedProcess[str]":
    """`python -m reeltune WORDS` to its end; TimeoutExpired after `timeout` seconds, as subprocess.run has it."""
    arguments = [str(word) for word in words]
    environment = dict(env if env is not None else os.environ) | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder) / "stdout", Path(folder) / "stderr"]
        process: Any = CONTEXT.Process(target=_command, args=(arguments, str(cwd or Path.cwd()), environment, streams))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, timeout)
        output, errors = (stream.read_text(errors="replace") if stream.exists() else "" for stream in streams)
    return subprocess.CompletedProcess(["reeltune", *arguments], process.exitcode, output, errors)


def _command(arguments: Sequence[str], cwd: str, environment: Mapping[str, str], streams: Sequence[Path]) -> None:
    """In the fork: become the command."""
    assert "transformers" in sys.modules, "nothing was imported beforehand: tests.warm saves no time"
    os.setsid()
    for number, stream in enumerate(streams, start=1):
        os.dup2(os.open(stream, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = ["reeltune", *arguments]
    from reeltune.cli import main

    try:
        code = main()
    finally:
        # multiprocessing leaves with os._exit, which skips what the command registered for its end.
        atexit._run_exitfuncs()
    raise SystemExit(code)
