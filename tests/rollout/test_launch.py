"""Servers that live and end with a run. A program that listens where vLLM would stands in for it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reeltune.cli import main
from reeltune.errors import InputError
from reeltune.http import Requests
from reeltune.rollout.launch import Fleet, Process, Serving, require_python, write_plugin
from reeltune.rollout.server import Server

STAND_IN = """#!{python}
import os, sys, threading, time
from http.server import BaseHTTPRequestHandler, HTTPServer

words = sys.argv
print("words:", *words, "plugin:", os.environ["PYTHONPATH"], "rank:", os.environ.get("RANK"), flush=True)
if "fail" in os.environ.get("STAND_IN", ""):
    sys.exit("no GPU to be had")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


sys.path.insert(0, os.environ["PYTHONPATH"])
import reeltune_vllm

reeltune_vllm.OWNER_S = 0.05
threading.Thread(target=reeltune_vllm._end_with, args=(int(os.environ["REELTUNE_OWNER"]),), daemon=True).start()
HTTPServer(("127.0.0.1", int(words[words.index("--port") + 1])), Handler).serve_forever(0.02)
"""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[], Process]]:
    program = tmp_path / "python"
    program.write_text(STAND_IN.replace("{python}", sys.executable))
    program.chmod(0o755)
    made: list[Process] = []

    def process() -> Process:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        serving = Serving(tmp_path / "model", port=port, python=str(program), options=["--max-num-seqs", "8"])
        made.append(Process(serving, tmp_path / "logs" / f"{port}.log", write_plugin(tmp_path / "plugin")))
        return made[-1]

    yield process
    for each in made:
        each.stop()


def lives(process: Process) -> bool:
    return Server(process.serving.url, Requests(2**20), timeout_s=1.0).lives()


def test_a_port_that_is_taken_is_not_taken_for_the_server(make: Callable[[], Process]) -> None:
    process = make()
    with socket.create_server(("127.0.0.1", process.serving.port)), pytest.raises(InputError, match="is in use"):
        Fleet([process]).start(5.0)
    assert process.running is None


def test_a_fleet_starts_is_tended_and_ends(make: Callable[[], Process], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    fleet = Fleet([make(), make()])
    fleet.start(30.0)
    first = fleet.processes[0]
    assert all(lives(each) for each in fleet.processes) and first.running
    said = first.log.read_text()
    assert "--logprobs-mode processed_logprobs" in said and "--enable-mm-embeds" in said
    assert "--worker-extension-cls reeltune_vllm.Worker" in said and said.count("--max-num-seqs 8") == 1
    # What torchrun tells our processes is not for the server.
    assert "rank: None" in said
    os.kill(first.running.pid, signal.SIGKILL)
    first.running.wait()
    assert not lives(first)
    fleet.tend()
    first.wait(30.0)
    assert lives(first) and first.restarts == 1
    fleet.stop()
    assert not any(lives(each) for each in fleet.processes)


def test_one_that_ends_at_once_is_named_with_its_last_words(
    make: Callable[[], Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "fail")
    with pytest.raises(InputError, match=r"exited with code 1; last lines of (.|\n)*no GPU to be had"):
        Fleet([make()]).start(30.0)


def test_a_python_without_vllm_is_told_what_to_name(make: Callable[[], Process]) -> None:
    process = make()
    process.log.parent.mkdir(parents=True, exist_ok=True)
    process.log.write_text("python: Error (ModuleNotFoundError: No module named 'vllm')\n")
    assert "name the Python of an environment that has it" in process._last_words()
    process.log.write_text("no GPU to be had\n")
    assert "name the Python" not in process._last_words()


def test_servers_end_when_the_run_is_killed(make: Callable[[], Process], tmp_path: Path) -> None:
    """SIGKILL leaves no time to end anything: the plugin in the server looks for its owner."""
    process = make()
    owner = subprocess.Popen(["sleep", "600"])
    environment = process.serving.environment(process.plugin) | {"REELTUNE_OWNER": str(owner.pid)}
    orphan = subprocess.Popen(
        process.serving.command(), env=os.environ | environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    process.running = orphan  # type: ignore[assignment]
    process.wait(30.0)
    owner.kill()
    owner.wait()
    assert orphan.wait(10.0) == 1


def test_no_such_python() -> None:
    with pytest.raises(InputError, match=r"rollout\.launch\.python='/nowhere/python'"):
        require_python("/nowhere/python")


def test_serve_says_what_it_would_start(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    words = ["serve", "toyworld:base", "--print", "--port", "9", "--lora-rank", "16", "--vllm", "--max-num-seqs", "4"]
    assert main(words) == 0
    said = " ".join(capsys.readouterr().out.replace("\\\n", "").split())
    assert "VLLM_SERVER_DEV_MODE=1" in said and "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1" in said
    assert "--max-lora-rank 16" in said and "--max-num-seqs 4" in said and "--port 9" in said
    assert (tmp_path / "reeltune" / "vllm-plugin" / "reeltune_vllm.py").is_file()
