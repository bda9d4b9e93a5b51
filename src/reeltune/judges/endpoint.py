"""One request to an OpenAI-compatible chat endpoint (vLLM, SGLang, a vendor), with retries.

httpx2 sends, tenacity tries again. What passes (429, 5xx, time-outs, broken connections, bodies cut off or malformed)
is tried again with growing, jittered pauses, as `Retry-After` asks; what does not (a wrong key, no such model or path,
a redirect) is an InputError at once. Redirects are not followed: they would carry the key elsewhere.

One deadline holds for the whole of a request, to the last byte of its answer, of an error's too (`reeltune.http`).
"""

import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_attempt,
    stop_when_event_set,
    wait_exponential_jitter,
)

from reeltune.errors import InputError
from reeltune.http import Requests, Response
from reeltune.judges.transcript import ModelSettings

FATAL = {301, 302, 303, 307, 308, 401, 403, 404, 405}
PASSING = {408, 409, 425, 429}
LONGEST_PAUSE = 60.0
LARGEST_REPLY = 4 * 2**20
MOST_TOKENS = 10**8
"""What no single reply costs; a count above it is a fault of the server."""
SECRET_LENGTH = 8
"""Shorter keys are placeholders ("EMPTY", "none"), which honest replies may hold."""


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
    truncated: bool = False
    """The token limit ended it."""


class Key:
    """A secret without white space around it. It goes into the header of a request, and nowhere else."""

    def __init__(self, secret: str, name: str = "the key") -> None:
        """`name` stands for the key in messages. InputError, without the key, for what no header can hold."""
        self._secret = secret.strip()
        if not self._secret or not all("!" <= character <= "~" for character in self._secret):
            raise InputError(f"{name} must be one word of printable ASCII characters; it is empty or contains others")
        forms = {self._secret, json.dumps(self._secret)[1:-1], self._secret.replace("/", r"\/"), quote(self._secret)}
        self._forms = sorted(forms, key=len, reverse=True)

    def __repr__(self) -> str:
        return "(key)"

    @property
    def header(self) -> str:
        return f"Bearer {self._secret}"

    def cleaned(self, text: str, *, reply: bool = False) -> str:
        """`text` without the key, in the forms in which a server may echo it."""
        if reply and len(self._secret) < SECRET_LENGTH:
            return text
        for form in self._forms:
            text = text.replace(form, "(key)")
        return text


@dataclass(frozen=True)
class Names:
    """What its settings are called where they are given, for messages."""

    what: str
    address: str
    model: str
    key: str
    timeout: str


JUDGE = Names("the judge", "judge.base_url", "judge.model", "judge.api_key_env", "judge.timeout_s")


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
        names: Names = JUDGE,
    ) -> None:
        check_address(base_url, names)
        self.names = names
        self.url = base_url.rstrip("/") + "/chat/completions"
        self.settings = settings
        self.timeout_s = timeout_s
        self.attempts = attempts
        self._growing = wait_exponential_jitter(initial=backoff_s, max=LONGEST_PAUSE, jitter=backoff_s)
        self._key = Key(key) if key is not None else None
        self._requests = Requests(LARGEST_REPLY)

    def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        on_retry: Callable[[], None],
        stop: threading.Event | None = None,
        words: Mapping[str, Any] | None = None,
    ) -> Reply:
        """The reply to a prompt. Raises Unanswered after the last attempt, InputError for what retries cannot fix.

        `words`: what the request says beside messages and settings, such as a seed.
        `stop` ends the pauses early: the request under way is finished, none follows.
        """
        stop = stop or threading.Event()
        retrying = Retrying(
            retry=retry_if_exception_type(_Retry),
            stop=stop_after_attempt(self.attempts) | stop_when_event_set(stop),
            wait=self._pause,
            sleep=sleep_using_event(stop),
            before_sleep=lambda state: on_retry(),
            reraise=True,
        )
        try:
            return retrying(self._once, messages, words or {})
        except _Retry as error:
            tried = retrying.statistics["attempt_number"]
            raise Unanswered(f"{error} ({tried} attempts)", refused=error.refused) from None

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.after if isinstance(error, _Retry) else None
        return min(LONGEST_PAUSE, max(float(self._growing(state)), asked or 0.0))

    def _once(self, messages: Sequence[Mapping[str, Any]], words: Mapping[str, Any]) -> Reply:
        settings = self.settings
        body = {
            "model": settings.model,
            "messages": list(messages),
            "temperature": settings.temperature,
            "max_tokens": settings.max_tokens,
            "stream": False,
            **words,
        }
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = self._key.header
        try:
            response = self._requests.post(self.url, json.dumps(body).encode(), headers, self.timeout_s)
        except TimeoutError:
            raise _Retry(
                f"{self.url}: no complete answer within {self.names.timeout}={self.timeout_s:g} seconds"
            ) from None
        except httpx2.HTTPError as error:
            refused = isinstance(error, httpx2.ConnectError)
            raise _Retry(
                self._cleaned(f"{self.url}: {type(error).__name__}: {error or 'the server closed the connection'}"),
                refused=refused,
            ) from None
        if response.status != 200:
            raise self._refusal(response)
        return self._reply(response)

    def _refusal(self, response: Response) -> Exception:
        # The key goes before the text is shortened: half a key is one too many.
        said = self._cleaned(response.body.decode("utf-8", "replace")).strip()[:300]
        text = f"{self.url} answered {response.status}: {said}"
        if response.status in FATAL:
            names = self.names
            return InputError(
                f"{names.what} refused the request: {text}; check {names.address}, {names.model} and {names.key}"
            )
        if response.status in PASSING or response.status >= 500:
            return _Retry(text, after=_seconds(response.retry_after))
        return Unanswered(text)

    def _reply(self, response: Response) -> Reply:
        if response.cut:
            raise _Retry(f"the reply is larger than {LARGEST_REPLY} bytes")
        try:
            answer = json.loads(response.body)
            text = answer["choices"][0]["message"]["content"]
            usage = answer.get("usage") or {}
            ended = answer["choices"][0].get("finish_reason")
            if not isinstance(text, str):
                raise TypeError(f"the content is a {type(text).__name__}")
            text.encode()  # half a surrogate pair is not text; it could not be written down
            counts = (_tokens(usage, "prompt_tokens"), _tokens(usage, "completion_tokens"))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            said = self._cleaned(f"{type(error).__name__}: {error}): {response.body.decode('utf-8', 'replace')}")
            raise _Retry(f"malformed reply ({said[:300]}") from None
        shown = self._key.cleaned(text, reply=True) if self._key else text
        return Reply(shown, *counts, truncated=ended == "length")

    def _cleaned(self, text: str) -> str:
        return self._key.cleaned(text) if self._key else text


def check_address(base_url: str, names: Names = JUDGE) -> None:
    """InputError for an address that is none or holds more than one: what may be a secret in it is not repeated."""
    rule = f"{names.address} must look like http://HOST:PORT/v1, without a user, key or query"
    if any(sign in base_url for sign in "@?#") or not base_url.isprintable():
        raise InputError(f"{rule}; pass the key through {names.key}")
    if not base_url.startswith(("http://", "https://")):
        raise InputError(f"{rule}; got {base_url!r}")
    try:
        host = httpx2.URL(base_url).host
    except httpx2.InvalidURL as error:
        raise InputError(f"{rule}; got {base_url!r} ({error})") from None
    if not host:
        raise InputError(f"{rule}; got {base_url!r}")


def _tokens(usage: object, name: str) -> int:
    """0 where the server does not say. ValueError for what is no count of tokens."""
    if not isinstance(usage, dict):
        raise TypeError(f"the usage is a {type(usage).__name__}")
    count = usage.get(name)
    if count is None:
        return 0
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MOST_TOKENS:
        raise ValueError(f"usage.{name} is not a token count")
    return count


def _seconds(value: str | None) -> float | None:
    """`Retry-After` in seconds; the date form is left to our own pauses."""
    try:
        seconds = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
