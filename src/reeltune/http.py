"""Requests under one deadline, from the look-up of the host's name to the last byte of the body.

httpx2 alone limits the wait for each part: a server that sends a byte now and then would never be given up. Here every
request is a task of one event loop, and its deadline cancels it wherever it stands. Redirects are not followed: they
would carry a key elsewhere.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from reeltune.event_loop import event_loop

LARGEST_ERROR = 4096
"""Bytes that are read of an answer which is not 200."""


@dataclass(frozen=True)
class Response:
    """`cut`: the body went on past what is read of one."""

    status: int
    retry_after: str | None
    body: bytes
    cut: bool

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace").strip()


class Requests:
    """Requests of any thread, all under way in one event loop; at most `largest` bytes of an answer are read."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self._client: httpx2.AsyncClient | None = None
        # What a server answers may hold the key, and httpcore notes headers at level DEBUG.
        for name in ("httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)

    def post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Response:
        """TimeoutError past the deadline, an httpx2.HTTPError for a connection that fails."""
        return self._send("POST", url, body, headers, timeout_s)

    def get(self, url: str, timeout_s: float) -> Response:
        """As `post`."""
        return self._send("GET", url, b"", {}, timeout_s)

    def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Response:
        sending = self._stream(method, url, body, headers, timeout_s)
        return asyncio.run_coroutine_threadsafe(sending, event_loop()).result()

    async def _stream(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> Response:
        if self._client is None:
            # Our deadline is the only one, and who asks limits how many ask at a time.
            self._client = httpx2.AsyncClient(timeout=None, limits=httpx2.Limits(), follow_redirects=False)
        async with (
            asyncio.timeout(timeout_s),
            self._client.stream(method, url, content=body, headers=dict(headers)) as response,
        ):
            most = self.largest if response.status_code == 200 else LARGEST_ERROR
            parts, size = [], 0
            async for part in response.aiter_bytes():
                parts.append(part)
                size += len(part)
                if size > most:
                    break
            whole = b"".join(parts)[:most]
            return Response(response.status_code, response.headers.get("Retry-After"), whole, size > most)
