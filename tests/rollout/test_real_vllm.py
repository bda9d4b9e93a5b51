"""Real vLLM servers, by `make test-vllm`: parity, publishing, death in the middle of a step, poison.

REELTUNE_VLLM_PYTHON names the Python of the environment with vLLM; without it everything here is skipped. Slow: a
server takes half a minute to start on a CPU. The models are tiny, of the real classes, with heads of 32 (vLLM's CPU
kernels refuse the 8 of the other tests' models).
"""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.families import generated

from reeltune.doctor.parity import parity
from reeltune.models.policy import Policy, load_policy
from reeltune.rollout.launch import Process, Serving, write_plugin
from reeltune.video.cache import FrameCache

PYTHON = os.environ.get("REELTUNE_VLLM_PYTHON", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="REELTUNE_VLLM_PYTHON names no environment with vLLM (make test-vllm)"),
]
READY_S = 600.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def serve(tmp_path_factory: Any) -> Iterator[Any]:
    """serve(model, **options) -> the running process of a server; all of them end with this module's tests."""
    folder = tmp_path_factory.mktemp("servers")
    running: list[Process] = []

    def start(model: Path, **options: Any) -> Process:
        for each in running:  # two cores: one server at a time
            each.stop()
        serving = Serving(model, port=free_port(), dtype="float32", python=PYTHON, max_model_len=1024, **options)
        process = Process(serving, folder / f"{serving.port}.log", write_plugin(folder / "plugin"))
        running.append(process)
        process.start()
        process.wait(READY_S)
        return process

    yield start
    for each in running:
        each.stop()


FAMILIES = ("qwen3_vl", "qwen2_5_vl", "qwen3_5")


@pytest.fixture(scope="module")
def served_models(tmp_path_factory: Any) -> Any:
    """family -> a tiny model that vLLM takes on a CPU: heads of 32; a chat with the released vision tokens."""
    built: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in built:
            # Of a hybrid a quarter of the head is turned by positions.
            sections = [1, 1, 2] if name == "qwen3_5" else [4, 6, 6]
            sizes = {"hidden_size": 128, "head_dim": 32, "linear_key_head_dim": 32, "linear_value_head_dim": 32}
            tower = {"hidden_size": 64, "intermediate_size": 64, "out_hidden_size": 128}
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(generated, "TEXT", generated.TEXT | sizes)
                patched.setattr(generated, "VISION", generated.VISION | tower)
                patched.setattr(generated, "MROPE", generated.MROPE | {"mrope_section": sections})
                seen = generated.CHAT.replace("PLACEHOLDER\\n", "<|vision_start|>PLACEHOLDER<|vision_end|>")
                patched.setattr(generated, "CHAT", seen)
                folder = tmp_path_factory.mktemp("served") / name
                built[name] = generated.build(folder, name, generated.class_of(name), seed=1)
        return built[name]

    return get


@pytest.mark.parametrize("family", FAMILIES)
def test_server_and_learner_read_and_compute_the_same(
    family: str, served_models: Any, serve: Any, tmp_path: Path
) -> None:
    """Text only, videos at two rates, one with a variable frame rate: features sent, then frames by the cache."""
    policy: Policy = load_policy(served_models(family))
    process = serve(served_models(family))
    with torch.no_grad():
        rows = list(parity(policy, process.serving.url))
        frames = list(parity(policy, process.serving.url, frames=FrameCache(tmp_path / "frames", 2**28)))
    for row in rows + frames:
        print(row.ok, row.what, row.seen)
    assert [row for row in rows if row.ok is not True] == [] and len(rows) == 15
    # Positions of uneven clips cannot travel with frames.
    uneven = [row for row in frames if row.ok is not True]
    assert all("Qwen25VL, video" in row.what and "variable" in row.what for row in uneven), uneven
