"""Several servers as one: who is asked, and what becomes of a request when a server fails.

- A server that dies, or does not answer in time: another one is asked, with the same seed; counted.
- A server that comes back, joins late or missed an update: it gets the weights of now before any request.
- A server that was restarted behind our back: its answer is thrown away, since its weights are not those of now.
- A request that two servers died of: it is given up, and the others that were on its servers are not blamed. After the
  first death each of them is asked again alone.
- Fewer than `min_servers` for `timeout_s`: `NoServers`, which ends the run with a checkpoint and exit code 75.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from reeltune.errors import NoServers
from reeltune.rollout.server import Down, Refused, Server

MOST_AT_ONCE = 64
"""Requests of one process under way at a time; each is a group, and servers queue what they cannot decode yet."""
DEATHS = 2
"""So many servers die of a request before it is given up."""


@dataclass(frozen=True)
class Job:
    """One request: `key` names it in what a later run must know, `read` turns an answer into a result, or
    raises ValueError for what is none."""

    key: str
    body: Callable[[], bytes]
    read: Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class GivenUp:
    """A request that gets no answer from any server, and why."""

    reason: str


@dataclass(eq=False)
class Member:
    """A server of the pool. `ready`: it holds the weights of now; `why` not, where it does not."""

    server: Server
    ready: bool = False
    running: int = 0
    why: str = "not contacted yet"


@dataclass
class Pool:
    """`prepare(server)`: bring a server that lives to the weights of now, or raise `Down`; `tend`: start servers again
    that ended, where that is ours to do.

    `version`: what a server with these weights calls them; "" before there are any. `deaths`: by a request's key.
    """

    servers: Sequence[Server]
    prepare: Callable[[Server], None]
    timeout_s: float
    retries: int = 3
    min_servers: int = 1
    look_every_s: float = 2.0
    version: str = ""
    tend: Callable[[], None] = lambda: None
    deaths: dict[str, int] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.members = [Member(server) for server in self.servers]
        self._changed = threading.Condition()
        self._alone = threading.Lock()
        self._preparing = threading.Lock()

    # The weights of now

    def renew(self, version: str) -> None:
        """All servers at once take the weights that `prepare` now gives; one that fails is left out until it can."""
        self.version = version
        for member in self.members:
            member.ready = False
        self.look()

    def look(self) -> None:
        """Take in every server that lives and is not ready, all at once."""
        waiting = [member for member in self.members if not member.ready]
        if not waiting or not self._preparing.acquire(blocking=False):
            return
        try:
            self.tend()
            with ThreadPoolExecutor(len(waiting)) as threads:
                list(threads.map(self._take_in, waiting))
        finally:
            self._preparing.release()

    def _take_in(self, member: Member) -> None:
        if not member.server.lives():
            member.why = member.why if member.why.startswith("http") else f"{member.server.url}: does not answer"
            return
        try:
            self.prepare(member.server)
        except (Down, Refused) as error:
            self._lose(member, str(error))
            return
        with self._changed:
            member.ready, member.why = True, ""
            self._changed.notify_all()

    @property
    def ready(self) -> list[Member]:
        return [member for member in self.members if member.ready]

    # Requests

    def ask(self, jobs: Sequence[Job]) -> list[Any]:
        """What each job's `read` made of its answer, or `GivenUp`, in order. NoServers when too few are left."""
        if not jobs:
            return []
        self.look()
        stop = threading.Event()
        watch = threading.Thread(target=self._watch, args=(stop,), daemon=True)
        watch.start()
        began = time.monotonic()
        try:
            with ThreadPoolExecutor(min(len(jobs), MOST_AT_ONCE)) as threads:
                return list(threads.map(self._one, jobs))
        finally:
            self._count("busy seconds", time.monotonic() - began)
            stop.set()
            watch.join()

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(self.look_every_s):
            self.look()

    def _one(self, job: Job) -> Any:
        failed: list[Member] = []
        reason = ""
        while len(failed) <= self.retries:
            suspect = self.deaths.get(job.key, 0)
            if suspect >= DEATHS:
                return GivenUp(f"{suspect} servers died while answering it; the last: {reason or 'before this run'}")
            try:
                with self._member(failed, alone=suspect > 0) as member:
                    try:
                        return self._ask(job, member.server)
                    except Down as error:
                        # Before anybody else gets this server: who is sent to a dead one is not to blame.
                        failed.append(member)
                        reason = str(error)
                        self._count("slow answers" if error.slow else "failed requests")
                        self._blame(job, member, error)
            except Refused as error:
                return GivenUp(str(error))
        return GivenUp(f"no answer in {len(failed)} tries; the last: {reason}")

    def _ask(self, job: Job, server: Server) -> Any:
        answer = self._read(job, server)
        if (held := server.weights()) != self.version:
            raise Down(server.url, "request", f"it holds weights {held!r}, not {self.version!r}")
        return answer

    def _read(self, job: Job, server: Server) -> Any:
        answer = server.complete(job.body())
        try:
            return job.read(answer)
        except ValueError as error:
            raise Down(server.url, "request", f"an invalid answer: {error}") from None

    def _blame(self, job: Job, member: Member, error: Down) -> None:
        """After a failed request: is the server lost, and did it die of this?"""
        if error.slow:
            self._lose(member, str(error))
        elif not member.server.lives():
            self._lose(member, str(error))
            with self._changed:
                self.deaths[job.key] = self.deaths.get(job.key, 0) + 1
        elif not self._current(member):
            self._lose(member, str(error))

    def _current(self, member: Member) -> bool:
        try:
            return member.server.weights() == self.version
        except (Down, Refused):
            return False

    @contextmanager
    def _member(self, avoid: Sequence[Member], *, alone: bool) -> Iterator[Member]:
        """The ready server with the least to do, another than those to avoid where there is one; with `alone` no other
        request is on it."""
        if alone:
            with self._alone, self._held(avoid, most=0) as member:
                yield member
        else:
            with self._held(avoid, most=None) as member:
                yield member

    @contextmanager
    def _held(self, avoid: Sequence[Member], most: int | None) -> Iterator[Member]:
        member = self._wait_for_one(avoid, most)
        try:
            yield member
        finally:
            with self._changed:
                member.running -= MOST_AT_ONCE if most == 0 else 1
                self._changed.notify_all()

    def _wait_for_one(self, avoid: Sequence[Member], most: int | None) -> Member:
        waited = time.monotonic()
        with self._changed:
            while True:
                ready = self.ready
                if len(ready) >= self.min_servers:
                    waited = time.monotonic()
                elif time.monotonic() - waited >= self.timeout_s:
                    raise NoServers(self._why())
                free = [m for m in ready if m.running < MOST_AT_ONCE and (most is None or m.running <= most)]
                if free and len(ready) >= self.min_servers:
                    found = min(free, key=lambda member: (member in avoid, member.running))
                    # Who is alone fills the server.
                    found.running += MOST_AT_ONCE if most == 0 else 1
                    return found
                self._changed.wait(min(self.look_every_s, self.timeout_s) / 2)

    def _lose(self, member: Member, why: str) -> None:
        with self._changed:
            if member.ready:
                self._count("lost servers")
            member.ready, member.why = False, why
            self._changed.notify_all()

    def _count(self, name: str, value: float = 1.0) -> None:
        with self._changed:
            self.counts[name] = self.counts.get(name, 0.0) + value

    def _why(self) -> str:
        lines = "".join(f"\n  {member.why}" for member in self.members if not member.ready)
        ready = sum(member.ready for member in self.members)
        return (
            f"{ready} of {len(self.members)} servers answered within rollout.timeout_s="
            f"{self.timeout_s:g}, fewer than rollout.min_servers={self.min_servers}:{lines}"
        )
