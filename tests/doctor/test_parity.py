"""`reeltune doctor parity`: a table of what a server and the learner make of the same prompts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.rollout.fake_server import FakeServer

from reeltune.cli import main


@pytest.fixture
def server(tiny_models: Any) -> Iterator[FakeServer]:
    found = FakeServer(tiny_models("qwen3_vl"))
    yield found
    found.close()


def table(server: FakeServer, model: Path, capsys: Any) -> tuple[int, str]:
    code = main(["doctor", "parity", str(model), "--server", server.url])
    return code, capsys.readouterr().out


def test_a_server_of_the_model_is_all_right(server: FakeServer, tiny_models: Any, capsys: Any) -> None:
    code, found = table(server, tiny_models("qwen3_vl"), capsys)
    assert code == 0, found
    for case in ("text", "video", "video at 0.7 fps", "video with a variable frame rate"):
        assert f"ok    Qwen3VL, {case}: prompt ids" in found and f"ok    Qwen3VL, {case}: log-probs" in found


def test_other_log_probs_and_other_ids_are_told(server: FakeServer, tiny_models: Any, capsys: Any) -> None:
    server.off = 0.01
    code, found = table(server, tiny_models("qwen3_vl"), capsys)
    assert code == 1 and "FAIL  Qwen3VL, video: log-probs" in found and "1.0e-02 apart" in found
    server.other_ids = True
    code, found = table(server, tiny_models("qwen3_vl"), capsys)
    assert code == 1 and "FAIL  Qwen3VL, text: prompt ids" in found


def test_nobody_there(server: FakeServer, tiny_models: Any, capsys: Any) -> None:
    server.kill()
    code, found = table(server, tiny_models("qwen3_vl"), capsys)
    assert code == 1 and "start it with: reeltune serve MODEL" in found


def test_it_needs_a_model_and_a_server(capsys: Any) -> None:
    assert main(["doctor", "parity"]) == 2
    assert "reeltune doctor parity MODEL --server URL" in capsys.readouterr().err
    assert main(["doctor", "--server", "http://a:1"]) == 2
