"""What the machine refuses is one message and exit code 2; the failures are real ones of a real system."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests import warm

from reeltune.cli import explain_failure

ROOT = Path(__file__).parents[1]
TOY = ROOT / "recipes" / "toy" / "grpo.yaml"
GREEK = "κόκκινο"


def reeltune(*words: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "reeltune", *words],
        capture_output=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )


def message(done: "subprocess.CompletedProcess[Any]") -> str:
    """The one message of a failure: exit code 2, no traceback."""
    text = done.stderr if isinstance(done.stderr, str) else done.stderr.decode(errors="replace")
    assert done.returncode == 2 and "Traceback" not in text, text
    told = [line for line in text.splitlines() if line.startswith("reeltune: ")][-1:]
    assert told, text
    return told[0]


@pytest.fixture
def small_disk(tmp_path: Path) -> "Path":
    """A file system of one megabyte. Needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True).returncode
    ):
        pytest.skip("mounting a small file system is not allowed here (needs root)")
    yield folder  # type: ignore[misc]
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_under_a_run(tmp_path: Path, small_disk: Path) -> None:
    assert os.statvfs(small_disk).f_blocks * os.statvfs(small_disk).f_frsize <= 2**20
    told = message(
        warm.reeltune(
            "train", TOY, f"run.dir={small_disk / 'run'}", f"video.cache={tmp_path / 'cache'}", "rl.steps=1",
            "rl.groups_per_step=1", "rl.group_size=2", "rl.max_new_tokens=4", f"toyworld.dir={tmp_path / 'toy'}",
            "toyworld.train_videos=2", "toyworld.held_out_videos=1", "eval.every=0", "checkpoint.every=1",
        )
    )  # fmt: skip
    assert "free some space, then run the command again" in told and re.search("No space left|os error 28", told)


@pytest.fixture
def read_only(tmp_path: Path) -> "Path":
    """A folder that cannot be written: by its permissions, or, since those do not bind root, by its file system."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    if os.geteuid():
        folder.chmod(0o555)
        yield folder  # type: ignore[misc]
        folder.chmod(0o755)
        return
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "ro", "tmpfs", folder], capture_output=True).returncode
    ):
        pytest.skip("root may write any folder, and mounting a read-only one is not allowed here")
    yield folder  # type: ignore[misc]
    subprocess.run(["umount", folder], check=True)


def test_a_read_only_folder_is_named_before_the_weights_are_read(read_only: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"Read-only|denied"):
        (read_only / "probe").write_text("")
    small = (f"toyworld.dir={tmp_path / 'toy'}", "toyworld.train_videos=2", "toyworld.held_out_videos=1")
    told = message(warm.reeltune("train", TOY, f"run.dir={read_only / 'runs' / 'one'}", *small, "model.path=nowhere"))
    assert "cannot be written" in told and str(read_only) in told and "give a writable folder" in told
    told = message(reeltune("recipes", "copy", "toy/grpo", str(read_only)))
    assert str(read_only) in told


def test_safetensors_on_a_full_disk(small_disk: Path) -> None:
    import torch
    from safetensors.torch import save_file

    with pytest.raises(Exception) as caught:
        save_file({"a": torch.zeros(2**20)}, small_disk / "model.safetensors")
    told = explain_failure(caught.value)
    assert told is not None and "free some space" in told


def test_a_full_device_and_a_refused_place(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, open("/dev/full", "w") as file:
        file.write("x")
    assert "free some space" in str(explain_failure(caught.value))
    (tmp_path / "file").write_text("")
    told = message(reeltune("recipes", "copy", "toy/grpo", str(tmp_path / "file" / "below" / "grpo.yaml")))
    assert "a part of this path is a file" in told or "Not a directory" in told


def test_a_read_only_folder(tmp_path: Path) -> None:
    """Root may write anywhere but /proc and /sys, which no user can write to."""
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o500)
    place = folder if os.geteuid() else Path("/sys/kernel")
    told = message(reeltune("recipes", "copy", "toy/grpo", str(place / "grpo.yaml")))
    assert str(place) in told and re.search("permission denied|read-only|not permitted", told)


def test_flash_attention_that_is_not_there(tmp_path: Path) -> None:
    try:
        import flash_attn  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip("flash-attn is installed here")
    told = message(
        warm.reeltune(
            "eval", "toyworld:base", "toyworld:held_out/temporal_grounding", "-o", tmp_path / "out",
            "model.attention=flash_attention_2", "toyworld.held_out_videos=1", f"toyworld.dir={tmp_path / 'toy'}",
        )
    )  # fmt: skip
    assert "model.attention=sdpa" in told


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_characters_that_the_locale_lacks_end_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"method: sft\nmodel: {{path: {GREEK}}}\ndata: {{train: a.jsonl}}\n", encoding="utf-8")
    done = reeltune("config", str(recipe), **environment, PYTHONCOERCECLOCALE="0")
    escaped = GREEK.encode("ascii", "backslashreplace")
    assert done.returncode == 0 and (escaped in done.stdout or GREEK.encode() in done.stdout)
    if "PYTHONIOENCODING" in environment:
        assert escaped in done.stdout
    told = message(reeltune("config", str(recipe), f"{GREEK}=1", **environment))
    assert ("set PYTHONUTF8=1" if "LC_ALL" in environment else "the recipe breaks these rules") in told


def test_a_recipe_in_another_encoding_and_a_broken_override(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_bytes("method: sft # gr\u00fcn\n".encode("latin-1"))
    assert "not UTF-8 text: byte 0xfc in line 1" in message(reeltune("train", str(recipe)))
    assert "its value is not valid YAML" in message(reeltune("train", str(TOY), "rl.steps=["))


def test_what_is_no_failure_of_the_machine_keeps_its_traceback() -> None:
    assert explain_failure(ValueError("a defect of ours")) is None
    assert explain_failure(RuntimeError("CUDA error: operation not permitted")) is None


def test_the_traceback_is_there_for_who_asks(tmp_path: Path) -> None:
    done = reeltune("--log-level", "debug", "report", str(tmp_path / "none"))
    assert done.returncode == 2 and b"Traceback" in done.stderr


def test_quiet_and_log_level_are_taken_before_and_after_the_command(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("method: sft\nmodel: {path: m}\ndata: {train: a}\nrewards: {generalised_iou: true}\n")
    note = b"rewards.generalised_iou was renamed to rewards.generalized_iou"
    assert note in reeltune("config", str(recipe)).stderr
    for words in (["--quiet", "config", str(recipe)], ["config", str(recipe), "--quiet"]):
        assert reeltune(*words).stderr == b""
    assert reeltune("--log-level", "error", "config", str(recipe)).stderr == b""
    assert note in reeltune("--log-level", "error", "config", str(recipe), "--log-level", "info").stderr


def test_a_command_without_a_terminal_writes_no_carriage_return(tmp_path: Path) -> None:
    words = ["eval", "toyworld:base", "toyworld:held_out/temporal_grounding", "toyworld.held_out_videos=2"]
    words += [f"toyworld.dir={tmp_path / 'toy'}", f"video.cache={tmp_path / 'cache'}"]
    done = warm.reeltune(*words, "-o", tmp_path / "out", env=os.environ | {"REELTUNE_PROGRESS_SECONDS": "0"})
    assert done.returncode == 0, done.stderr
    assert "\r" not in done.stderr and re.search(r"eval: \d/2 sample", done.stderr)
    quiet = warm.reeltune(*words, "-o", tmp_path / "quiet", "--quiet")
    assert quiet.returncode == 0 and quiet.stderr == "" and "miou" in quiet.stdout.lower()


def test_tokenizers_tell_the_system_s_error_in_words_only() -> None:
    assert "free some space" in str(explain_failure(Exception("No space left on device (os error 28)")))
    assert "the disk or its connection" in str(explain_failure(OSError(5, "Input/output error")))
    assert explain_failure(Exception("a defect of ours")) is None


@pytest.mark.parametrize("streams", ["2>&1 >/dev/null | true", "<&- >&- 2>&-"])
def test_a_command_goes_on_where_nobody_reads_its_messages(tmp_path: Path, streams: str) -> None:
    """`2>&1 | head` once ended a training with exit code 0; closed streams ended it with a traceback."""
    script = tmp_path / "command.py"
    script.write_text(
        "import sys, time\n"
        "from reeltune import cli\n"
        "time.sleep(0.3)\n"  # the reader has gone
        "def run(args):\n"
        "    for _ in range(99):\n"
        "        print('told', file=sys.stderr, flush=True)\n"
        "    assert sys.stderr.isatty() is False\n"
        "    open('done', 'w').write('whole')\n"
        "    return 0\n"
        "cli.recipes.run = run\n"
        "sys.exit(cli.main(['recipes', 'list']))\n"
    )
    words = f'"{sys.executable}" "{script}" {streams}; echo "${{PIPESTATUS[0]}}" > code'
    subprocess.run(["bash", "-c", words], cwd=tmp_path, timeout=120, check=False)
    assert (tmp_path / "done").read_text() == "whole" and (tmp_path / "code").read_text() == "0\n"


def test_what_is_printed_to_a_pipe_that_nobody_reads_is_no_success(tmp_path: Path) -> None:
    words = f'"{sys.executable}" -m reeltune recipes show toy/grpo | true; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "141" and "Traceback" not in done.stderr
