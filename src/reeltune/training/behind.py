"""What goes on behind the run: the end of a checkpoint, one at a time, in a thread of its own."""

import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from torch import distributed


class Behind:
    """Finishes one checkpoint at a time while the run goes on. What fails there is raised by `check` or `wait`.

    `group`: the processes, for messages that must not meet those of the training that goes on (`World.apart`).
    """

    def __init__(self, group: "distributed.ProcessGroup | None" = None) -> None:
        self.group = group
        self._pool = ThreadPoolExecutor(1, "checkpoint")
        self._last: Future[None] | None = None

    def start(self, finish: Callable[[], None]) -> None:
        self.wait()
        self._last = self._pool.submit(finish)

    def check(self) -> None:
        """Raise what has failed by now: a full disk shall not wait for the next checkpoint."""
        if self._last and self._last.done():
            self.wait()

    def wait(self) -> None:
        """Until the last one is whole."""
        last, self._last = self._last, None
        if last:
            last.result()

    def end(self) -> None:
        """Wait also where the run itself has failed, as long as its lock is held; what fails here too is said."""
        try:
            self.wait()
        except Exception as error:
            print(f"reeltune: the last checkpoint was not written either: {error}", file=sys.stderr)
