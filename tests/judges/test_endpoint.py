"""The deadline of a request, the secrecy of the key, and what no honest server replies."""

import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from reeltune.config.judge import JudgeConfig
from reeltune.errors import InputError
from reeltune.judges.chat import openai_judge
from reeltune.judges.questions import BadReply, Entailment, Extraction, Grading

from .conftest import Handler, serving, truthful  # type: ignore[import-not-found]

QUESTION = Entailment("a text", ("yes this", "no that", "maybe"))
ANSWER = ("entailment", "contradiction", "neutral")
KEY = "sk-canary/7d2f+e41b"
DEADLINE = 0.4
LATE = 20.0
"""Seconds after the deadline within which a busy machine comes to it. The servers here never end by themselves."""


def drip(handler: Handler, status: int, *, headers: bool) -> None:
    """A byte each 50 ms for ever: of a header, or of a body."""
    handler.wfile.write(f"HTTP/1.1 {status} X\r\n".encode() + (b"X-Slow: " if headers else b"\r\n"))
    while True:
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize("status", [200, 401, 500])
@pytest.mark.parametrize("headers", [True, False])
def test_one_deadline_holds_for_headers_bodies_and_the_bodies_of_errors(
    serve: Any, judge_of: Any, status: int, headers: bool
) -> None:
    server = serve(lambda handler, body, number: drip(handler, status, headers=headers))
    started = time.monotonic()
    assert judge_of(server, timeout_s=DEADLINE, attempts=1).ask([QUESTION, Extraction("b")]) == [None, None]
    assert DEADLINE <= time.monotonic() - started < DEADLINE + LATE
    assert len(server.requests) == 2


@contextmanager
def deaf() -> Iterator[int]:
    """A port whose queue of connections is full: a connection is neither taken nor refused."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
            waiting.append(client)
        yield listener.getsockname()[1]
        for client in waiting:
            client.close()


def test_the_deadline_holds_for_connecting(judge_of: Any) -> None:
    with deaf() as port:
        started = time.monotonic()
        judge = judge_of(f"http://127.0.0.1:{port}/v1", timeout_s=DEADLINE, attempts=1)
        assert judge.ask([QUESTION]) == [None]
        assert DEADLINE <= time.monotonic() - started < DEADLINE + LATE


def echo(status: int) -> Callable[..., None]:
    """A server that repeats the key everywhere it can, in several forms."""

    def behavior(handler: Handler, body: dict[str, Any], number: int) -> None:
        header = handler.headers["Authorization"]
        escaped = header.replace("/", "\\/")
        said = json.dumps({"labels": ["entailment"] * 3, "note": header})
        content = {"choices": [{"message": {"content": said}}], "note": header}
        text = json.dumps(content if status == 200 else {"error": f"{'x' * 270} {header} {escaped}"})
        handler.send_bytes(status, text.replace("/", "\\/").encode(), X_Echo=header, Location=header)

    return behavior


@pytest.mark.parametrize("status", [200, 302, 400, 401, 429, 500])
def test_an_echoed_key_reaches_no_output(
    serve: Any, judge_of: Any, tmp_path: Path, capsys: Any, caplog: Any, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "t.jsonl"
    server = serve(echo(status))
    judge = judge_of(server, path, key=f"  {KEY}\n", attempts=2, max_failures=1)
    said = ""
    try:
        answers = judge.ask([QUESTION])
        said = str(answers)
    except InputError as error:
        said = repr(error) + str(error.__cause__) + str(error.__context__)
    outputs = [said, str(judge.record()), caplog.text, *capsys.readouterr()]
    outputs.append(path.read_text() if path.exists() else "")
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    for text in outputs:
        assert "canary" not in text and "7d2f" not in text
    if status == 200:
        assert "(key)" in outputs[-1], "the server echoed nothing: the test shows nothing"


def test_a_short_placeholder_is_no_secret(serve: Any, judge_of: Any) -> None:
    server = serve(lambda handler, body, number: handler.say('{"pred": "no", "score": 1}'))
    [rating] = judge_of(server, key="no").ask([Grading("q", "r", "a")])
    assert not rating.right


@pytest.mark.parametrize("key", ["", " \n", "two words", "sk-canary\nX-Other: 1", "sk-canäry"])
def test_a_key_that_no_header_holds_is_refused_without_being_repeated(judge_of: Any, key: str) -> None:
    with pytest.raises(InputError, match="printable ASCII") as raised:
        judge_of("http://127.0.0.1:9/v1", key=key)
    assert "can" not in str(raised.value).replace("cannot", "")


@pytest.mark.parametrize("url", ["http://u:sk-canary@h/v1", "http://h/v1?key=sk-canary", "http://h/v1#sk-canary"])
def test_an_address_with_a_secret_is_refused_without_being_repeated(judge_of: Any, url: str) -> None:
    with pytest.raises(InputError, match=r"judge\.base_url") as raised:
        judge_of(url)
    assert "canary" not in str(raised.value)


def test_the_key_in_place_of_its_variable_is_refused_without_being_repeated(monkeypatch: Any) -> None:
    settings = {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    for key in ("sk-canary", "gsk_canary", "hf_CANARYcanary"):
        with pytest.raises(ValidationError, match="must be the name of an environment variable") as raised:
            JudgeConfig(**settings, api_key_env=key)
        assert "canary" not in str(raised.value)
    monkeypatch.setenv("JUDGE_KEY", " \n")
    with pytest.raises(InputError, match="variable is missing or empty"):
        openai_judge(JudgeConfig(**settings, api_key_env="JUDGE_KEY"))


def reply(content: object = '{"labels": ["entailment", "contradiction", "neutral"]}', **usage: object) -> str:
    return json.dumps({"choices": [{"message": {"content": content}}], "usage": usage})


ABSURD = {
    "negative count": reply(prompt_tokens=-1),
    "huge count": reply(completion_tokens=10**30),
    "a count of 5000 digits": reply().replace('"usage": {}', '"usage": {"prompt_tokens": ' + "9" * 5000 + "}"),
    "infinite count": reply(prompt_tokens=float("inf")),
    "NaN": reply(prompt_tokens=float("nan")),
    "a fraction": reply(prompt_tokens=1.5),
    "true": reply(prompt_tokens=True),
    "text": reply(prompt_tokens="7"),
    "a list": reply(prompt_tokens=[7]),
    "usage is a list": reply().replace('"usage": {}', '"usage": [7]'),
    "half a surrogate pair": reply("\ud800"),
    "deep nesting": "[" * 100_000,
}


@pytest.mark.parametrize("name", ABSURD)
def test_an_absurd_reply_is_an_unanswered_judgment(judge_of: Any, tmp_path: Path, name: str) -> None:
    with serving(lambda handler, body, number: handler.send_bytes(200, ABSURD[name].encode())) as server:
        judge = judge_of(server, tmp_path / "t.jsonl", attempts=2)
        assert judge.ask([QUESTION]) == [None]
        assert (judge.counts.failures, judge.counts.calls, judge.counts.retries) == (1, 0, 1)
        assert (judge.counts.prompt_tokens, judge.counts.completion_tokens) == (0, 0)


def test_a_reply_without_usage_is_one(serve: Any, judge_of: Any) -> None:
    for body in (
        reply(),
        reply(prompt_tokens=None),
        reply().replace(', "usage": {}', ""),
        reply().replace("{}", "null"),
    ):
        server = serve(lambda handler, _, number, body=body: handler.send_bytes(200, body.encode()))
        assert judge_of(server).ask([QUESTION]) == [ANSWER]


def test_a_reply_without_end_is_cut(serve: Any, judge_of: Any) -> None:
    def flood(handler: Handler, body: dict[str, Any], number: int) -> None:
        if number:
            truthful(handler, body, number)
            return
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" " * 2**17)

    judge = judge_of(serve(flood))
    assert judge.ask([QUESTION]) == [ANSWER] and judge.counts.retries == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"pred": "yes", "score": 1e999}',
        '{"pred": "yes", "score": NaN}',
        '{"pred": "yes", "score": -1}',
        '{"pred": "yes", "score": 99999999999999999999999999}',
        '{"pred": "yes", "score": ' + "9" * 5000 + "}",
        '{"pred": "yes", "score": 0x' + "f" * 5000 + "}",
        '{"pred": "yes", "score": 1, "why": "\\ud800"}',
    ],
)
def test_huge_negative_and_half_written_values_are_bad_replies(text: str) -> None:
    with pytest.raises(BadReply):
        Grading("q", "r", "a").read(text)
    with pytest.raises(BadReply):
        Extraction("t").read('["an event", "\\udfff"]')
