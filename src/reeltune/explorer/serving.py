"""A session served beside what this process does otherwise: a notebook, a test, a measurement."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from reeltune.explorer.app import make_app
from reeltune.explorer.session import Session


@contextmanager
def serving(session: Session) -> Iterator[str]:
    """The address, on a free port of 127.0.0.1, of a server in a thread; it ends, and the session with it, at the end.

    `reeltune explore` serves in its main thread instead, which Ctrl-C ends.
    """
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(make_app(session), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        session.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
            session.close()
