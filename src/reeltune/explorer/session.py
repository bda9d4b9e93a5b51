"""What one `reeltune explore` holds: the sources that are open, kept up to date by a thread, and the media cache."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from reeltune.errors import InputError, nearest
from reeltune.explorer.media import MediaCache
from reeltune.explorer.opened import Opened
from reeltune.explorer.sources import open_sources

LIVE_EVERY, EVERY = 1.0, 5.0
"""Seconds between two looks at the files: of what trains, and of what does not."""
INDEXES_KEPT = 40


class Session:
    """InputError for paths that hold nothing to show."""

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        samples: Sequence[Path] = (),
        media_roots: Sequence[Path] = (),
        cache: Path | None = None,
        media_gib: float = 4.0,
    ) -> None:
        self.cache = cache or cache_folder()
        for root in media_roots:
            if not root.is_dir():
                raise InputError(f"--media-root {root}: there is no such folder")
        indexes = self.cache / "indexes"
        indexes.mkdir(parents=True, exist_ok=True)
        self.opened = {source.name: Opened(source, indexes, media_roots) for source in open_sources(paths, samples)}
        self.media = MediaCache(self.cache / "media", media_gib)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Read everything, then look for what is new, in a thread."""
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)
        forget_old(self.cache / "indexes")

    def get(self, name: str) -> Opened:
        """InputError names the nearest that is open."""
        if name not in self.opened:
            raise InputError(f"{name!r} is not open{nearest(name, self.opened)}; open are: {', '.join(self.opened)}")
        return self.opened[name]

    def _watch(self) -> None:
        for each in self.opened.values():
            self._tell(each, each.load)
        looked = time.monotonic()
        while not self._stop.wait(LIVE_EVERY):
            all_of_them = time.monotonic() - looked > EVERY
            for each in self.opened.values():
                if all_of_them or each.live:
                    self._tell(each, each.refresh)
            looked = time.monotonic() if all_of_them else looked

    def _tell(self, opened: Opened, look: Callable[[], object]) -> None:
        """A defect in one source is told on its page and leaves the others alone."""
        try:
            look()
        except Exception as error:
            opened.ready = True
            if (problem := f"{type(error).__name__}: {error}") not in opened.problems:
                opened.problems.append(problem)


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "reeltune" / "explorer"


def forget_old(folder: Path) -> None:
    """Indexes of what was opened long ago; they can be made again."""
    files = sorted(folder.glob("*.sqlite"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[INDEXES_KEPT:]:
        for each in folder.glob(f"{path.name}*"):
            each.unlink(missing_ok=True)
