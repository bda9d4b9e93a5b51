"""Commands in forks of a process that has imported and done everything once: a try costs what the command itself costs.

Beside them stands `shim.c`, loaded before the C library: it lets the k-th file operation below a folder fail, whoever
does it. `with_shim` starts this program again with it.
"""

import ctypes
import errno
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

FAULTS: dict[str, int] = {
    "kill": 0,
    "disk full": errno.ENOSPC,
    "I/O error": errno.EIO,
    "read-only": errno.EROFS,
}
"""As shim.c takes them."""
TIMEOUT_S = 200
OURS = "FAULTS_SHIM"


@dataclass(frozen=True)
class Fault:
    """`at`: the number of the file operation, from 1, of the process `rank`; 0: none, operations are only logged."""

    at: int = 0
    kind: str = "kill"
    log: Path | None = None
    rank: int = 0


def with_shim() -> bool:
    """Whether the shim is loaded; where a compiler is there and it is not, this program starts again with it."""
    if hasattr(ctypes.CDLL(None), "faults_arm"):
        if library := os.environ.pop(OURS, None):  # loaded for good; the programs that we start do without
            del os.environ["LD_PRELOAD"]
            shutil.rmtree(Path(library).parent)
        return True
    compiler = shutil.which("cc")
    if compiler is None:
        return False
    library = str(Path(tempfile.mkdtemp(prefix="faults-")) / "shim.so")
    source = Path(__file__).with_name("shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    program = [sys.executable, "-m", "faults", *sys.argv[1:]]
    os.execve(sys.executable, program, os.environ | {"LD_PRELOAD": library, OURS: library})


def warm(main: Callable[[list[str]], int], command: Sequence[str], folder: Path) -> None:
    """The command once in this process: what it imports, compiles and caches is there in every fork from then on."""
    folder.mkdir(parents=True)
    said = folder.with_suffix(".txt")
    with said.open("w") as file, redirect_stdout(file), redirect_stderr(file), chdir(folder):
        main(list(command))


def run(
    main: Callable[[list[str]], int],
    command: Sequence[str],
    folder: Path,
    said: Path,
    *,
    fault: Fault = Fault(),
    processes: int = 1,
) -> int:
    """The exit code of the command in a fork (or several, of one launch) in `folder`; minus the signal that ended it.

    Of several processes the first that fails ends the others, as torchrun does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    gc.collect()  # what waits for threads that a fork does not have, such as encoders
    gc.freeze()
    port = _free_port() if processes > 1 else 0
    children = {}
    for rank in range(processes):
        child = os.fork()
        if child == 0:
            if processes > 1:
                os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(processes), "LOCAL_RANK": str(rank)}
                os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            _become(main, command, folder, said, fault if rank == fault.rank else Fault())
        children[child] = rank
    code, end = 0, time.monotonic() + TIMEOUT_S
    while children:
        done, status = os.waitpid(-1, os.WNOHANG)
        if done in children:
            del children[done]
            code = code or os.waitstatus_to_exitcode(status)
        if children and (code or time.monotonic() > end):
            time.sleep(1.0)  # time to end by themselves
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            return code or -signal.SIGALRM
        if not done:
            time.sleep(0.01)
    return code


def _become(main: Callable[[list[str]], int], command: Sequence[str], folder: Path, said: Path, fault: Fault) -> None:
    """Never returns: this process is the command from here on."""
    code = 99
    try:
        os.setsid()
        os.chdir(folder)
        output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        log = os.open(fault.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if fault.log else -1
        if fault.at or fault.log:
            root = os.fsencode(os.path.realpath(folder))
            ctypes.CDLL(None).faults_arm(root, ctypes.c_long(fault.at), FAULTS[fault.kind], log)
        code = main(list(command))
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
