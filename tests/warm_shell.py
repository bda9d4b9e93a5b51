"""`reeltune` in shell scripts, without the start of each command: a program of that name on the PATH hands what it is
asked to the test process, which runs it as a fork (tests.warm) and hands back what it wrote."""

import json
import socketserver
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.warm import reeltune

CLIENT = """#!{python} -SsE
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
asked = dict(words=sys.argv[1:], folder=os.getcwd(), environment=dict(os.environ))
connection.sendall(json.dumps(asked).encode() + b"\\n")
output, errors, code = json.loads(connection.makefile().readline())
sys.stdout.write(output)
sys.stderr.write(errors)
sys.exit(code)
"""


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        asked = json.loads(self.rfile.readline())
        done = reeltune(*asked["words"], cwd=Path(asked["folder"]), env=asked["environment"])
        self.server.asked.append(asked["words"])  # type: ignore[attr-defined]
        self.wfile.write(json.dumps([done.stdout, done.stderr, done.returncode]).encode() + b"\n")


@contextmanager
def reeltune_on_path(folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[dict[str, str], list[list[str]]]]:
    """The environment with such a program first on its PATH, and the commands that it was asked so far. `folder`: new,
    with a short name, since it holds a socket."""
    folder.mkdir()
    address = str(folder / "socket")
    program = folder / "reeltune"
    program.write_text(CLIENT.format(python=sys.executable, address=address))
    program.chmod(0o755)
    with socketserver.ThreadingUnixStreamServer(address, _Handler) as server:
        server.asked = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield dict(environment) | {"PATH": f"{folder}:{environment['PATH']}"}, server.asked  # type: ignore[attr-defined]
        finally:
            server.shutdown()
