"""A real HTTP server on 127.0.0.1 that speaks the chat protocol and misbehaves as a test asks it to."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from reeltune.judges.chat import OpenAIJudge
from reeltune.judges.endpoint import Endpoint
from reeltune.judges.prompts import load_prompts
from reeltune.judges.transcript import ModelSettings, Transcript

Behavior = Callable[["Handler", dict[str, Any], int], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            number = len(self.server.requests)
            self.server.requests.append(body)
            self.server.headers.append(dict(self.headers))
        with suppress(BrokenPipeError, ConnectionResetError):
            self.server.behavior(self, body, number)

    def say(self, text: str, **usage: int) -> None:
        """A proper chat reply."""
        counted = {"prompt_tokens": 7, "completion_tokens": 3, **usage}
        self.send(200, {"choices": [{"message": {"role": "assistant", "content": text}}], "usage": counted})

    def send(self, status: int, value: object, **headers: str) -> None:
        self.send_bytes(status, json.dumps(value).encode(), **headers)

    def send_bytes(self, status: int, body: bytes, *, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        if length is not None:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, behavior: Behavior) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behavior = behavior
        self.lock = threading.Lock()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextmanager
def serving(behavior: Behavior) -> Iterator[Server]:
    server = Server(behavior)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[[Behavior], Server]]:
    """behavior(handler, request body, number of the request) -> a running server."""
    running = []

    def start(behavior: Behavior) -> Server:
        manager = serving(behavior)
        server = manager.__enter__()
        running.append(manager)
        return server

    yield start
    for manager in running:
        manager.__exit__(None, None, None)


@pytest.fixture
def judge_of() -> Callable[..., OpenAIJudge]:
    """A quick judge for a server, a URL or an endpoint's arguments."""

    def build(server: "Server | str", transcript: Any = None, **options: Any) -> OpenAIJudge:
        url = server if isinstance(server, str) else server.url
        own = {name: options.pop(name) for name in ("key", "timeout_s", "attempts", "backoff_s") if name in options}
        settings = ModelSettings("test-model", 0.0, 256)
        endpoint = Endpoint(url, settings, **{"timeout_s": 2.0, "backoff_s": 0.01, **own})
        return OpenAIJudge(endpoint, load_prompts(), Transcript(transcript), **options)

    return build


def asked_statements(body: dict[str, Any]) -> list[str]:
    """The numbered statements of an entailment prompt, as a server sees them."""
    return re.findall(r"^\d+\. (.+)$", body["messages"][-1]["content"], re.MULTILINE)


def truthful(handler: Handler, body: dict[str, Any], number: int) -> None:
    """Entails what begins with 'yes', contradicts what begins with 'no'."""
    words = {"yes": "entailment", "no": "contradiction"}
    labels = [words.get(statement.split()[0], "neutral") for statement in asked_statements(body)]
    handler.say(json.dumps({"labels": labels}))
