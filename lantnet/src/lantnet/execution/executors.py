"""One function on many items, in this process, in a pool of processes, or on dask; results in the order of the items.

That is all a scene needs: what windows add up to is folded in the order of the windows by the process that asked, so
every executor gives the same bytes. Work travels by pickle, once a pass: functions of modules and dataclasses of plain
values, whose images are names of files (`lantnet.scene.source.portable`).
"""

import multiprocessing
import os
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from lantnet.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 2
"""Items a worker that wait or lie finished: enough to keep it busy, few enough to bound the memory."""
DASK = ("threads", "processes")


class Executor(Protocol):
    """`apart`: whether work leaves this process, so that images must be files."""

    workers: int
    apart: bool

    def each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """work(item) of every item, in their order; an error of any ends the pass and is raised here."""


class Serial:
    """This process."""

    workers = 1
    apart = False

    def each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        return map(work, items)


class ProcessPool:
    """`workers` processes of this machine, each computing on one core."""

    apart = True

    def __init__(self, workers: int) -> None:
        self.workers = workers
        # Not forked: threads of PyTorch and GDAL do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_one_core)

    def each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        payload = pickle.dumps(work)
        try:
            yield from _in_order(
                lambda item: self._pool.submit(_call, payload, pickle.dumps(item)), items, AHEAD * self.workers
            )
        except BrokenProcessPool as error:
            raise InputError(
                f"one of {self.workers} worker processes died, most likely because memory ran out. Use fewer "
                "workers or a smaller --tile. (A script that asks for workers must start them under `if __name__ "
                "== '__main__'`.)"
            ) from error

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def kill(self) -> None:
        """Do not wait for work under way, which may be a training of minutes."""
        for process in list(self._pool._processes.values()):
            process.kill()


class Dask:
    """The workers of a `distributed.Client`: threads, processes, or other machines that see the same files."""

    apart = True

    def __init__(self, client: Any) -> None:
        self._client = client
        self.workers = max(sum(client.nthreads().values()), 1)

    def each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        payload = self._client.scatter(pickle.dumps(work), broadcast=True, hash=False)

        def submit(item: Item) -> Any:
            # Scattered, for dask warns of large items of its graph.
            return self._client.submit(_call, payload, self._client.scatter(pickle.dumps(item), hash=False), pure=False)

        yield from _in_order(submit, items, AHEAD * self.workers)


@contextmanager
def executor(workers: int = 1, dask: Any = None) -> Iterator[Executor]:
    """The executor that options ask for, closed at the end.

    dask: "threads" or "processes" (a cluster of this machine with that many workers), the address of a scheduler
    ("tcp://host:8786"), or a `distributed.Client`, which is left open.
    """
    if workers < 1:
        raise InputError(f"there must be at least one worker; got {workers}.")
    if dask is not None:
        with _client(dask, workers) as client:
            yield Dask(client)
    elif workers == 1:
        yield Serial()
    else:
        pool = ProcessPool(workers)
        try:
            yield pool
        except BaseException:
            pool.kill()
            raise
        finally:
            pool.close()


@contextmanager
def _client(dask: Any, workers: int) -> Iterator[Any]:
    try:
        from distributed import Client, LocalCluster
    except ModuleNotFoundError as error:
        raise InputError("dask needs the package distributed; run: pip install 'lantnet[dask]'") from error
    if isinstance(dask, Client):
        yield dask
    elif dask in DASK:
        sizes = (workers, 1) if dask == "processes" else (1, workers)
        with (
            LocalCluster(
                n_workers=sizes[0], threads_per_worker=sizes[1], processes=dask == "processes", dashboard_address=None
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
    elif isinstance(dask, str) and "://" in dask:
        try:
            client = Client(dask, timeout=30)
        except OSError as error:
            raise InputError(f"no dask scheduler answers at {dask}: {error}. Check the address.") from error
        with client:
            yield client
    else:
        raise InputError(
            f"dask is one of {', '.join(DASK)}, the address of a scheduler such as tcp://host:8786, or a Client; "
            f"got {dask!r}."
        )


def _in_order(submit: Callable[[Item], Any], items: Iterable[Item], ahead: int) -> Iterator[Any]:
    """What futures of packed results hold, in the order of the items, with at most `ahead` of them under way."""
    waiting: deque[Any] = deque()
    try:
        for item in items:
            waiting.append(submit(item))
            if len(waiting) >= ahead:
                yield pickle.loads(waiting.popleft().result())
        while waiting:
            yield pickle.loads(waiting.popleft().result())
    finally:
        for future in waiting:
            future.cancel()


def _one_core() -> None:
    """Before PyTorch is loaded in a worker: as many processes as cores, each with one."""
    os.environ["OMP_NUM_THREADS"] = "1"


def _call(payload: bytes, item: bytes) -> bytes:
    """Items and results travel as bytes: tensors else go through shared memory, of which containers have little."""
    return pickle.dumps(_loaded(payload)(pickle.loads(item)))


@lru_cache(maxsize=2)
def _loaded(payload: bytes) -> Callable[[Any], Any]:
    """The work of a pass, unpacked once in every process."""
    work: Callable[[Any], Any] = pickle.loads(payload)
    return work
