"""Real vLLM servers, by `make test-vllm`: parity, publishing, death in the middle of a step, poison.

REELTUNE_VLLM_PYTHON names the Python of the environment with vLLM; without it everything here is skipped. Slow: a
server takes half a minute to start on a CPU. The models are tiny, of the real classes, with heads of 32 (vLLM's CPU
kernels refuse the 8 of the other tests' models).
"""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from tests.models.families import generated
from tests.workshop import Workshop

import reeltune
from reeltune import tasks
from reeltune.cli import main
from reeltune.doctor.parity import parity
from reeltune.http import Requests
from reeltune.models.policy import Policy, load_policy
from reeltune.models.types import VideoFeatures
from reeltune.rollout import probe
from reeltune.rollout.engine import SamplingParams
from reeltune.rollout.launch import Process, Serving, write_plugin
from reeltune.rollout.messages import Messages
from reeltune.rollout.server import Server
from reeltune.video.cache import FrameCache

PYTHON = os.environ.get("REELTUNE_VLLM_PYTHON", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="REELTUNE_VLLM_PYTHON names no environment with vLLM (make test-vllm)"),
]
READY_S = 600.0
TOY = Path(reeltune.__file__).parent / "toyworld" / "base"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(autouse=True)
def own_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every workshop has a task file of its own with the same task in it."""
    monkeypatch.setattr(tasks._registry, "_loaded", {})


@pytest.fixture(scope="module")
def serve(tmp_path_factory: Any) -> Iterator[Any]:
    """serve(model) -> the running process of a server of it; the one before ends: two cores."""
    folder = tmp_path_factory.mktemp("servers")
    running: dict[Path, Process] = {}

    def start(model: Path, dtype: str = "float32") -> Process:
        if model not in running:
            for each in running.values():
                each.stop()
            running.clear()
            serving = Serving(model, port=free_port(), dtype=dtype, python=PYTHON, max_model_len=1024)
            process = Process(serving, folder / f"{serving.port}.log", write_plugin(folder / "plugin"))
            running[model] = process
            process.start()
            process.wait(READY_S)
        return running[model]

    yield start
    for each in running.values():
        each.stop()


FAMILIES = {"qwen3_vl": "float32", "qwen2_5_vl": "float32", "qwen2_vl": "float32", "qwen3_5": "bfloat16"}
"""vLLM's CPU kernels of gated delta nets take bfloat16 alone: in float32 the engine dies of its first request."""


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
                # As in the released configs: transformers interleaves Qwen3's in any case, vLLM where it is said.
                rope = {"mrope_section": sections} | ({"mrope_interleaved": True} if "qwen3" in name else {})
                patched.setattr(generated, "MROPE", generated.MROPE | rope)
                seen = generated.CHAT.replace("PLACEHOLDER\\n", "<|vision_start|>PLACEHOLDER<|vision_end|>")
                patched.setattr(generated, "CHAT", seen)
                folder = tmp_path_factory.mktemp("served") / name
                built[name] = generated.build(folder, name, generated.class_of(name), seed=1)
            sizes = {"patch_size": generated.PATCH, "temporal_patch_size": 2, "merge_size": 2}
            kind = {
                "video_processor_type": "Qwen2VLVideoProcessor" if name.startswith("qwen2") else "Qwen3VLVideoProcessor"
            }
            (folder / "video_preprocessor_config.json").write_text(json.dumps(sizes | kind))
            images = {"image_processor_type": "Qwen2VLImageProcessorFast"}
            (folder / "preprocessor_config.json").write_text(json.dumps(sizes | images))
        return built[name]

    return get


def test_a_group_shares_its_prompt(served_models: Any, serve: Any) -> None:
    """G completions of one request cost one prompt: the server's own counter of prompt tokens computed says so."""
    process = serve(served_models("qwen3_vl"))
    policy = load_policy(served_models("qwen3_vl"))
    case = probe.video_case(policy, "video", probe.noise_clip(policy, frames=12))
    server = Server(process.serving.url, Requests(2**26), timeout_s=120.0)
    params = SamplingParams(max_new_tokens=4, banned=tuple(policy.banned.tolist()))
    messages = Messages(policy)
    messages.rollout(case.request, server.complete(messages.body(case.request, 8, params)), 8, 0)
    counted = httpx2.get(f"{process.serving.url}/metrics").text
    found = {
        line.split("{")[0].split()[0]: float(line.split()[-1])
        for line in counted.splitlines()
        if line.startswith(("vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"))
    }
    print(found, len(case.request.prompt))
    block = 32
    whole = len(case.request.prompt) // block * block
    assert found["vllm:prefix_cache_hits_total"] >= 7 * (whole - block) > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_server_and_learner_read_and_compute_the_same(
    family: str, served_models: Any, serve: Any, tmp_path: Path
) -> None:
    """Text only, videos at two rates, one with a variable frame rate: features sent, then frames by the cache."""
    policy: Policy = load_policy(served_models(family))
    if FAMILIES[family] == "bfloat16":
        policy.to(torch.bfloat16)
    url = serve(served_models(family), FAMILIES[family]).serving.url
    rows = list(parity(policy, url))
    framed = list(parity(policy, url, frames=FrameCache(tmp_path / "frames", 2**28)))
    for row in rows + framed:
        print(row.ok, row.what, row.seen)
    assert len(rows) == len(framed) == 15
    assert [row for row in rows + framed if row.ok is not True] == []


def train(folder: Path, model: Path, run: str, server: str, *words: str) -> list[dict[str, Any]]:
    """A run of the workshop's recipe over `server`; its metrics."""
    shop = Workshop(folder, model)
    more = ["rollout.engine=vllm", server, "eval.every=0", "rollout.timeout_s=400", *words]
    assert main(shop.command(run, *more)[3:]) == 0
    return list(shop.metrics(run))


def launched() -> str:
    """A server that the run starts itself."""
    return f"rollout.launch={{python: {PYTHON}, port: {free_port()}, options: [--max-model-len, '1024']}}"


def timings(folder: Path, run: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / run / "timings.jsonl").read_text().splitlines()]


def require_same_weights(rows: list[dict[str, Any]]) -> None:
    """After each update the server computes with the new weights, to float32's rounding."""
    for row in rows:
        print({name: row[name] for name in ("step", "grad_norm", "staleness", "mismatch_kl", "correction_mean")})
        assert abs(row["mismatch_kl"]) < 1e-6 and abs(row["correction_mean"] - 1) < 1e-5 and row["grad_norm"] > 0


def test_served_evaluation_is_the_trainers_own(serve: Any, tmp_path: Path) -> None:
    """The shipped model's greedy answers, byte for byte, and so its scores; then a trained model's by the same server,
    whose weights are published first."""
    served = ["rollout.engine=vllm", f"rollout.servers=[{serve(TOY).serving.url}]"]
    settings = ["video.min_frame_pixels=4096", "video.max_frame_pixels=4096", "video.fps=2", "data.mode=direct"]
    settings += ["eval.max_new_tokens=24", "toyworld.held_out_videos=32"]

    def evaluate(model: str, name: str, *words: str) -> bytes:
        out = ["-o", str(tmp_path / name)]
        assert main(["eval", model, "toyworld:held_out/temporal_grounding/visible", *out, *settings, *words]) == 0
        return (tmp_path / name / "predictions.jsonl").read_bytes()

    assert evaluate("toyworld:base", "own") == evaluate("toyworld:base", "served", *served)
    scores = [json.loads((tmp_path / name / "scores.json").read_text()) for name in ("own", "served")]
    print(scores[0]["temporal_grounding"]["miou"])
    assert scores[0] == scores[1] and scores[0]["temporal_grounding"]["miou"] > 30
    run = ["rl.steps=4", "rl.groups_per_step=4", "rl.group_size=4", "optim.lr=1e-3", "eval.every=0"]
    run += ["toyworld.train_videos=16", "optim.warmup_steps=0", f"run.dir={tmp_path / 'run'}"]
    assert main(["train", "toy/grpo", *run, *served]) == 0
    require_same_weights([json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()])
    trained = str(tmp_path / "run" / "checkpoints" / "step-000004" / "model")
    theirs = evaluate(trained, "trained-served", *served)
    assert evaluate(trained, "trained") == theirs != (tmp_path / "own" / "predictions.jsonl").read_bytes()


def test_rollouts_run_one_step_ahead(serve: Any, tmp_path: Path) -> None:
    """What is drawn ahead comes from the weights of one update ago; the learner does not wait for it. (What the server
    draws is by its own random numbers: no run without servers is equal to it.)"""
    ahead = ["rl.steps=4", "rollout.max_staleness=1", "rl.correction=truncated"]
    server = f"rollout.servers=[{serve(TOY).serving.url}]"
    rows = train(tmp_path, TOY, "run", server, *ahead)
    assert [row["staleness"] for row in rows] == [0.0, 1.0, 1.0, 1.0]
    assert abs(rows[0]["mismatch_kl"]) < 1e-6 and min(row["mismatch_kl"] for row in rows[1:]) > 1e-6
    assert all(row["correction_mean"] != 1.0 for row in rows[1:])
    assert "seconds/waiting for rollouts" in timings(tmp_path, "run")[0]


def test_an_adapter_is_published_to_a_server_of_its_base(served_models: Any, tmp_path: Path) -> None:
    words = ["rollout.publish=lora", "adapter={rank: 8, alpha: 64}", "optim.lr=3e-2", "rl.steps=3"]
    rows = train(tmp_path, served_models("qwen3_vl"), "run", launched(), *words)
    assert len(rows) == 3
    require_same_weights(rows)


def test_a_server_killed_in_the_middle_is_started_again(served_models: Any, tmp_path: Path) -> None:
    """kill -9 after the first step: the run goes on with the server that it starts anew, with the weights of now."""
    path = tmp_path / "run" / "metrics.jsonl"

    def kill() -> None:
        while not path.exists() or not path.read_text().count("\n"):
            time.sleep(0.05)
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            words = each.read_bytes().split(b"\0")
            if (
                b"vllm.entrypoints.openai.api_server" in words
                and str(tmp_path).encode() in (each.parent / "environ").read_bytes()
            ):
                os.killpg(int(each.parent.name), signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    rows = train(tmp_path, served_models("qwen3_vl"), "run", launched(), "rl.steps=4")
    thread.join(1.0)
    assert not thread.is_alive() and len(rows) == 4
    assert sum(each.get("rollouts/lost servers", 0.0) for each in timings(tmp_path, "run")) >= 1
    require_same_weights(rows)


def test_a_poisonous_request_is_given_up_after_two_deaths(
    served_models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features that do not fill their grid end vLLM's engine: its sample is set aside, the run goes on."""
    plain = Messages._media

    def media(self: Messages, request: Any) -> list[dict[str, Any]]:
        if "nightshade" in request.prompt.text:
            request = replace(request, features=cut(request.features))
        return plain(self, request)

    monkeypatch.setattr(Messages, "_media", media)
    shop = Workshop(tmp_path, served_models("qwen3_vl"))
    rows = [json.loads(line) for line in shop.samples.read_text().splitlines()]
    rows[0]["instruction"] = "Say nightshade."
    monkeypatch.setattr(Workshop, "_write_samples", lambda *_: None)
    shop.samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = train(tmp_path, served_models("qwen3_vl"), "run", launched(), "rl.steps=2", "video.max_broken_share=0.2")
    [line] = (tmp_path / "run" / "quarantine.jsonl").read_text().splitlines()
    print(line)
    assert json.loads(line)["id"] == "clip-0" and len(found) == 2
    require_same_weights(found)


def cut(features: VideoFeatures) -> VideoFeatures:
    return VideoFeatures(features.tokens[:-1], tuple(each[:-1] for each in features.deepstack))
