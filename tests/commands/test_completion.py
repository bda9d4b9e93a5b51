"""The completion scripts, in the shells themselves."""

import shutil
import subprocess
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


def test_fish_completes(script: Any, tmp_path: Path) -> None:
    written = script("fish")
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed here")
    ask = f"source {written}; complete -C 'reeltune e'; complete -C 'reeltune push --d'"
    done = subprocess.run(["fish", "-c", ask], capture_output=True, text=True, cwd=tmp_path, timeout=30)
    found = {line.partition("\t")[0] for line in done.stdout.splitlines()}
    assert {"eval", "explore", "--dry-run", "--dataset"} <= found, done


def test_zsh_reads_its_script(script: Any) -> None:
    written = script("zsh")
    assert written.read_text().startswith("#compdef reeltune") and "--dry-run" in written.read_text()
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed here")
    assert subprocess.run(["zsh", "-n", str(written)], capture_output=True, timeout=30).returncode == 0
