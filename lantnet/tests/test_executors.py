"""Every executor gives the same results in the same order, and ends well when work fails or a process dies."""

import multiprocessing
import os
import signal
import time
from functools import partial
from typing import Any

import pytest

from lantnet import InputError
from lantnet.execution.executors import Executor, Serial, executor

WAYS: list[dict[str, Any]] = [
    {},
    {"workers": 2},
    {"workers": 2, "dask": "threads"},
    {"workers": 2, "dask": "processes"},
]


def whose(factor: int, item: int) -> tuple[int, int]:
    return factor * item, os.getpid()


def failing(item: int) -> int:
    if item == 3:
        raise InputError(f"the row {item} is bad")
    return item


def killing(item: int) -> int:
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_results_come_in_order_and_errors_reach_the_caller(way: dict[str, Any]) -> None:
    with executor(**way) as runs:
        found = list(runs.each(partial(whose, 7), range(20)))
        assert [value for value, _ in found] == [7 * item for item in range(20)]
        processes = {process for _, process in found}
        assert runs.workers == way.get("workers", 1)
        assert (os.getpid() in processes) == (way.get("dask") == "threads" or not way)
        assert len(processes) == (2 if way and way.get("dask") != "threads" else 1)
        with pytest.raises(InputError, match="the row 3 is bad"):
            list(runs.each(failing, range(10)))
        assert list(runs.each(failing, [1, 2])) == [1, 2]


def test_few_items_are_under_way_at_once() -> None:
    taken = []

    def items() -> Any:
        for item in range(100):
            taken.append(item)
            yield item

    with executor(2) as runs:
        results = runs.each(partial(whose, 1), items())
        next(results)
        assert len(taken) <= 6


def test_a_process_that_dies_is_one_message() -> None:
    with executor(2) as runs, pytest.raises(InputError, match=r"worker processes died.*smaller --tile"):
        list(runs.each(killing, range(4)))


def sleeping(seconds: float) -> None:
    time.sleep(seconds)


def test_work_under_way_does_not_hold_up_the_end() -> None:
    """SIGTERM becomes an exception in this process; a worker may be in the midst of a training of minutes."""
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), executor(2) as runs:
        results = runs.each(sleeping, [0.0, 300.0, 300.0])
        next(results)
        raise KeyboardInterrupt
    assert time.monotonic() - start < 60
    assert not multiprocessing.active_children()


def test_a_client_of_the_users_own_is_left_open() -> None:
    from distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        with executor(dask=client) as runs:
            assert list(runs.each(failing, [1])) == [1]
        assert client.status == "running"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"workers": 0}, "at least one"), ({"dask": "cluster"}, "threads, processes, the address")],
)
def test_what_is_no_executor(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words), executor(**arguments):
        pass


def test_this_process_is_an_executor() -> None:
    serial: Executor = Serial()
    assert list(serial.each(failing, [1, 2])) == [1, 2]
