"""The judge over the network, against a server that fails in every way that is known to happen."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from reeltune.errors import InputError
from reeltune.judges.questions import Entailment, Extraction

from .conftest import Handler, truthful  # type: ignore[import-not-found]

QUESTION = Entailment("a text", ("yes this", "no that", "maybe"))
ANSWER = ("entailment", "contradiction", "neutral")


def test_an_answer(serve: Any, judge_of: Any) -> None:
    server = serve(truthful)
    judge = judge_of(server)
    assert judge.ask([QUESTION]) == [ANSWER]
    (body,) = server.requests
    assert body["model"] == "test-model" and body["temperature"] == 0.0 and body["stream"] is False
    assert "a text" in body["messages"][-1]["content"]
    record = judge.record()
    assert record["judge"] == "openai" and record["model"] == "test-model" and record["prompts"] == "own"
    assert (record["calls"], record["failures"], record["prompt_tokens"], record["completion_tokens"]) == (1, 0, 7, 3)


def once(first: Any) -> Any:
    """A server whose first reply is `first`, all others truthful."""

    def behavior(handler: Handler, body: dict[str, Any], number: int) -> None:
        first(handler) if number == 0 else truthful(handler, body, number)

    return behavior


def cut_chunked(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b'40\r\n{"choices": [')
    handler.close_connection = True


PASSING = {
    "429": lambda h: h.send(429, {"error": "slow down"}, Retry_After="0"),
    "429 with a date": lambda h: h.send(429, {}, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"),
    "500": lambda h: h.send(500, {"error": "oops"}),
    "503": lambda h: h.send_bytes(503, b"<html>down</html>"),
    "hang up": lambda h: setattr(h, "close_connection", True),
    "cut off": lambda h: h.send_bytes(200, b'{"choices": [{"mess', length=500),
    "cut off in chunks": cut_chunked,
    "not JSON": lambda h: h.send_bytes(200, b"<html>hello</html>"),
    "empty": lambda h: h.send_bytes(200, b""),
    "no choices": lambda h: h.send(200, {"choices": []}),
    "another shape": lambda h: h.send(200, ["what"]),
    "no text": lambda h: h.send(200, {"choices": [{"message": {"content": None}}]}),
    "too slow": lambda h: time.sleep(1.0),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_tried_again(serve: Any, judge_of: Any, name: str) -> None:
    judge = judge_of(serve(once(PASSING[name])), timeout_s=0.4)
    assert judge.ask([QUESTION]) == [ANSWER]
    assert (judge.counts.retries, judge.counts.calls, judge.counts.failures) == (1, 1, 0)


def test_a_reply_that_trickles_past_the_deadline(serve: Any, judge_of: Any) -> None:
    def trickle(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(12):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)

    judge = judge_of(serve(once(trickle)), timeout_s=0.3)
    assert judge.ask([QUESTION]) == [ANSWER]
    assert judge.counts.retries == 1


WRONG = {
    "too few labels": '{"labels": ["entailment"]}',
    "too many labels": '{"labels": ["entailment", "neutral", "neutral", "neutral"]}',
    "unknown label": '{"labels": ["entailment", "maybe", "neutral"]}',
    "malformed JSON": '{"labels": ["entailment", ',
    "prose": "All of them are entailed.",
    "a number": "3",
    "empty": "",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_reply_in_the_wrong_form_is_asked_again(serve: Any, judge_of: Any, name: str) -> None:
    judge = judge_of(serve(once(lambda h: h.say(WRONG[name]))))
    assert judge.ask([QUESTION]) == [ANSWER]
    assert (judge.counts.rejected, judge.counts.calls, judge.counts.failures) == (1, 2, 0)


def test_wrong_forms_end_as_unanswered_and_are_not_paid_for_again(serve: Any, judge_of: Any, tmp_path: Path) -> None:
    server = serve(lambda handler, body, number: handler.say("no idea"))
    path = tmp_path / "transcript.jsonl"
    judge = judge_of(server, path, replies=3)
    assert judge.ask([QUESTION]) == [None]
    assert (judge.counts.failures, judge.counts.calls) == (1, 3)
    again = judge_of(server, path, replies=3)
    assert again.ask([QUESTION]) == [None]
    assert (again.counts.failures, again.counts.calls) == (1, 0)
    assert len(server.requests) == 3


def test_a_judge_that_never_obeys_stops_the_run(serve: Any, judge_of: Any) -> None:
    server = serve(lambda handler, body, number: handler.say("I would rather not."))
    judge = judge_of(server, max_failures=3, concurrency=1)
    with pytest.raises(InputError, match=r"failed to answer [34] questions in a row; the last: 2 malformed replies"):
        judge.ask([Entailment(f"text {number}", ("yes",)) for number in range(50)])
    assert 6 <= len(server.requests) <= 8  # what was under way when the third gave up


def test_more_questions_than_a_batch(serve: Any, judge_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reeltune.judges.chat.BATCH", 4)
    server = serve(truthful)
    questions = [Entailment(f"text {number % 7}", ("yes", "no")[number % 2 :]) for number in range(14)]
    answers = judge_of(server).ask(questions)
    assert answers == [("entailment", "contradiction")[number % 2 :] for number in range(14)]
    assert len(server.requests) == 14


def test_attempts_end_as_unanswered_never_as_zero(serve: Any, judge_of: Any) -> None:
    server = serve(lambda handler, body, number: handler.send(500, {}))
    judge = judge_of(server, attempts=3)
    assert judge.ask([QUESTION, Extraction("b")]) == [None, None]
    assert len(server.requests) == 6
    assert (judge.counts.failures, judge.counts.calls, judge.counts.retries) == (2, 0, 4)


def test_a_prompt_that_is_refused_alone_is_unanswered(serve: Any, judge_of: Any) -> None:
    def behavior(handler: Handler, body: dict[str, Any], number: int) -> None:
        if "far too long" in body["messages"][-1]["content"]:
            handler.send(400, {"error": "context length exceeded"})
        else:
            truthful(handler, body, number)

    server = serve(behavior)
    judge = judge_of(server)
    assert judge.ask([QUESTION, Entailment("far too long", ("yes",))]) == [ANSWER, None]
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [401, 403, 404, 302, 307])
def test_what_retries_cannot_mend_is_an_error(serve: Any, judge_of: Any, status: int) -> None:
    server = serve(lambda handler, body, number: handler.send(status, {"error": "no sk-secret"}, Location="/other"))
    with pytest.raises(InputError, match=rf"answered {status}.*check judge.base_url") as raised:
        judge_of(server, key="sk-secret").ask([QUESTION])
    assert "sk-secret" not in str(raised.value)
    assert len(server.requests) == 1


def test_the_key_is_sent_and_only_in_the_header(serve: Any, judge_of: Any, tmp_path: Path) -> None:
    server = serve(truthful)
    judge = judge_of(server, tmp_path / "t.jsonl", key="sk-secret")
    judge.ask([QUESTION])
    assert server.headers[0]["Authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in (tmp_path / "t.jsonl").read_text() + str(judge.record()) + str(server.requests)


def test_nobody_listens(judge_of: Any) -> None:
    with pytest.raises(InputError, match=r"cannot be reached.*start it, or check judge.base_url"):
        judge_of("http://127.0.0.1:9", attempts=2).ask([QUESTION])


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x/v1", "http://user:key@host/v1"])
def test_a_wrong_address(judge_of: Any, url: str) -> None:
    with pytest.raises(InputError, match=r"judge\.base_url"):
        judge_of(url)


def test_too_many_failures_in_a_row_stop_the_run_and_keep_what_was_judged(
    serve: Any, judge_of: Any, tmp_path: Path
) -> None:
    def behavior(handler: Handler, body: dict[str, Any], number: int) -> None:
        truthful(handler, body, number) if number < 5 else handler.send(500, {})

    path = tmp_path / "transcript.jsonl"
    judge = judge_of(serve(behavior), path, attempts=1, max_failures=4, concurrency=1)
    with pytest.raises(InputError, match=r"failed to answer [45] questions in a row.*5 replies are saved"):
        judge.ask([Entailment(f"text {number}", ("yes",)) for number in range(100)])
    healthy = serve(truthful)
    again = judge_of(healthy, path)
    answers = again.ask([Entailment(f"text {number}", ("yes",)) for number in range(100)])
    assert answers == [("entailment",)] * 100
    assert len(healthy.requests) == 95 and again.counts.cache_hits == 5


def test_thirty_percent_failures_under_load(serve: Any, judge_of: Any, tmp_path: Path) -> None:
    """Every way to fail at random: no answer is wrong or lost, at most `concurrency` requests at a time."""
    rng = random.Random(0)
    lock = threading.Lock()
    ways = [name for name in PASSING if name != "too slow"]
    at_once = [0]

    def behavior(handler: Handler, body: dict[str, Any], number: int) -> None:
        with lock:
            fails, way = rng.random() < 0.3, rng.choice(ways)
            at_once.append(at_once[-1] + 1)
        time.sleep(0.002)
        with lock:
            at_once.append(at_once[-1] - 1)
        PASSING[way](handler) if fails else truthful(handler, body, number)

    server = serve(behavior)
    judge = judge_of(server, tmp_path / "t.jsonl", attempts=12, concurrency=8)
    words = ["yes", "no", "maybe"]
    questions = [Entailment(f"text {n}", tuple(words[(n + k) % 3] for k in range(3))) for n in range(300)]
    labels = {"yes": "entailment", "no": "contradiction", "maybe": "neutral"}
    done: list[int] = []
    answers = judge.ask(questions, done.append)
    assert answers == [tuple(labels[word] for word in question.statements) for question in questions]
    assert sum(done) == 300
    assert 2 <= max(at_once) <= 8
    assert judge.counts.calls == 300 and judge.counts.failures == 0
    assert judge.counts.retries == len(server.requests) - 300 > 60


def test_equal_prompts_are_sent_once(serve: Any, judge_of: Any, tmp_path: Path) -> None:
    server = serve(truthful)
    judge = judge_of(server, tmp_path / "t.jsonl")
    assert judge.ask([QUESTION] * 5) == [ANSWER] * 5
    assert judge.ask([QUESTION]) == [ANSWER]
    assert judge_of(server, tmp_path / "t.jsonl").ask([QUESTION]) == [ANSWER]
    assert len(server.requests) == 1
    assert (judge.counts.questions, judge.counts.calls, judge.counts.cache_hits) == (6, 1, 5)


def test_cost_is_known_before_and_falls_with_what_is_known(serve: Any, judge_of: Any, tmp_path: Path) -> None:
    judge = judge_of(serve(truthful), tmp_path / "t.jsonl")
    questions = [QUESTION, QUESTION, Extraction("b" * 4000)]
    cost = judge.cost(questions)
    assert (cost.calls, cost.free, cost.completion_tokens) == (2, 1, 512)
    assert 1000 < cost.prompt_tokens < 2000
    judge.ask([QUESTION])
    assert judge.cost(questions).calls == 1


KILLED = """
import sys
from reeltune.judges.chat import OpenAIJudge
from reeltune.judges.endpoint import Endpoint
from reeltune.judges.prompts import load_prompts
from reeltune.judges.questions import Entailment
from reeltune.judges.transcript import ModelSettings, Transcript
from pathlib import Path

endpoint = Endpoint(sys.argv[1], ModelSettings("test-model", 0.0, 256), backoff_s=0.01)
judge = OpenAIJudge(endpoint, load_prompts(), Transcript(Path(sys.argv[2])), concurrency=4)
judge.ask([Entailment(f"text {number}", ("yes",)) for number in range(200)])
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_pays_for_nothing_twice(serve: Any, judge_of: Any, tmp_path: Path, how: signal.Signals) -> None:
    def behavior(handler: Handler, body: dict[str, Any], number: int) -> None:
        time.sleep(0.01)
        truthful(handler, body, number)

    server = serve(behavior)
    path = tmp_path / "t.jsonl"
    process = subprocess.Popen([sys.executable, "-c", KILLED, server.url, str(path)], stderr=subprocess.DEVNULL)
    while len(server.requests) < 50:
        time.sleep(0.005)
    process.send_signal(how)
    process.wait(10)
    # The server still reads what was on its way when the client died: until a second brings no more.
    seen = -1
    while seen != len(server.requests):
        seen = len(server.requests)
        time.sleep(1.0)
    with path.open("ab") as file:
        file.write(b'{"hash": "torn')
    stored = path.read_bytes().count(b"\n")
    before = len(server.requests)
    judge = judge_of(server, path, concurrency=4)
    answers = judge.ask([Entailment(f"text {number}", ("yes",)) for number in range(200)])
    assert answers == [("entailment",)] * 200
    assert len(server.requests) - before == 200 - stored
    assert before - stored <= (4 if how == signal.SIGKILL else 0)
    # A torn end stays until something is written after it.
    assert all(json.loads(line) for line in path.read_text().split("\n")[:-1])
