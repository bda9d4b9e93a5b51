"""The next step's media are decoded while this one computes.

Decoding runs in child processes (video/contained.py), one for each worker; a worker here reads its frames and resizes
them. What comes out is what reading at once would have given, errors included, so that a run with it, without it, or
resumed in its midst sees the same bytes. Bounded: what one step needs, and no more than `workers` at a time.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from reeltune.models.types import Message
from reeltune.sample import Sample
from reeltune.video.contained import own_decoder

Load = Callable[[Sample], list[Message]]


class Prefetch:
    """Loads samples ahead of time. `workers` 0: none are, and every one is loaded when it is taken."""

    def __init__(self, load: Load, workers: int) -> None:
        self._load = load
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None
        self._ahead: dict[int, tuple[Sample, Future[list[Message]]]] = {}

    def want(self, samples: Sequence[Sample]) -> None:
        """Load these ahead; what was wanted before and nobody took is given up."""
        self._give_up()
        if not self._workers:
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._workers, "prefetch", initializer=own_decoder)
        for sample in samples:
            if id(sample) not in self._ahead:
                self._ahead[id(sample)] = (sample, self._pool.submit(self._load, sample))

    def take(self, sample: Sample) -> list[Message]:
        """What `load` gives, or the SampleError that it raises."""
        found = self._ahead.pop(id(sample), None)
        return found[1].result() if found else self._load(sample)

    def close(self) -> None:
        """End the workers and their decoders; one that is busy ends with its sample."""
        self._give_up()
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _give_up(self) -> None:
        for _, future in self._ahead.values():
            future.cancel()
        self._ahead.clear()
