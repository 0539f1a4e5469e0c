"""A decoder process that does what the file asks for; tests give it to a GuardedDecoder.

Run as `python misbehaving_decoder.py SECONDS MEGABYTES`, as the real one is. A file is a real
picture, and what follows `DO:` at its end is done first.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from digitlab.decoding import load_picture
from digitlab.reading.decoder_process import serve

hoard: list[np.ndarray] = []


def decode(file: bytes, max_pixels: int, name: str, page: int) -> np.ndarray:
    """Misbehave, then decode."""
    what = file.partition(b"DO:")[2].decode()
    if what == "crash":
        ctypes.string_at(0)
    elif what == "abort":
        os.abort()
    elif what == "exit":
        os._exit(3)
    elif what == "hang":
        if os.path.exists("hanging"):  # somebody waits to be told
            Path("hanging").write_text("now")
        while True:
            time.sleep(1)
    elif what == "spin":
        while True:
            pass
    elif what == "eat":
        while True:
            hoard.append(np.ones(16 << 20, np.uint8))
    elif what == "leak":
        hoard.append(np.ones(90 << 20, np.uint8))
    elif what == "print":
        print("a library says something", flush=True)
        os.write(1, b"and something else")
    elif what == "crash later":
        signal.signal(signal.SIGALRM, lambda *_: os.abort())
        hoard.append(np.ones(1, np.uint8))
    elif what == "" and any(len(one) == 1 for one in hoard):
        os.abort()
    return load_picture(file, max_pixels, name, page)


if __name__ == "__main__":
    serve(float(sys.argv[1]), int(sys.argv[2]), decode)
