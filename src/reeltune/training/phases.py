"""What a step is doing and for how long: seconds by phase for the timings, a line a minute during a long step."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from reeltune.progress import interval_seconds, quiet


class Phases:
    """Seconds by phase of the step in hand. A phase within another counts for itself alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.step = 0
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = self.began = clock()

    def begin(self, step: int) -> None:
        """A new step, numbered from 1."""
        self.step, self.seconds = step, {}
        self._since = self.began = self.clock()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self._count()
        self._open.append(name)
        try:
            yield
        finally:
            self._count()
            self._open.pop()

    @property
    def now(self) -> str:
        """The phase in hand."""
        return self._open[-1] if self._open else "between phases"

    def _count(self) -> None:
        now = self.clock()
        if self._open:
            self.seconds[self._open[-1]] = self.seconds.get(self._open[-1], 0.0) + now - self._since
        self._since = now


class Heartbeat:
    """While entered, a plain line on stderr each `interval` seconds that a step lasts, naming its phase.

    `interval` None: that of the progress lines, a minute.
    """

    def __init__(self, phases: Phases, *, disable: bool = False, interval: float | None = None) -> None:
        self.phases = phases
        self.interval = interval_seconds() if interval is None else interval
        self._ended = threading.Event()
        self._thread = None if disable or quiet() else threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        if self._thread:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        said = 0
        step = self.phases.step
        while not self._ended.wait(min(1.0, self.interval / 4)):
            if self.phases.step != step:
                said, step = 0, self.phases.step
            passed = time.monotonic() - self.phases.began
            if passed >= (said + 1) * self.interval:
                said = int(passed // self.interval)
                print(
                    f"reeltune: step {step}: {self.phases.now}, {passed:.0f} s since the step began",
                    file=sys.stderr,
                    flush=True,
                )
