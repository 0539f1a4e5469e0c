"""A decoder process that was taken over: it answers whatever its first argument says."""

from __future__ import annotations

import struct
import sys

from digitlab.reading.decoder_process import ANSWER, READY, REQUEST

ANSWERS = {
    "huge": ANSWER.pack(1, 2**32 - 1, 2**32 - 1, 3),
    "empty": ANSWER.pack(1, 0, 5, 3),
    "channels": ANSWER.pack(1, 5, 5, 4),
    "message": ANSWER.pack(0, 3, 2**32 - 1, 0),
    "bytes": ANSWER.pack(0, 2, 2, 0) + b"\xff\xff\xff\xff",
    "kind": struct.pack("<BIIB", 7, 1, 1, 1),
    "pages": ANSWER.pack(2, 5, 0, 0),
    "no pages": ANSWER.pack(2, 0, 0, 0),
    "picture": ANSWER.pack(1, 1, 1, 1) + b"x",
    "short": ANSWER.pack(1, 5, 5, 3) + b"few",
}

if __name__ == "__main__":
    out = sys.stdout.buffer
    out.write(b"something else\n" * 9 if sys.argv[1] == "hello" else READY)
    out.flush()
    name_size, size, _, _ = REQUEST.unpack(sys.stdin.buffer.read(REQUEST.size))
    sys.stdin.buffer.read(name_size + size)
    out.write(ANSWERS[sys.argv[1]])
    out.flush()
