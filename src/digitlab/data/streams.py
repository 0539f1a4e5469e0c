"""The bytes of a data file, gunzipped where they are gzip, and never more than a limit.

Used by idx.py and course_json.py, which read files too large to trust and too large to copy twice.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from digitlab.errors import DataError

MAX_BYTES = 4 * 2**30
"""How many bytes a file may inflate to, unless the caller allows more."""

_READ = 1 << 16
_INFLATE = 1 << 22  # a step of inflating: long enough that threads seldom wait for one another
_GZIP = b"\x1f\x8b"


def chunks_of(path: Path, max_bytes: int = MAX_BYTES) -> Generator[bytes, None, None]:
    """Yield the bytes of a file in chunks of at most 4 MiB; gzip is known by its first two bytes.

    Args:
        path: of the file; its name does not matter.
        max_bytes: what it may hold at most, after inflating.

    Raises:
        DataError: the file is missing, cannot be read, is damaged or truncated gzip, or holds more
            than `max_bytes`; in one line that names it.
    """
    total = 0
    try:
        with path.open("rb") as file:
            head = file.read(_READ)
            pieces = _gunzipped(file, head, path) if head[:2] == _GZIP else _plain(file, head)
            for piece in pieces:
                total += len(piece)
                if total > max_bytes:
                    raise too_large(path, max_bytes)
                yield piece
    except OSError as error:
        raise unreadable(path, error) from error


def read_ahead(chunks: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """Yield the same chunks, each made in another thread while the one before it is in use.

    zlib gives up the interpreter's lock while it inflates, so that inflating costs no time where a
    second core is free.
    """
    with ThreadPoolExecutor(1, "inflate") as pool:
        coming = pool.submit(next, chunks, b"")
        while chunk := coming.result():
            coming = pool.submit(next, chunks, b"")
            yield chunk


def too_large(path: Path, max_bytes: int) -> DataError:
    """Return the error for a file that holds, or says that it holds, more than `max_bytes`."""
    return DataError(
        f"{path}: holds more than the {max_bytes:,} bytes that a source may inflate to; "
        "if it is what you want, raise the limit: load_dataset(..., max_bytes=...)"
    )


def unreadable(path: Path, error: OSError) -> DataError:
    """Return the error for a file that the system does not let us read."""
    reason = error.strerror or str(error)
    return DataError(f"{path}: cannot be read: {reason}; check the path and its permissions")


def _plain(file: BinaryIO, head: bytes) -> Iterator[bytes]:
    while head:
        yield head
        head = file.read(_INFLATE)


def _gunzipped(file: BinaryIO, data: bytes, path: Path) -> Iterator[bytes]:
    """Inflate every member of a gzip file (RFC 1952); zlib checks the sums and lengths."""
    while data:
        inflater = zlib.decompressobj(wbits=31)
        while not inflater.eof:
            data = data or file.read(_READ)
            try:
                piece = inflater.decompress(data, _INFLATE)
            except zlib.error as error:
                raise DataError(
                    f"{path}: damaged gzip ({_reason(error)}); try another copy"
                ) from error
            if piece:
                yield piece
            elif not data:
                raise DataError(f"{path}: truncated gzip: it ends too early; try another copy")
            data = inflater.unconsumed_tail
        data = _next_member(file, inflater.unused_data, path)


def _next_member(file: BinaryIO, data: bytes, path: Path) -> bytes:
    """Return the start of the next member, b"" at the end of the file; zeros are padding."""
    while True:
        data = data.lstrip(b"\0")
        more = file.read(_READ) if len(data) < len(_GZIP) else b""
        data += more
        if data[:2] == _GZIP:
            return data
        if not more:
            break
    if data:
        raise DataError(f"{path}: {data[:1]!r} follows the end of its gzip data; try another copy")
    return b""


def _reason(error: zlib.error) -> str:
    return str(error).rpartition(": ")[2]
