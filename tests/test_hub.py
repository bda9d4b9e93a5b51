"""Models by name, over a real HTTP server that speaks the hub's protocol: downloaded once, then from the cache."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from reeltune.hub import local_model, revision_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "fedcba9876543210fedcba9876543210fedcba98"
LOAD = """
import sys
from pathlib import Path
from reeltune.hub import local_model, revision_of
from reeltune.models.policy import load_policy
for spec in sys.argv[1:]:
    directory = local_model(spec)
    family = type(load_policy(Path(spec)).family).__name__
    print(revision_of(directory), family, sorted(each.name for each in directory.iterdir()))
"""


class Hub:
    """One repository, `owner/tiny`, with the revisions main and v2."""

    def __init__(self, directory: Path) -> None:
        self.files = {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
        self.files["pytorch_model.bin"] = b"a pickle"
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                self.answer(body=True)

            def answer(self, *, body: bool) -> None:
                hub.asked.append(f"{self.command} {self.path}")
                status, headers, content = hub.respond(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if body:
                    self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def respond(self, path: str) -> tuple[int, dict[str, str], bytes]:
        path = path.partition("?")[0]
        commits = {"main": COMMIT, "v2": OTHER, COMMIT: COMMIT, OTHER: OTHER}
        for name, commit in commits.items():
            if path == f"/api/models/owner/tiny/revision/{name}":
                siblings = [{"rfilename": each} for each in self.files]
                body = {"id": "owner/tiny", "modelId": "owner/tiny", "sha": commit, "siblings": siblings, "tags": []}
                return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()
            if path == f"/api/models/owner/tiny/tree/{name}":
                rows = [
                    {"type": "file", "path": each, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                    for each, content in self.files.items()
                ]
                return 200, {"Content-Type": "application/json"}, json.dumps(rows).encode()
            prefix = f"/owner/tiny/resolve/{name}/"
            if path.startswith(prefix) and path.removeprefix(prefix) in self.files:
                content = self.files[path.removeprefix(prefix)]
                tag = hashlib.sha1(content).hexdigest()
                return 200, {"ETag": f'"{tag}"', "X-Repo-Commit": commit}, content
        return 404, {"X-Error-Code": "RepoNotFound"}, b""


@pytest.fixture
def hub(tiny_models: Any) -> Iterator[Hub]:
    found = Hub(tiny_models("qwen3_vl"))
    yield found
    found.server.shutdown()


def load(hub: Hub, cache: Path, *specs: str, offline: bool = False) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server.server_port}",
        "HF_HOME": str(cache),
        "HF_HUB_OFFLINE": "1" if offline else "0",
        "HF_HUB_DISABLE_XET": "1",
    }
    return subprocess.run([sys.executable, "-c", LOAD, *specs], capture_output=True, text=True, env=environment)


def test_a_name_is_downloaded_once_and_opened_offline_after_that(hub: Hub, tmp_path: Path) -> None:
    online = load(hub, tmp_path, "owner/tiny", "owner/tiny")
    assert online.returncode == 0, online.stderr
    first, again = online.stdout.splitlines(keepends=True)
    assert first.startswith(f"{COMMIT} Qwen3VL ") and again == first
    assert "model.safetensors" in first and "pytorch_model.bin" not in first
    got = [each for each in hub.asked if each.startswith("GET") and "/resolve/" in each]
    assert len([each for each in got if "model.safetensors" in each]) == 1
    assert not any(".bin" in each for each in got)
    hub.asked.clear()
    offline = load(hub, tmp_path, "owner/tiny", offline=True)
    assert offline.stdout == first
    assert hub.asked == []


@pytest.mark.slow
def test_a_revision_is_its_own_directory_and_a_wrong_name_is_said(hub: Hub, tmp_path: Path) -> None:
    assert load(hub, tmp_path, "owner/tiny@v2").stdout.startswith(f"{OTHER} Qwen3VL ")
    wrong = load(hub, tmp_path, "owner/tinny")
    assert (
        "there is no directory 'owner/tinny' here, and the Hugging Face Hub has no model of that name" in wrong.stderr
    )
    lost = load(hub, tmp_path, "owner/other", offline=True)
    assert "it is not in the hub's cache" in lost.stderr
    assert "hf download owner/other" in lost.stderr


def test_a_directory_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "tiny").mkdir(parents=True)
    assert local_model("owner/tiny") == Path("owner/tiny")
    assert local_model("a/b/c") == Path("a/b/c")
    assert revision_of(Path("owner/tiny")) is None
