"""The pool over servers that fail in every way, over real HTTP: each failure has a defined end."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from reeltune.errors import NoServers
from reeltune.http import Requests
from reeltune.rollout.pool import GivenUp, Job, Pool
from reeltune.rollout.server import Down, Server


class Stub:
    """A server without a model: it answers with its name and the request's seed."""

    def __init__(self, name: str) -> None:
        self.name, self.weights, self.port = name, "old", 0
        self.asked: list[int] = []
        self.poison: int | None = None
        self.slow_s = 0.0
        self.broken = 0
        self.answers: Any = None
        self.hang = ""
        self.released = threading.Event()
        self.start()

    def start(self) -> None:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = {"weight_version": stub.weights} if self.path == "/weight_info" else {}
                self.say(200, found)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.partition("?")[0] == stub.hang:
                    stub.released.wait()
                if self.path != "/v1/chat/completions":
                    return self.say(200, {})
                seed = json.loads(body)["seed"]
                stub.asked.append(seed)
                if seed == stub.poison:
                    threading.Thread(target=stub.kill).start()
                    stub.released.wait(0.2)
                    return self.connection.close()
                time.sleep(stub.slow_s)
                if stub.broken:
                    stub.broken -= 1
                    return self.say(500, {"error": "later"})
                return self.say(200, {"by": stub.name, "seed": seed} if stub.answers is None else stub.answers)

            def say(self, status: int, found: Any) -> None:
                data = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None  # clients that hang up
        self.port = self.http.server_address[1]
        self.alive = True
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def kill(self) -> None:
        if self.alive:
            self.alive = False
            self.http.shutdown()
            self.http.server_close()

    def restart(self) -> None:
        """With the weights that it was started with."""
        self.weights = "old"
        self.start()


@pytest.fixture
def stubs() -> Iterator[Callable[[int], list[Stub]]]:
    made: list[Stub] = []

    def make(count: int) -> list[Stub]:
        made.extend(Stub(f"s{index}") for index in range(count))
        return made

    yield make
    for each in made:
        each.released.set()
        each.kill()


def pool_of(stubs: list[Stub], *, timeout_s: float = 1.0, **more: Any) -> Pool:
    """A pool whose servers get the weights "new" by a call, as a publisher would do it."""
    by_url = {f"http://127.0.0.1:{each.port}": each for each in stubs}

    def prepare(server: Server) -> None:
        server.pause()
        by_url[server.url].weights = "new"
        prepared.append(by_url[server.url].name)

    prepared: list[str] = []
    requests = Requests(2**20)
    servers = [Server(url, requests, timeout_s=timeout_s) for url in by_url]
    pool = Pool(servers, prepare, timeout_s, look_every_s=0.05, **more)
    pool.renew("new")
    pool.prepared = prepared  # type: ignore[attr-defined]
    return pool


def jobs(count: int, read: Callable[[dict[str, Any]], Any] | None = None) -> list[Job]:
    def job(seed: int) -> Job:
        return Job(f"job-{seed}", lambda: json.dumps({"seed": seed}).encode(), read or (lambda answer: answer["seed"]))

    return [job(seed) for seed in range(count)]


def test_requests_are_spread_and_answered_in_order(stubs: Any) -> None:
    made = stubs(2)
    for each in made:
        each.slow_s = 0.05
    assert pool_of(made).ask(jobs(6)) == list(range(6))
    assert all(len(each.asked) >= 2 for each in made)


def test_a_server_that_dies_is_replaced_with_the_same_seed_and_counted(stubs: Any) -> None:
    first, second = stubs(2)
    pool = pool_of([first, second])
    first.kill()
    assert pool.ask(jobs(4)) == list(range(4))
    assert (
        set(second.asked) == set(range(4)) and pool.counts["lost servers"] == 1 and pool.counts["failed requests"] >= 1
    )
    assert not pool.members[0].ready


def test_a_server_that_comes_back_gets_the_weights_before_any_request(stubs: Any) -> None:
    first, second = stubs(2)
    pool = pool_of([first, second])
    first.kill()
    pool.ask(jobs(2))
    first.restart()
    assert first.weights == "old"
    pool.prepared.clear()  # type: ignore[attr-defined]
    pool.ask(jobs(1))
    assert pool.prepared == ["s0"] and first.weights == "new"  # type: ignore[attr-defined]
    assert pool.members[0].ready


def test_a_server_may_join_late(stubs: Any) -> None:
    first, second = stubs(2)
    second.kill()
    pool = pool_of([first, second])
    assert not pool.members[1].ready
    second.start()
    assert pool.ask(jobs(3)) == [0, 1, 2] and pool.members[1].ready and second.weights == "new"


def test_an_answer_by_other_weights_is_thrown_away(stubs: Any) -> None:
    first, second = stubs(2)
    pool = pool_of([first, second])
    first.weights = second.weights = "old"  # restarted behind our back: nothing broke
    assert pool.ask(jobs(2)) == [0, 1]
    assert pool.counts["failed requests"] >= 1 and {first.weights, second.weights} >= {"new"}


def test_a_slow_answer_goes_to_another_server(stubs: Any) -> None:
    first, second = stubs(2)
    pool = pool_of([first, second], timeout_s=0.4)
    first.slow_s = 10.0
    began = time.monotonic()
    assert pool.ask(jobs(2)) == [0, 1]
    # Whoever waited for the slow answer was here for as long; less is the other server's, however busy the machine.
    assert pool.counts["slow answers"] >= 1 and time.monotonic() - began < first.slow_s


def test_only_the_poisonous_request_is_given_up(stubs: Any) -> None:
    """All requests were on the server when it died; those that were not the cause are answered in the end."""
    made = stubs(3)
    for each in made:
        each.poison, each.slow_s = 2, 0.1
    pool = pool_of(made)
    found = pool.ask(jobs(5))
    assert [found[index] for index in (0, 1, 3, 4)] == [0, 1, 3, 4]
    assert isinstance(found[2], GivenUp) and "2 servers died" in found[2].reason
    assert sum(each.alive for each in made) == 1 and pool.deaths["job-2"] == 2


def test_a_request_that_servers_died_of_before_is_not_asked_again(stubs: Any) -> None:
    [only] = stubs(1)
    found = pool_of([only], deaths={"job-1": 2}).ask(jobs(2))
    assert found[0] == 0 and isinstance(found[1], GivenUp) and only.asked == [0]


def test_a_server_that_only_fails_now_and_then_is_asked_again(stubs: Any) -> None:
    [only] = stubs(1)
    only.broken = 2
    pool = pool_of([only])
    assert pool.ask(jobs(1)) == [0] and pool.counts["failed requests"] == 2.0 and pool.deaths == {}


def test_what_is_no_answer_is_given_up_after_the_last_try(stubs: Any) -> None:
    made = stubs(2)
    for each in made:
        each.answers = ["none"]

    def read(answer: Any) -> Any:
        raise ValueError("no choices")

    [found] = pool_of(made, retries=2).ask(jobs(1, read))
    assert isinstance(found, GivenUp) and "no answer in 3 tries" in found.reason
    assert sum(len(each.asked) for each in made) == 3


def test_none_left_names_every_server(stubs: Any) -> None:
    made = stubs(2)
    pool = pool_of(made, timeout_s=0.3)
    for each in made:
        each.kill()
    with pytest.raises(NoServers, match="0 of 2 servers answered within") as error:
        pool.ask(jobs(3))
    assert all(f":{each.port}" in str(error.value) for each in made)


def test_fewer_than_the_least_number_is_none(stubs: Any) -> None:
    made = stubs(2)
    pool = pool_of(made, timeout_s=0.3, min_servers=2)
    made[0].kill()
    with pytest.raises(NoServers, match=r"1 of 2 servers answered within .*rollout\.min_servers=2"):
        pool.ask(jobs(3))


def test_a_publishing_that_hangs_is_named_with_its_phase(stubs: Any) -> None:
    first, second = stubs(2)
    first.hang = "/pause"
    began = time.monotonic()
    pool = pool_of([first, second], timeout_s=0.3)
    assert time.monotonic() - began < 30.0, "the first one hangs until the test ends"
    assert pool.members[0].why.endswith("publishing, pause: no complete answer within 0.3 s") and pool.members[1].ready
    assert pool.ask(jobs(2)) == [0, 1] and first.asked == []


def test_servers_that_ended_are_tended(stubs: Any) -> None:
    [only] = stubs(1)
    pool = pool_of([only])
    only.kill()
    pool.tend = lambda: None if only.alive else only.restart()
    assert pool.ask(jobs(1)) == [0] and only.weights == "new"


def test_down_says_where_and_in_which_phase(stubs: Any) -> None:
    [only] = stubs(1)
    server = Server(f"http://127.0.0.1:{only.port}", Requests(2**20), timeout_s=0.2)
    only.kill()
    with pytest.raises(Down, match=rf"127.0.0.1:{only.port}: publishing, pause: ConnectError"):
        server.pause()
