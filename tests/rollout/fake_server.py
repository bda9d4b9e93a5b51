"""A vLLM server that is none: real HTTP, real completions of a tiny model, and every failure on demand.

It reads requests as vLLM 0.32 does: the text after its own expansion of the placeholder, features from tensors in
base64, weights from a folder. What it draws is what the `hf` engine draws, so a run over it can be held to one without.
"""

import base64
import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tests.conftest import make_clip

from reeltune.models.adapter import inject
from reeltune.models.adapter_folder import fill, open_folder
from reeltune.models.families.patches import TimePatch, grid_positions
from reeltune.models.policy import Policy, load_policy
from reeltune.models.types import Prompt, VideoFeatures
from reeltune.rollout.engine import Request, Rollout, SamplingParams
from reeltune.rollout.hf import HFEngine
from reeltune.rollout.publish import bit_sums

PAD = "<|video_pad|>"


class FakeServer:
    """Knobs: `dead` (500s and no health), `poison` (a word in a prompt that kills it), `slow_s` (of an answer), `hang`
    (a path that never answers), `garbage` (an answer that is none), `other_ids`, `off` (added to log-probs), `deaf`
    (loads nothing, says it did)."""

    def __init__(self, model: Path, port: int = 0) -> None:
        self.model = model
        self.lock = threading.Lock()
        self.calls: list[str] = []
        self.served: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.dead = self.garbage = self.other_ids = self.deaf = self.paused = False
        self.off, self.slow_s = 0.0, 0.0
        self.poison = self.hang = ""
        self.released = threading.Event()
        self.restart(port)

    # Its life

    def restart(self, port: int | None = None) -> None:
        """Begin anew: the weights that it was started with, and no memory of any other."""
        self.policy: Policy = load_policy(self.model, self_check=False)
        self.weights = "default"
        self.dead = self.paused = False
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                fake.answer(self, None)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fake.answer(self, json.loads(body) if body else {})

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", self.port if port is None else port), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def kill(self) -> None:
        """As kill -9: nothing listens any more, and what was under way gets no answer."""
        self.dead = True
        self.http.shutdown()
        self.http.server_close()

    def close(self) -> None:
        self.released.set()
        if not self.http.socket._closed:  # type: ignore[attr-defined]
            self.kill()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # Its answers

    def answer(self, handler: BaseHTTPRequestHandler, call: Any) -> None:
        path = handler.path.partition("?")[0]
        self.calls.append(path)
        if self.hang and path == self.hang:
            self.released.wait()
        try:
            status, found = self._route(path, call)
        except ConnectionAbortedError:
            handler.close_connection = True
            handler.connection.close()
            return
        body = json.dumps(found).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _route(self, path: str, call: Any) -> tuple[int, Any]:
        if self.dead:
            return (503 if path == "/health" else 500), {"error": "EngineDeadError"}
        if path == "/v1/chat/completions":
            return self._chat(call)
        if path == "/collective_rpc" and call["method"] == "reeltune_load":
            self._load(Path(call["kwargs"]["weights_path"]))
        elif path == "/collective_rpc":
            sums = bit_sums(self.policy.named_weights())
            return 200, {"results": [{"sum": sums["float32"], "elements": 2**40, "dtypes": ["float32"]}]}
        elif path == "/v1/load_lora_adapter":
            self._load_adapter(Path(call["lora_path"]))
        elif path == "/update_weight_version":
            self.weights = call["new_version"]
        elif path in ("/pause", "/resume"):
            self.paused = path == "/pause"
        found = {
            "/version": {"version": "0.32.0"},
            "/v1/models": {"data": [{"id": "reeltune", "root": str(self.model), "max_model_len": 4096}]},
            "/weight_info": {"weight_version": self.weights},
            "/reset_prefix_cache": {"success": True},
        }
        return 200, found.get(path, {})

    def _load(self, folder: Path) -> None:
        assert self.paused, "weights were loaded into a server that was not paused"
        if not self.deaf:
            tensors = load_file(folder / "model.safetensors")
            self.policy.model.load_state_dict(tensors, strict=False)

    def _load_adapter(self, folder: Path) -> None:
        found = open_folder(folder, self.model)
        if not getattr(self.policy.model, "peft_config", None):
            inject(self.policy, found.settings)
        fill(self.policy, found)

    def _chat(self, call: dict[str, Any]) -> tuple[int, Any]:
        text = call["chat_template_kwargs"]["reeltune_prompt"]
        if self.poison and self.poison in text:
            self.dead = True
            raise ConnectionAbortedError
        if self.slow_s:
            time.sleep(self.slow_s)
        if self.garbage:
            return 200, {"choices": "none"}
        assert not self.paused, "a request to a paused server"
        request = self._request(text, call)
        params = SamplingParams(
            call["temperature"], call["top_p"], call["top_k"], call["max_tokens"], tuple(map(int, call["logit_bias"]))
        )
        with self.lock:
            [rollout] = HFEngine(self.policy).generate([request], call["n"], params)
            self.served.append(text)
            self.bodies.append(call)
        return (500, {}) if self.dead else (200, self._completion(request, rollout))

    def _request(self, text: str, call: dict[str, Any]) -> Request:
        [part] = call["messages"][0]["content"]
        if part["type"] == "text":
            ids = torch.tensor(self.policy.tokenizer(text, add_special_tokens=False)["input_ids"])
            prompt = Prompt(ids, torch.arange(len(ids)).expand(3, -1), (), text)
            return Request(prompt, self.policy.no_features(), call["seed"])
        fields = part["video_embeds"]
        tokens, grid = _tensor(fields["video_embeds"]), _tensor(fields["video_grid_thw"]).tolist()
        width = self.policy.text_config.hidden_size
        layers = tokens.split(width, dim=1)
        rows, columns = grid[1] // 2, grid[2] // 2
        patches = "".join(
            f"<{seconds:.1f} seconds><|vision_start|>{PAD * (rows * columns)}<|vision_end|>"
            for seconds in fields["timestamps"]
        )
        ids = torch.tensor(self.policy.tokenizer(text.replace(PAD, patches), add_special_tokens=False)["input_ids"])
        positions = grid_positions(self.policy.family.is_vision(ids), [TimePatch(0, rows, columns, 0)] * grid[0])
        prompt = Prompt(ids, positions, (make_clip(),), text)
        return Request(prompt, VideoFeatures(layers[0], tuple(layers[1:])), call["seed"])

    def _completion(self, request: Request, rollout: Rollout) -> dict[str, Any]:
        ids = request.prompt.input_ids.tolist()
        choices = []
        for index, (row, mask, values) in enumerate(
            zip(rollout.completions.ids, rollout.completions.mask, rollout.log_probs, strict=True)
        ):
            content = [{"logprob": value + self.off} for value in values[mask].tolist()]
            choices.append({"index": index, "token_ids": row[mask].tolist(), "logprobs": {"content": content}})
        return {"prompt_token_ids": [*ids[:-1], 1] if self.other_ids else ids, "choices": choices[::-1]}


def _tensor(text: str) -> torch.Tensor:
    found: torch.Tensor = torch.load(io.BytesIO(base64.b64decode(text)), weights_only=True)
    return found
