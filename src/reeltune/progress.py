"""Progress of long work: a bar on a terminal."""

from types import TracebackType
from typing import Any, Self

from tqdm import tqdm


class Progress:
    def __init__(self, total: int, desc: str, *, unit: str = "it", initial: int = 0, enabled: bool = True) -> None:
        self._bar: Any = tqdm(total=total, desc=desc, unit=unit, initial=initial, disable=not enabled)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.close()

    def update(self, count: int = 1) -> None:
        self._bar.update(count)

    def set(self, **values: float) -> None:
        self._bar.set_postfix({name: f"{value:.3g}" for name, value in values.items()})
