"""Bounds on reading: what is too long or takes too long counts as unreadable.

Our own readers run in linear time; the deadline is for those of others.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

R = TypeVar("R")

MAX_CHARACTERS = 20_000
"""Longer answer texts are not read: no answer is that long (our choice)."""

DEADLINE_S = 2.0
"""Seconds of processor time that reading one completion may take (our choice; ours take milliseconds)."""


class TooSlow(Exception):
    """Reading took longer than its deadline."""


def too_long(text: str) -> str | None:
    """Why a text is not read for its length; None where it may be."""
    return (
        f"an answer of {len(text)} characters; at most {MAX_CHARACTERS} are read"
        if len(text) > MAX_CHARACTERS
        else None
    )


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """TooSlow when the block uses more processor time than `seconds`, a regular expression that backtracks included.

    By a timer signal: only in the main thread, not on Windows, and not inside another deadline; elsewhere unbounded.
    """
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
        or signal.getitimer(signal.ITIMER_VIRTUAL)[0]
    ):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)


def within(read: Callable[[], R], late: Callable[[str], R], seconds: float | None = None) -> R:
    """`read()`, or `late(reason)` when it does not end within `seconds` (DEADLINE_S)."""
    seconds = DEADLINE_S if seconds is None else seconds
    try:
        with deadline(seconds):
            return read()
    except TooSlow:
        return late(f"reading took longer than {seconds:g} s")
