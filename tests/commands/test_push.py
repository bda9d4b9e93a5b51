"""`reeltune push`: a model and its card, taken by the hub's own client over HTTP, and opened again from there."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, constants

from reeltune.cli import main

CARD = "---\nlicense: mit\n---\nThe base model.\n"


class Hub:
    """Takes one commit as the hub does: weights by LFS, the other files in the commit itself."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.stored: dict[str, bytes] = {}
        self.created: dict[str, Any] = {}
        self.refuses = False
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path != "/owner/tiny/resolve/main/README.md":
                    self.reply(404, {}, **{"X-Error-Code": "RepoNotFound"})
                else:
                    self.reply(200, CARD, ETag='"1"', **{"X-Repo-Commit": "b" * 40})

            do_HEAD = do_GET

            def do_PUT(self) -> None:
                hub.stored[self.path.rpartition("/")[2]] = self.body()
                self.reply(200, {})

            def do_POST(self) -> None:
                hub.answer(self, self.path, self.body())

            def body(self) -> bytes:
                if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def reply(self, status: int, value: Any, **headers: str) -> None:
                content = (value if isinstance(value, str) else json.dumps(value)).encode()
                self.send_response(status)
                for name, text in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler: Any, path: str, body: bytes) -> None:
        if self.refuses:
            handler.reply(401, {"error": "Invalid token"})
        elif path == "/api/repos/create":
            self.created = json.loads(body)
            handler.reply(200, {"url": f"{self.url}/me/doors", "name": "me/doors"})
        elif path.startswith("/api/models/me/doors/preupload/"):
            modes = [
                {"path": each["path"], "uploadMode": "lfs" if each["path"].endswith("safetensors") else "regular",
                 "shouldIgnore": False}
                for each in json.loads(body)["files"]
            ]  # fmt: skip
            handler.reply(200, {"files": modes})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**each, "actions": {"upload": {"href": f"{self.url}/store/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]
            handler.reply(200, {"transfer": "basic", "objects": objects})
        elif path.startswith("/api/models/me/doors/commit/"):
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    self.files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    self.files[value["path"]] = self.stored[value["oid"]]
            done = {
                "commitUrl": f"{self.url}/me/doors/commit/{'a' * 40}",
                "commitOid": "a" * 40,
                "pullRequestUrl": None,
            }
            handler.reply(200, done)
        else:
            handler.reply(200, {})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    found = Hub()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", found.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", found.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")
    yield found
    found.server.shutdown()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_models: Any) -> Any:
    """A run of all weights and one of an adapter, evaluated before and after."""
    from tests.workshop import Workshop

    made = Workshop(tmp_path_factory.mktemp("push"), tiny_models("qwen3_vl"))
    settings = ("rl.steps=1", f"eval.data={made.samples}", "eval.every=1", "judge.kind=none")
    assert main([*map(str, made.command("whole", *settings)[3:])]) == 0
    assert main([*map(str, made.command("lora", *settings, "adapter={rank: 2}")[3:])]) == 0
    return made


def test_a_run_is_published_with_its_card_and_opens_again(runs: Any, hub: Hub, capsys: Any, tmp_path: Path) -> None:
    run = runs.folder / "whole"
    assert main(["push", str(run), "me/doors", "--license", "apache-2.0", "--dataset", "me/clips"]) == 0
    assert capsys.readouterr().out.strip().endswith("/me/doors")
    assert hub.created["name"] == "doors" and hub.created["visibility"] == "private"
    trained = run / "checkpoints" / "step-000001" / "model"
    assert hub.files["model.safetensors"] == (trained / "model.safetensors").read_bytes()
    assert hub.files["reeltune.json"] == (trained / "reeltune.json").read_bytes()
    assert not {"optimizer.safetensors", "state.json", "manifest.json"} & set(hub.files)

    card = ModelCard(hub.files["README.md"].decode())
    assert card.data.license == "apache-2.0" and card.data.library_name == "transformers"
    assert card.data.pipeline_tag == "video-text-to-text" and card.data.datasets == ["me/clips"]
    assert [each.metric_type for each in card.data.eval_results or ()] == ["vowels/accuracy"]
    assert 'rt.load("me/doors")' in card.text and "| step 0 | step 1 |" in card.text
    recipe = yaml.safe_load(hub.files["recipe.yaml"])
    assert recipe["rl"]["steps"] == 1 and recipe["data"]["train"][0]["path"] == "samples.jsonl"
    # Nothing tells of this machine.
    for name in ("README.md", "recipe.yaml"):
        assert str(runs.folder) not in hub.files[name].decode() and "/tmp" not in hub.files[name].decode()


def test_an_adapter_names_its_base_on_the_hub(runs: Any, hub: Hub, capsys: Any, tmp_path: Path) -> None:
    run = runs.folder / "lora"
    assert main(["push", str(run), "me/doors"]) == 2
    assert "--base OWNER/NAME" in capsys.readouterr().err
    assert main(["push", str(run), "me/doors", "--merged"]) == 2
    assert "contains only the adapter; merge it first" in capsys.readouterr().err and not hub.files
    assert main(["push", str(run), "me/doors", "--base", f"owner/tiny@{'b' * 40}", "--public"]) == 0
    assert hub.created["visibility"] == "public"
    settings = json.loads(hub.files["adapter_config.json"])
    assert settings["base_model_name_or_path"] == "owner/tiny" and settings["revision"] == "b" * 40
    assert {"adapter_model.safetensors", "adapter_base.json", "reeltune.json"} <= set(hub.files)
    card = ModelCard(hub.files["README.md"].decode())
    assert card.data.license == "mit", "as the card of its base says"
    assert card.data.base_model == "owner/tiny" and card.data.library_name == "peft"
    assert card.data.base_model_relation == "adapter"
    assert "LoRA of rank 2" in card.text

    merged = tmp_path / "merged"
    adapter = run / "checkpoints" / "step-000001" / "adapter"
    assert main(["merge", str(adapter), "-o", str(merged)]) == 0
    assert (merged / "reeltune.json").read_bytes() == (adapter / "reeltune.json").read_bytes()
    assert main(["push", str(merged), "me/doors", "--run", str(run), "-o", str(tmp_path / "folder")]) == 0
    assert "license is not known" in capsys.readouterr().err, "nobody is asked for a folder"
    written = ModelCard.load(tmp_path / "folder" / "README.md")
    assert "base_model_relation" not in written.data and "| step 0 | step 1 |" in written.text
    assert (tmp_path / "folder" / "model.safetensors").read_bytes() == (merged / "model.safetensors").read_bytes()


def test_a_dry_run_sends_and_writes_nothing(runs: Any, hub: Hub, capsys: Any, monkeypatch: Any, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main(["push", str(runs.folder / "whole"), "me/doors", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^model\.safetensors  [\d,]+ bytes$", out, re.MULTILINE) and out.startswith("---\n")
    assert not hub.files and not hub.created and not list((tmp_path / "here").iterdir())


def test_what_cannot_be_published_is_one_message(runs: Any, hub: Hub, capsys: Any, tmp_path: Path) -> None:
    run = str(runs.folder / "whole")
    assert main(["push", run, "doors"]) == 2
    assert "must look like owner/name" in capsys.readouterr().err
    assert main(["push", str(tmp_path), "me/doors"]) == 2
    assert "not a run, a checkpoint" in capsys.readouterr().err
    hub.refuses = True
    assert main(["push", run, "me/doors"]) == 2
    assert "hf auth login" in capsys.readouterr().err
