"""Files are written whole or not at all, and stay: a hidden name beside the target, fsync, rename, fsync of the folder.

What is being written to TARGET stands in .TARGET.partial, which the writer holds locked. The lock is the kernel's and
ends with the writer, however that ends: the next writer of the same target writes over what a killed one left, and
`discard_leftovers` removes it, while what a living one writes is left alone.
"""

import errno
import fcntl
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reeltune.errors import InputError

PARTIAL = ".partial"
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
"""How file systems say that they have no locks (some network mounts), or that folders are not synced (FUSE)."""


def write_whole(path: Path, write: Callable[[Path], None], *, sync: bool = True) -> None:
    """Let `write` fill a hidden file beside `path`, then rename it into place.

    `sync` False is for what has a digest and can be made again: a power loss may take it, or leave it damaged.
    """
    make_folder(path.parent)
    temporary = partial_folder(path)
    with _named(path, temporary):
        handle = _claim(temporary)
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        try:
            write(temporary)
            if sync:
                _sync(temporary)
            # As the umask says, also where `write` made the file anew for its owner alone.
            if stat.S_IMODE(temporary.stat().st_mode) != mode:
                temporary.chmod(mode)
            os.replace(temporary, path)
            if sync:
                sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)


@contextmanager
def _named(path: Path, temporary: Path) -> Iterator[None]:
    """An error of the system about `temporary` names `path`: the user never wrote the hidden name."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and os.fspath(error.filename) == os.fspath(temporary):
            error.filename, error.filename2 = str(path), None
        raise


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A hidden folder beside `path` to fill; it is synced and takes the place of `path` when the block ends well."""
    make_folder(path.parent)
    temporary = partial_folder(path)
    if temporary.exists():
        shutil.rmtree(temporary)
    temporary.mkdir()
    handle = os.open(temporary, os.O_RDONLY)
    try:
        try_lock(handle)
        yield temporary
        for each in sorted(temporary.rglob("*")):
            _sync(each)
        _sync(temporary)
        if path.exists():
            remove_folder(path)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        os.close(handle)


def remove_folder(path: Path) -> None:
    """Rename, then remove: a kill in the middle must not leave half a folder under its name."""
    doomed = path.with_name(f".{path.name}.old{PARTIAL}")
    if doomed.exists():
        shutil.rmtree(doomed)
    os.replace(path, doomed)
    sync_folder(path.parent)
    shutil.rmtree(doomed)


def discard_leftovers(folder: Path) -> None:
    """Remove what killed writers left in `folder` and the folders below it; what living ones write stays."""
    for path in sorted(folder.rglob(f".*{PARTIAL}")):
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # below one that was removed, or renamed by its writer meanwhile
            continue
        try:
            if try_lock(handle) is False:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        finally:
            os.close(handle)


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Lines, without their line feeds, at the end of a file, on disk when this returns. Safe for several processes.

    What a kill or a full disk left without its line feed is cut off first; when this raises, the file is as it was.
    """
    created = not path.exists()
    make_folder(path.parent)
    data = "".join(f"{line}\n" for line in lines).encode()
    # Unbuffered: a buffer that a full disk left full would be written again when the file is closed.
    with path.open("ab+", buffering=0) as file:
        _wait_for_lock(file.fileno())
        size = _cut_torn_line(file)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            os.truncate(path, size)
            raise
    if created:
        sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    write_whole(path, lambda temporary: _fill(temporary, text))


def write_json(path: Path, value: Any) -> None:
    """Indented JSON. NaN and infinity are errors: they are not JSON and hide defects."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    write_whole(path, lambda temporary: _fill(temporary, "".join(lines)))


def existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that is there."""
    while not path.exists():
        path = path.parent
    return path


def whole_lines(path: Path) -> list[str]:
    """The lines that end with a line feed, without it; what a kill cut off at the end is left out.

    Only line feeds part lines: completions hold other characters that `str.splitlines` would split at.
    """
    lines = path.read_bytes().split(b"\n")[:-1]
    try:
        return [line.decode() for line in lines]
    except UnicodeDecodeError:
        number = next(number for number, line in enumerate(lines, 1) if line != line.decode(errors="ignore").encode())
        raise InputError(f"{path}, line {number}: not UTF-8: the file is damaged; restore it") from None


def make_folder(folder: Path) -> None:
    """The folder and those above it, each known to the disk."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """The names in it, on disk; nothing on file systems that cannot."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    finally:
        os.close(handle)


def try_lock(handle: int) -> bool | None:
    """Lock an open file or folder for this process. False when another one holds it; None where there are no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return None
    return True


def _wait_for_lock(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def is_at(handle: int, path: Path) -> bool:
    """Whether an open file is still the one at `path`: another process may have renamed or removed it."""
    try:
        there, held = path.stat(), os.fstat(handle)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)


def _claim(temporary: Path) -> int:
    """An empty file of our own at `temporary`, after whoever writes there now."""
    while True:
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT, 0o666)
        _wait_for_lock(handle)
        if is_at(handle, temporary):
            os.ftruncate(handle, 0)
            return handle
        os.close(handle)


def partial_folder(path: Path) -> Path:
    """Where `whole_folder` fills what becomes `path`."""
    return path.with_name(f".{path.name}{PARTIAL}")


def _sync(path: Path) -> None:
    if path.is_dir():
        sync_folder(path)
    elif path.is_file():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _cut_torn_line(file: Any) -> int:
    """The size of the file's whole lines, to which it is brought."""
    size: int = file.seek(0, os.SEEK_END)
    end = size
    while end:
        start = max(end - 2**16, 0)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        file.truncate(end)
    return end


def _fill(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
