"""Writing that survives a crash: a file or folder appears whole, or not at all.

Used for everything in a run folder that somebody may read after a kill, for exported models, and
for tables of readings.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path


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
    """A file of lines that grows beside its place, and is put there once it is whole.

    It grows as `NAME.part`, line by line, so that whatever ends the work, a kill too, leaves all
    that was done, and an earlier file of the name stays.

    Args:
        path: the place; a link is followed.
        encoding: of the lines; what it does not have becomes an escape.

    Raises:
        OSError: where the disk refuses; so do the methods.
    """

    def __init__(self, path: Path, encoding: str = "utf-8") -> None:
        self.path = Path(os.path.realpath(path)) if path.is_symlink() else path
        self.part = self.path.with_name(f"{self.path.name}.part")
        self.part.unlink(missing_ok=True)  # what an earlier one left, or a link to elsewhere
        self._file = self.part.open("x", encoding=encoding, errors="backslashreplace", newline="\n")

    def write(self, line: str) -> None:
        """Add a line."""
        print(line, file=self._file, flush=True)

    def put_in_place(self) -> None:
        """Make it durable, and let it take its place."""
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self.part, self.path)
        sync_folder(self.path.parent)

    def leave(self, keep: bool) -> None:
        """Close it where it grew, or remove it; a disk that refuses is not asked again."""
        with contextlib.suppress(OSError):
            self._file.close()
        if not keep:
            with contextlib.suppress(OSError):
                self.part.unlink(missing_ok=True)


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
