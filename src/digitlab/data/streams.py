"""The bytes of a data file, gunzipped where they are gzip, and never more than a limit.

Used by idx.py and course_json.py, which read files too large to trust and too large to copy twice.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from digitlab.errors import DataError

MAX_BYTES = 4 * 2**30
"""How many bytes a file may inflate to, unless the caller allows more."""

_READ = 1 << 22  # a step of inflating: long enough that threads seldom wait for one another
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
            if not file.seekable():  # a pipe may give its first byte alone
                raise DataError(f"{path}: is no file that can be read twice; save it first")
            is_gzip = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            content = gzip.GzipFile(fileobj=file) if is_gzip else file
            while piece := content.read(_READ):
                total += len(piece)
                if total > max_bytes:
                    raise too_large(path, max_bytes)
                yield piece
    except EOFError as error:
        raise DataError(f"{path}: truncated gzip: it ends too early; try another copy") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        what = f"damaged gzip ({str(error).rpartition(': ')[2]})"
        if "Not a gzipped file" in str(error):  # it was one, up to here
            what = "something else follows the end of its gzip data"
        raise DataError(f"{path}: {what}; try another copy") from error
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
