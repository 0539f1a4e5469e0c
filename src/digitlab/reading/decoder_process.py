"""The process that decodes pictures for guard.py, one after another, and may die of one.

It is started as `python -P -m digitlab.reading.decoder_process SECONDS MEGABYTES`. A request on
standard input is a `REQUEST` header, a name and the bytes of a file, or none for the file of the
request before; an answer on standard output is an `ANSWER` header, and raw pixels, or a code and a
message. No pickle either way.
"""

from __future__ import annotations

import io
import os
import signal
import struct
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from PIL import Image

from digitlab.decoding import Picture, count_pages, load_picture, out_of_memory
from digitlab.errors import PictureError

READY = b"digitlab decoder 2\n"
# Bytes of the name and of the file, most pixels, and which page, from 1; 0 asks how many there are.
REQUEST = struct.Struct("<IQQI")
# 1, height, width, channels; or 2, pages, 0, 0; or 0, bytes of the code and of the message, 0.
ANSWER = struct.Struct("<BIIB")

Decode = Callable[[bytes, int, str, int], Picture]


def serve(seconds: float, megabytes: int, decode: Decode = load_picture) -> None:
    """Answer requests until standard input ends.

    Args:
        seconds: after which a decoder that hangs ends this process, should nobody else do so.
        megabytes: that decoding may take beside what the process has already.
        decode: takes the bytes of a file, the most pixels, a name and a page, as `load_picture`
            does.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asks
    warnings.simplefilter("ignore")  # whoever asks says what there is to say
    Image.MAX_IMAGE_PIXELS = None  # the request says how many; Pillow's own limit may be lower
    Image.preinit()
    _limit_memory(megabytes)
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not break an answer
    answers.write(READY)
    answers.flush()
    file = b""
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        name_size, size, max_pixels, page = REQUEST.unpack(head)
        name = requests.read(name_size).decode(errors="surrogatepass")
        file = requests.read(size) if size else file
        _alarm(seconds + 1)
        try:
            answer, more = _answer(decode, file, max_pixels, name, page)
        except (PictureError, MemoryError) as failure:
            error = failure if isinstance(failure, PictureError) else out_of_memory(name)
            code, message = error.code.encode(), str(error).encode(errors="surrogatepass")
            answer, more = ANSWER.pack(0, len(code), len(message), 0), memoryview(code + message)
        answers.write(answer)
        answers.write(more)
        del more  # of a picture, its pixels
        _alarm(0)
        answers.flush()


def _answer(
    decode: Decode, file: bytes, max_pixels: int, name: str, page: int
) -> tuple[bytes, memoryview]:
    if not page:
        return ANSWER.pack(2, count_pages(io.BytesIO(file), name) or 1, 0, 0), memoryview(b"")
    picture = np.ascontiguousarray(decode(file, max_pixels, name, page))
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    return ANSWER.pack(1, *picture.shape[:2], channels), picture.data


def _alarm(seconds: float) -> None:
    """Let the system end this process after a time, even within a decoder; 0 takes that back."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _limit_memory(megabytes: int) -> None:
    """Let allocations beyond a limit fail; where the system has no such limits, do nothing."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    try:
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        used = 1 << 30
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        most = used + (megabytes << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    serve(float(sys.argv[1]), int(sys.argv[2]))
