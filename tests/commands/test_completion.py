"""The completion scripts, in the shells themselves."""

import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import termios
from pathlib import Path
from typing import Any

import pytest

from reeltune.cli import main

ASK = """
source {script}
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_shtab_reeltune
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def script(tmp_path: Path, capsys: Any) -> Any:
    def write(shell: str) -> Path:
        assert main(["completion", shell]) == 0
        path = tmp_path / f"reeltune.{shell}"
        path.write_text(capsys.readouterr().out)
        return path

    return write


def test_bash_completes_commands_options_recipes_and_files(script: Any, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "own.yaml").touch()
    written = script("bash")

    def completed(words: str) -> set[str]:
        text = ASK.format(script=written, words=words)
        done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, cwd=tmp_path, timeout=30)
        assert not done.stderr, done.stderr
        return {each.rstrip() for each in done.stdout.splitlines()}

    assert {"eval", "explore"} == completed("reeltune e")
    assert "--dry-run" in completed("reeltune push --d")
    assert {"import", "check"} <= completed("reeltune data ''")
    assert completed("reeltune train videochat-r1/multi") == {"videochat-r1/multi-task", "videochat-r1/multi-task-lora"}
    assert "videos/own.yaml" in completed("reeltune train videos/o")
    assert completed("reeltune completion z") == {"zsh"}
    assert (
        completed("reeltune recipes copy toy/sf")
        == completed("reeltune recipes show toy/sf")
        == {"toy/sft", "toy/sft-2"}
    )


def test_fish_completes(script: Any, tmp_path: Path) -> None:
    written = script("fish")
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed here")
    ask = f"source {written}; complete -C 'reeltune e'; complete -C 'reeltune push --d'"
    done = subprocess.run(["fish", "-c", ask], capture_output=True, text=True, cwd=tmp_path, timeout=30)
    found = {line.partition("\t")[0] for line in done.stdout.splitlines()}
    assert {"eval", "explore", "--dry-run", "--dataset"} <= found, done


def pressed_tab(folder: Path, line: str, until: str, work: Path) -> str:
    """What a terminal shows when `line` and Tab are typed into a zsh that has read the script, up to `until`."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(work)
        os.execvpe("zsh", ["zsh", "-f", "-i"], os.environ | {"TERM": "dumb", "LC_ALL": "C.UTF-8"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))

    def read(until: str) -> str:
        shown = ""
        # A bound for a zsh that never answers; nothing waits for it otherwise.
        while until not in shown and select.select([terminal], [], [], 60)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")
        return shown

    try:
        setup = f"PS1=; fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D; echo rea''dy\n"
        os.write(terminal, setup.encode())
        read("ready")
        os.write(terminal, line.encode() + b"\t")
        return read(until)
    finally:
        os.close(terminal)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_zsh_completes(script: Any, tmp_path: Path) -> None:
    written = script("zsh")
    assert written.read_text().startswith("#compdef reeltune") and "--dry-run" in written.read_text()
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed here")
    written.rename(tmp_path / "_reeltune")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "own.yaml").touch()
    commands = pressed_tab(tmp_path, "reeltune e", "explore  --", tmp_path)
    assert "eval     -- run a model on samples" in commands and "explore  -- " in commands
    assert "--dry-run" in pressed_tab(tmp_path, "reeltune push --dr", "--dry-run", tmp_path)
    known = "videochat-r1/multi-task-lora"
    assert known in pressed_tab(tmp_path, f"reeltune train {known[:-3]}", known, tmp_path)
    assert "videos/own.yaml" in pressed_tab(tmp_path, "reeltune train videos/o", "own.yaml", tmp_path)
    assert "completion zsh" in pressed_tab(tmp_path, "reeltune completion z", "completion zsh", tmp_path)
