"""One vLLM server: what it is asked for, and what each failure of it means.

Its calls are those of vLLM 0.32 in development mode (`reeltune serve`). A server that does not answer, hangs or breaks
is `Down`, with the phase and the address; one that answers that the request is wrong is `Refused`.
"""

import json
from typing import Any

import httpx2

from reeltune.errors import InputError
from reeltune.http import Requests, Response

LARGEST_ANSWER = 2**30
LOOK_S = 10.0
"""Longest answer to a question that costs a server nothing."""
SAID = 400
ADAPTER = "reeltune-adapter"
"""The name that a published adapter goes by on a server."""


class Down(Exception):
    """A server gave no usable answer. `slow`: its time was up, it may still live."""

    def __init__(self, url: str, phase: str, reason: str, *, slow: bool = False) -> None:
        super().__init__(f"{url}: {phase}: {reason}")
        self.url, self.phase, self.slow = url, phase, slow


class Refused(InputError):
    """A server lives and says that the request is wrong."""


class Server:
    """Of any thread. `timeout_s`: longest answer to one request, and longest step of publishing."""

    def __init__(self, url: str, requests: Requests, *, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        self.timeout_s = timeout_s
        self._requests = requests

    # Looking at it

    def version(self) -> str:
        """Of vLLM."""
        return str(self._get("/version", "version")["version"])

    def model(self) -> dict[str, Any]:
        """The model it serves: `id`, `root`, `max_model_len`."""
        rows: list[dict[str, Any]] = self._get("/v1/models", "model")["data"]
        base = [row for row in rows if not row.get("parent")]
        return (base or rows)[0]

    def weights(self) -> str:
        """The version of its weights, as it was last told."""
        return str(self._get("/weight_info", "weight version").get("weight_version"))

    def lives(self) -> bool:
        try:
            return self._send("GET", "/health", None, "health", LOOK_S).status == 200
        except Down:
            return False

    # Asking it

    def complete(self, body: bytes) -> dict[str, Any]:
        """The answer to one chat completion."""
        found = self._json(self._send("POST", "/v1/chat/completions", body, "request", self.timeout_s))
        if not isinstance(found, dict):
            raise Down(self.url, "request", f"an invalid answer: {str(found)[:SAID]!r}")
        return found

    # Changing its weights

    def pause(self) -> None:
        """End what it still computes, and compute nothing until `resume`."""
        self._post("/pause?mode=abort", None, "publishing, pause")

    def resume(self) -> None:
        self._post("/resume", None, "publishing, resume")

    def load_model(self, folder: str) -> None:
        """Read all weights anew; no cache of the old ones stays."""
        call = {"method": "reeltune_load", "kwargs": {"weights_path": folder}, "timeout": self.timeout_s}
        self._post("/collective_rpc", call, "publishing, load")
        self.forget()

    def load_adapter(self, folder: str) -> None:
        call = {"lora_name": ADAPTER, "lora_path": folder, "load_inplace": True}
        self._post("/v1/load_lora_adapter", call, "publishing, load")
        self.forget()

    def forget(self) -> None:
        """Drop what it remembers of prompts, media and features: all of it was computed by older weights."""
        found = self._post("/reset_prefix_cache", None, "publishing, prefix cache")
        if isinstance(found, dict) and found.get("success") is False:
            raise Down(self.url, "publishing, prefix cache", "it still has blocks in use and was not reset")
        self._post("/reset_mm_cache", None, "publishing, media cache")
        self._post("/reset_encoder_cache", None, "publishing, encoder cache")

    def call_it(self, version: str) -> None:
        self._post("/update_weight_version", {"new_version": version}, "publishing, version")

    def weight_sum(self) -> list[dict[str, Any]]:
        """Of each worker: {"sum", "dtypes"}, see `vllm_plugin`."""
        found = self._post("/collective_rpc", {"method": "reeltune_weight_sum"}, "publishing, checksum")
        rows: list[dict[str, Any]] = found["results"]
        return rows

    # HTTP

    def _get(self, path: str, phase: str) -> Any:
        return self._json(self._send("GET", path, None, phase, LOOK_S), phase)

    def _post(self, path: str, call: Any, phase: str) -> Any:
        body = b"" if call is None else json.dumps(call).encode()
        return self._json(self._send("POST", path, body, phase, self.timeout_s), phase)

    def _send(self, method: str, path: str, body: bytes | None, phase: str, timeout_s: float) -> Response:
        url = self.url + path
        try:
            if method == "GET":
                return self._requests.get(url, timeout_s)
            return self._requests.post(url, body or b"", {"Content-Type": "application/json"}, timeout_s)
        except TimeoutError:
            raise Down(self.url, phase, f"no complete answer within {timeout_s:g} s", slow=True) from None
        except httpx2.HTTPError as error:
            raise Down(
                self.url, phase, f"{type(error).__name__}: {error or 'the server closed the connection'}"
            ) from None

    def _json(self, response: Response, phase: str = "request") -> Any:
        said = response.text[:SAID] if response.status != 200 else ""
        if response.status in (400, 404, 405, 413, 422):
            raise Refused(f"{self.url}: {phase}: the server answered {response.status}: {said}")
        if response.status != 200:
            raise Down(self.url, phase, f"the server answered {response.status}: {said}")
        if response.cut:
            raise Down(self.url, phase, f"an answer of more than {LARGEST_ANSWER} bytes")
        if not response.body.strip():
            return None
        try:
            return json.loads(response.body)
        except ValueError:
            # Loading an adapter is answered by a plain sentence.
            return response.text
