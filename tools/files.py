"""Reads untrusted files within limits, and writes files whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from tools.errors import InputError

_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that mean a device on Windows, whatever follows their first dot."""
_BLOCK = 1 << 16
"""Bytes that are read at once from the end of a file."""


def is_device_name(name: str) -> bool:
    """Whether a file of this name cannot exist on Windows, where it means a device.

    >>> is_device_name("CON"), is_device_name("nul.png"), is_device_name("console.png")
    (True, True, False)
    """
    return _DEVICE.fullmatch(name) is not None


def read_bytes(path: Path, *, limit: int, what: str = "file") -> bytes:
    """Read a regular file of bounded size; a FIFO, device or socket is refused without being opened for reading.

    Args:
        path: the file; links are followed.
        limit: largest accepted size in bytes.
        what: what the caller expects, for messages, such as "product file".

    Raises:
        InputError: no such file, not a regular file, unreadable, or larger than `limit`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise InputError(f"{path}: is not a regular file; give the path of a {what}.")
            content = stream.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read ({reason}); give the path of a {what}.") from error
    if len(content) > limit:
        raise InputError(f"{path}: is larger than {_size(limit)}, the most that a {what} may hold; give a smaller one.")
    return content


def read_text(path: Path, *, limit: int, what: str = "file") -> str:
    """Read a UTF-8 text file of bounded size.

    Raises:
        InputError: as `read_bytes`, or the content is not UTF-8.
    """
    try:
        return read_bytes(path, limit=limit, what=what).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: byte {error.start} is not UTF-8; save the {what} as UTF-8 text and try again."
        ) from error


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all: a reader, a kill or a full disk never meets half of it.

    The content is written beside the target, synchronised to disk and renamed over it. Text is UTF-8; characters that
    UTF-8 cannot hold are written as escapes.

    Raises:
        OSError: the folder cannot be written or the disk is full; the earlier file is unchanged.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        aside.chmod(_mode_of(path))
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_once(path: Path, content: str, *, limit: int, what: str = "file") -> bytes | None:
    """Write a file unless there is one, so that a folder is one run's own.

    Args:
        path: the file.
        content: written whole.
        limit: largest accepted size in bytes of a file that is there already.
        what: what the file is, for messages.

    Returns:
        None where it was written, else what the file holds.

    Raises:
        InputError: it cannot be written, or as `read_bytes`.
    """
    if path.exists():
        return read_bytes(path, limit=limit, what=what)
    try:
        write_atomic(path, content)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); give a folder that you may write to."
        ) from error
    return None


def cut_torn_line(file: int) -> int:
    """Cut off the last line of an open file where a kill has torn it; return the size that is left.

    Args:
        file: descriptor of a file that is open for reading and writing; its position changes.
    """
    end = size = os.lseek(file, 0, os.SEEK_END)
    kept = 0
    while end > 0 and not kept:
        start = max(0, end - _BLOCK)
        os.lseek(file, start, os.SEEK_SET)
        found = os.read(file, end - start).rfind(b"\n")
        kept = start + found + 1 if found >= 0 else 0
        end = start
    if kept < size:
        os.ftruncate(file, kept)
    return kept


@contextlib.contextmanager
def exclusive(path: Path, *, seconds: float = 60.0) -> Iterator[None]:
    """Hold a lock on a file for reading, changing and writing it; other processes and threads wait.

    Args:
        path: the file that is protected; the lock is a hidden file beside it.
        seconds: how long to wait for another holder.

    Raises:
        InputError: another program holds it for longer than that, or the lock file cannot be written.
    """
    lock: BaseFileLock = FileLock(path.with_name(f".{path.name}.lock"), timeout=seconds)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(f"{path}: another program is changing it; wait for it to end and call again.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{path}: cannot be locked ({reason}); give a folder that you may write to.") from error
    try:
        yield
    finally:
        lock.release()


def _mode_of(path: Path) -> int:
    """Permissions of the file that is replaced, or those that a new file gets."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where the system lets a folder be synchronised."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _size(count: int) -> str:
    return f"{count / 1e6:g} MB" if count >= 1e6 else f"{count / 1e3:g} kB"
