"""One request to an OpenAI-compatible chat endpoint (vLLM, SGLang, a vendor), with retries.

Standard library only: judging is bound by the server, not by the client. Requests do not stream. What passes (429,
5xx, time-outs, broken connections, bodies cut off or malformed) is tried again with growing, jittered pauses, as
`Retry-After` asks; what does not (a wrong key, no such model or path, a redirect) is an InputError at once. Redirects
are not followed: they would carry the key elsewhere.
"""

import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any

from reeltune.errors import InputError
from reeltune.judges.prompts import Message
from reeltune.judges.transcript import ModelSettings

FATAL = {301, 302, 303, 307, 308, 401, 403, 404, 405}
PASSING = {408, 409, 425, 429}
LONGEST_PAUSE = 60.0
LARGEST_REPLY = 16 * 2**20


class Unanswered(Exception):
    """The endpoint gave no usable reply; the message says why. `refused`: nothing listens there."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class _Retry(Exception):
    def __init__(self, reason: str, *, after: float | None = None, refused: bool = False) -> None:
        super().__init__(reason)
        self.after = after
        self.refused = refused


@dataclass(frozen=True)
class Reply:
    text: str
    prompt_tokens: int
    completion_tokens: int


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Endpoint:
    """`attempts` requests per prompt at most, each `timeout_s` long at most, pauses from `backoff_s` on doubling."""

    def __init__(
        self,
        base_url: str,
        settings: ModelSettings,
        *,
        key: str | None = None,
        timeout_s: float = 60.0,
        attempts: int = 6,
        backoff_s: float = 1.0,
    ) -> None:
        if not base_url.startswith(("http://", "https://")) or "@" in base_url:
            raise InputError(
                f"judge.base_url must look like http://HOST:PORT/v1, without a user or key in it; got {base_url!r}"
            )
        self.url = base_url.rstrip("/") + "/chat/completions"
        self.settings = settings
        self.timeout_s = timeout_s
        self.attempts = attempts
        self.backoff_s = backoff_s
        self._key = key
        self._opener = urllib.request.build_opener(_NoRedirect)

    def complete(
        self, messages: Sequence[Message], *, on_retry: Callable[[], None], stop: threading.Event | None = None
    ) -> Reply:
        """The reply to a prompt. Raises Unanswered after the last attempt, InputError for what retries cannot fix.

        `stop` ends the pauses early: the request under way is finished, none follows.
        """
        stop = stop or threading.Event()
        for attempt in range(1, self.attempts + 1):
            try:
                return self._once(messages)
            except _Retry as error:
                if attempt == self.attempts or stop.is_set():
                    raise Unanswered(f"{error} ({attempt} attempts)", refused=error.refused) from None
                on_retry()
                stop.wait(self._pause(attempt, error.after))
        raise AssertionError("attempts is at least 1")

    def _pause(self, attempt: int, after: float | None) -> float:
        grown = self.backoff_s * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.5)
        return min(LONGEST_PAUSE, max(grown, after or 0.0))

    def _once(self, messages: Sequence[Message]) -> Reply:
        settings = self.settings
        body = {
            "model": settings.model,
            "messages": list(messages),
            "temperature": settings.temperature,
            "max_tokens": settings.max_tokens,
            "stream": False,
        }
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self.url, json.dumps(body).encode("utf-8"), headers, method="POST")
        deadline = time.monotonic() + self.timeout_s
        try:
            with self._opener.open(request, timeout=self.timeout_s) as response:
                return _reply(_read(response, deadline))
        except urllib.error.HTTPError as error:
            raise self._refusal(error) from None
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            refused = isinstance(reason, ConnectionRefusedError) or type(reason).__name__ == "gaierror"
            raise _Retry(f"{self.url}: {type(reason).__name__}: {reason}", refused=refused) from None

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        with error:
            try:
                said = error.read(2000).decode("utf-8", "replace").strip()
            except (OSError, http.client.HTTPException):
                said = ""
        text = f"{self.url} answered {error.code} {error.reason}: {said[:300]}"
        if self._key:
            text = text.replace(self._key, "(key)")
        if error.code in FATAL:
            return InputError(f"the judge refuses: {text}; check judge.base_url, judge.model and judge.api_key_env")
        if error.code in PASSING or error.code >= 500:
            return _Retry(text, after=_seconds(error.headers.get("Retry-After")))
        return Unanswered(text)


def _read(response: IO[bytes], deadline: float) -> bytes:
    """The whole body. Raises _Retry when it trickles past the deadline, IncompleteRead when it is cut off."""
    parts, size = [], 0
    read = getattr(response, "read1", response.read)
    while part := read(65536):
        parts.append(part)
        size += len(part)
        if time.monotonic() > deadline:
            raise _Retry("the reply did not end before the time-out")
        if size > LARGEST_REPLY:
            raise _Retry(f"the reply is larger than {LARGEST_REPLY} bytes")
    length = getattr(response, "headers", {}).get("Content-Length")
    if length is not None and length.isdigit() and size < int(length):
        raise http.client.IncompleteRead(b"", int(length) - size)
    return b"".join(parts)


def _reply(body: bytes) -> Reply:
    try:
        answer = json.loads(body)
        text = answer["choices"][0]["message"]["content"]
        usage = answer.get("usage") or {}
        if not isinstance(text, str):
            raise TypeError(f"the content is {text!r}")
        return Reply(text, int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise _Retry(f"malformed reply ({type(error).__name__}: {error}): {body[:200]!r}") from None


def _seconds(value: str | None) -> float | None:
    """`Retry-After` in seconds; the date form is left to our own pauses."""
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None
