"""Progress of long work on stderr: a bar on a terminal, otherwise one plain line a minute.

Logs of schedulers and containers have no terminal: carriage returns would make one endless line of them. `--quiet`
(or REELTUNE_QUIET=1, which child processes inherit) switches both off.
"""

import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import Any, Self, TypeVar

from tqdm import tqdm

QUIET = "REELTUNE_QUIET"
INTERVAL = "REELTUNE_PROGRESS_SECONDS"
FIRST_AFTER = 5.0
"""Seconds until the first plain line: early enough to see that the work goes on, late enough for a rate."""

Item = TypeVar("Item")


def quiet() -> bool:
    return os.environ.get(QUIET, "") not in ("", "0")


def interval_seconds() -> float:
    """Between two plain lines: REELTUNE_PROGRESS_SECONDS, or a minute."""
    return float(os.environ.get(INTERVAL, 60))


class Progress:
    """A context manager that counts `total` units of work (None: unknown), of which `initial` were done before.

    Without a terminal the first line comes after `FIRST_AFTER` seconds, then one every `interval` seconds (None:
    REELTUNE_PROGRESS_SECONDS, or 60) as updates arrive, and one at the end.
    """

    def __init__(
        self,
        total: int | None,
        desc: str,
        *,
        unit: str = "it",
        initial: int = 0,
        disable: bool = False,
        interval: float | None = None,
    ) -> None:
        self.total, self.desc, self.unit, self.initial = total, desc, unit, initial
        self.done = initial
        self._interval = interval_seconds() if interval is None else interval
        self._metrics: dict[str, float | str] = {}
        self._silent = disable or quiet()
        self._bar: Any = None  # tqdm's, on a terminal
        self._started = self._last = time.monotonic()
        self._first_written = False

    def __enter__(self) -> Self:
        self._started = self._last = time.monotonic()
        if not self._silent and sys.stderr.isatty():
            # Terminals of containers may say that they have 0 columns and lines; tqdm would show nothing there.
            shape = shutil.get_terminal_size()
            settings: dict[str, Any] = {
                "desc": self.desc,
                "unit": self.unit,
                "ncols": shape.columns,
                "nrows": shape.lines,
            }
            self._bar = tqdm(total=self.total, initial=self.initial, **settings)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif not self._silent:
            self._write("stopped at " if kind else "")

    def update(self, count: int = 1) -> None:
        """`count` more units are done."""
        self.done += count
        if self._bar is not None:
            self._bar.update(count)
        elif not self._silent:
            now = time.monotonic()
            if now - self._last >= (self._interval if self._first_written else min(FIRST_AFTER, self._interval)):
                self._last, self._first_written = now, True
                self._write()

    def set(self, **metrics: float | str) -> None:
        """Values to show beside the count, until the next call."""
        self._metrics = metrics
        if self._bar is not None:
            self._bar.set_postfix({name: _short(value) for name, value in metrics.items()}, refresh=False)

    def _write(self, prefix: str = "") -> None:
        print(f"{self.desc}: {prefix}{self._line()}", file=sys.stderr, flush=True)

    def _line(self) -> str:
        """ "120/240 step (50 %), 3.2 step/s, 0:01:12 passed, 0:01:15 left, loss 0.12" """
        passed = time.monotonic() - self._started
        fresh = self.done - self.initial
        rate = fresh / passed if passed > 0 else 0.0
        parts = [f"{self.done} {self.unit}"]
        if self.total is not None:
            share = f" ({100 * self.done / self.total:.0f} %)" if self.total else ""
            parts = [f"{self.done}/{self.total} {self.unit}{share}"]
        if fresh:
            parts.append(f"{rate:.3g} {self.unit}/s" if rate >= 1 else f"{1 / rate:.3g} s/{self.unit}")
        parts.append(f"{clock(passed)} passed")
        if self.total is not None and rate > 0 and self.done < self.total:
            parts.append(f"{clock((self.total - self.done) / rate)} left")
        return ", ".join([*parts, *(f"{name} {_short(value)}" for name, value in self._metrics.items())])


def track(
    items: Iterable[Item], desc: str, *, total: int | None = None, unit: str = "it", interval: float | None = None
) -> Iterator[Item]:
    """The items, counted as they are done with; `total` where the iterable does not know its length."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(total, desc, unit=unit, interval=interval) as progress:
        for item in items:
            yield item
            progress.update()


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def counted(number: int, unit: str) -> str:
    """
    >>> counted(1, "sample"), counted(0, "sample"), counted(2, "row")
    ('1 sample', '0 samples', '2 rows')
    """
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def clock(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{left:02d}"
