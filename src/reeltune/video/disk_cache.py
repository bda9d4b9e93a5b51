"""A folder of byte strings by key, within a budget: what was computed once need not be computed again.

An entry is one file: a magic word, a BLAKE2b digest of the rest, then the bytes. An entry that does not match its
digest is thrown away and counted as a miss, so it is built again. Entries appear by rename, whole; two processes
that write the same key write the same content, and the last one wins.
"""

import contextlib
import hashlib
import logging
import os
from pathlib import Path

from reeltune.errors import InputError
from reeltune.files import discard_leftovers, write_whole

DIGEST_BYTES = 32

log = logging.getLogger(__name__)


class DiskCache:
    """Entries in `directory`, at most `max_bytes` of them; the least recently used give way.

    `name` says in messages what is cached; `magic` and `suffix` tell its files from others.
    hits, misses: how often an entry was found, and was not. Whoever misses builds, so `misses` counts builds.
    corrupt: how many of the misses were entries that did not match their digest.
    Safe for several processes. The folder is made with its first entry. An entry larger than the whole budget is not
    kept, with a warning.
    Raises InputError when `max_bytes` is not positive.
    """

    def __init__(self, directory: Path, max_bytes: int, *, name: str, magic: bytes, suffix: str) -> None:
        if max_bytes <= 0:
            raise InputError(f"{name} cache: max_bytes must be positive, got {max_bytes}")
        self.directory = directory
        self.max_bytes = max_bytes
        self.name = name
        self.magic = magic
        self.suffix = suffix
        self.hits = 0
        self.misses = 0
        self.corrupt = 0
        self._unseen_bytes = 0
        discard_leftovers(directory)

    def read(self, key: str) -> bytes | None:
        """The bytes, or None when there are none or damaged ones."""
        path = self._path(key)
        try:
            blob = path.read_bytes()
        except FileNotFoundError:
            self.misses += 1
            return None
        # The modification time is the time of last use. A cache of someone else's may be read and not touched, and
        # another process may remove the entry meanwhile: neither is a reason not to use what was read.
        with contextlib.suppress(OSError):
            os.utime(path)
        start = len(self.magic) + DIGEST_BYTES
        body = blob[start:]
        if not blob.startswith(self.magic) or _digest(body) != blob[len(self.magic) : start]:
            log.warning("%s does not match its checksum; it is thrown away and built again", path)
            path.unlink(missing_ok=True)
            self.corrupt += 1
            self.misses += 1
            return None
        self.hits += 1
        return body

    def write(self, key: str, body: bytes) -> None:
        blob = self.magic + _digest(body) + body
        if len(blob) > self.max_bytes:
            log.warning("an entry of %d bytes exceeds the %s cache of %d bytes", len(blob), self.name, self.max_bytes)
            return
        write_whole(self._path(key), lambda temporary: _fill(temporary, blob), sync=False)
        self._unseen_bytes -= len(blob)
        if self._unseen_bytes < 0:
            self._evict()

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}{self.suffix}"

    def _evict(self) -> None:
        """Bring the directory within the budget, as it is now: other processes write there too."""
        entries = []
        for entry in os.scandir(self.directory):
            if entry.name.endswith(self.suffix):
                try:
                    stat = entry.stat()
                except FileNotFoundError:
                    continue
                entries.append((stat.st_mtime_ns, stat.st_size, entry.path))
        surplus = sum(size for _, size, _ in entries) - self.max_bytes
        # Looking costs some 10 ms per thousand entries. An eighth of the free room may be filled before the next
        # look, so that eight processes at once stay within the budget.
        self._unseen_bytes = max(0, -surplus) // 8
        for _, size, path in sorted(entries):
            if surplus <= 0:
                return
            Path(path).unlink(missing_ok=True)
            surplus -= size


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest()


def _fill(path: Path, blob: bytes) -> None:
    path.write_bytes(blob)
