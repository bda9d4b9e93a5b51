"""`reeltune doctor`: all checks passed here on the CPU; what is broken is found, with advice, and ends with 1."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.warm import reeltune

from reeltune.cli import main
from reeltune.doctor import checks
from reeltune.doctor.attention import LAYOUTS, attention_errors
from reeltune.models.shared_prefix import attention
from reeltune.models.shared_prefix.flash_cpu import CPU
from reeltune.models.shared_prefix.provider import Provider


def test_the_command_finds_this_machine_well(tmp_path: Path) -> None:
    file = tmp_path / "doctor.json"
    done = reeltune("doctor", "--json", file, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all checks passed" in done.stdout and "FAIL" not in done.stdout
    rows = {row["what"]: row for row in json.loads(file.read_text())["findings"]}
    assert rows["torch"]["seen"] == torch.__version__
    assert rows["two-layer Qwen2.5-VL on cpu"]["ok"] is True
    for layout in LAYOUTS:
        for dtype in ("float32", "bfloat16"):
            for provider in ("flash on CPU", "joined keys"):
                assert rows[f"attention on cpu: {provider}, {dtype}, {layout}"]["ok"] is True
    if not torch.cuda.is_available():
        assert rows["FSDP2 over 2 processes, gloo"]["ok"] is True
        assert rows["gpu"]["ok"] is None


def test_a_kernel_that_computes_something_else_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(*args: Any) -> Any:
        output, sums = CPU.forward(*args)
        return output * 1.01, sums

    monkeypatch.setattr(attention, "CPU", Provider("wrong", wrong, CPU.backward))
    assert any(case.error is not None and case.error > case.limit for case in attention_errors(torch.device("cpu")))
    monkeypatch.setattr(checks, "examine", lambda: iter(checks.attention("cpu")))
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "FAIL  attention on cpu: wrong, float32" in said and "use the tested version" in said


def test_processes_that_fail_or_never_end_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = checks.several_processes([sys.executable, "-c", "raise RuntimeError('no network')"])
    assert failed.ok is False and "no network" in failed.seen and failed.advice
    aborted = "import sys; sys.exit('raise ChildFailedError(\\n  exitcode  : -6 (pid: 7) (SIGABRT)')"
    assert "exitcode  : -6" in checks.several_processes([sys.executable, "-c", aborted]).seen
    monkeypatch.setattr(checks, "LAUNCH_SECONDS", 0.2)
    waiting = checks.several_processes([sys.executable, "-c", "import time; time.sleep(30)"])
    assert waiting.ok is False and "did not finish within" in waiting.seen and "NCCL_SOCKET_IFNAME" in waiting.advice


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "PACKAGES", ("torch", "no-such-package"))
    rows = {row.what: row for row in checks.versions()}
    assert rows["torch"].ok and rows["no-such-package"].ok is False
    assert rows["no-such-package"].advice == "pip install no-such-package"
