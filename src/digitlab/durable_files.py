"""Writing that survives a crash: a file or folder appears whole, or not at all.

Used for everything in a run folder that somebody may read after a kill, for exported models, and
for tables of readings.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # pragma: no cover
    fcntl = None  # type: ignore[assignment]  # Windows has no such locks

_OPEN_FILES_MOVE = os.name == "posix"  # elsewhere an open file is neither moved nor removed


def write_whole(path: Path, content: bytes) -> None:
    """Put a file in place at once: write beside it, fsync, rename, fsync the folder.

    Raises:
        OSError: where the disk refuses, with the file's name; nothing half-written is left, and an
            earlier file stays.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _write_through(beside, content)
        os.replace(beside, path)
    except BaseException as error:  # Ctrl-C, too
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # which whoever hears of it knows
        raise
    sync_folder(path.parent)


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put a folder of files in place at once; one of that name is replaced.

    Raises:
        OSError: where the disk refuses; nothing half-written is left.
    """
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        beside.mkdir()
        for name, content in files.items():
            _write_through(beside / name, content)
        sync_folder(beside)
        if folder.exists():
            old = folder.with_name(f".{folder.name}.{os.getpid()}.old.part")
            os.rename(folder, old)
        os.rename(beside, folder)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        error.filename = str(folder)
        raise
    sync_folder(folder.parent)
    remove_parts(folder.parent)


class GrowingFile:
    """A file that grows beside its place, and is put there once it is whole.

    It grows as `NAME.part`, so that whatever ends the work, a kill too, leaves all that was done,
    and an earlier file of the name stays. While it grows, no other process can write it (POSIX).

    Args:
        path: the place; a link is followed.
        keep: is given what an earlier one left in `NAME.part`, to be read from its first byte, and
            returns how many bytes of it stay; None for none.

    Raises:
        OSError: where the disk refuses; so do the methods. A BlockingIOError where another process
            is writing it.
    """

    def __init__(self, path: Path, keep: Callable[[BinaryIO], int] | None = None) -> None:
        self.path = Path(os.path.realpath(path)) if path.is_symlink() else path
        self.part = self.path.with_name(f"{self.path.name}.part")
        self._file = open_alone(self.part)
        try:
            size = 0 if keep is None else keep(self._file)
            self._file.truncate(size)
            self._file.seek(size)
        except BaseException:
            self._file.close()
            raise

    def write(self, content: bytes) -> None:
        """Add to its end."""
        self._file.write(content)
        self._file.flush()

    def put_in_place(self) -> None:
        """Make it durable, and let it take its place."""
        os.fsync(self._file.fileno())
        if not _OPEN_FILES_MOVE:  # pragma: no cover
            self._file.close()
        os.replace(self.part, self.path)
        sync_folder(self.path.parent)
        self._file.close()

    def leave(self, keep: bool) -> None:
        """Close it where it grew, or remove it; a disk that refuses is not asked again."""
        if not keep:
            remove_alone(self._file, self.part)
        with contextlib.suppress(OSError):
            self._file.close()


def open_alone(path: Path) -> BinaryIO:
    """Open a file to read and write that no other process has opened by this, while it lives.

    It is made where it is missing; a link to elsewhere is removed.

    Raises:
        OSError: where the disk refuses; a BlockingIOError where another process has it (POSIX).
    """

    def make(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)

    if path.is_symlink():
        path.unlink()
    file = open(path, "r+b", opener=make)  # noqa: SIM115
    if not _is_held(file, path):
        file.close()
        raise BlockingIOError(errno.EAGAIN, f"another process is writing {path.name}", str(path))
    return file


def remove_alone(file: BinaryIO, path: Path) -> None:
    """Close and remove a file of `open_alone`, as far as the disk lets it."""
    with contextlib.suppress(OSError):
        if not _OPEN_FILES_MOVE:  # pragma: no cover
            file.close()
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        file.close()


def _is_held(file: BinaryIO, path: Path) -> bool:
    """Whether this process alone has a file, and it still is where it was opened."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a disk without locks
            pass
    try:  # who held it may have put it in its place since
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False


def remove_parts(folder: Path) -> None:
    """Remove what writes that were cut short have left in a folder."""
    for part in folder.glob(".*.part"):
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                part.unlink()


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the system can (POSIX)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_through(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
