"""A process that makes pictures for training: settings and data come in, then come batches.

Started as `python -m digitlab.synthesis.maker` by parallel/batch_pictures.py, whose pipe is its
whole world: it ends when that is closed. It needs no PyTorch, and so starts in a third of a second.
"""

from __future__ import annotations

import json
import os
import sys
from typing import IO

import cv2
import numpy as np

from digitlab.config import HandwritingConfig
from digitlab.data.dataset import Split
from digitlab.synthesis.handwriting import vary


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more.

    Args:
        requests: a line of JSON with `seed`, `count` and `handwriting`, then uint8
            [count, 28, 28] and int64 [count], then a line of JSON with `epoch` and `samples` a
            batch.
        answers: takes uint8 [N, 28, 28] and int64 [N] a batch; no raw file, which may write less.
    """
    settings = json.loads(requests.readline())
    config, count = HandwritingConfig(**settings["handwriting"]), settings["count"]
    images = np.frombuffer(requests.read(count * 784), np.uint8).reshape(count, 28, 28)
    train = Split(images, np.frombuffer(requests.read(count * 8), "<i8").astype(np.int64))
    for line in requests:
        asked = json.loads(line)
        samples = np.array(asked["samples"], np.int64)
        made, labels = vary(train, samples, asked["epoch"], settings["seed"], config)
        answers.write(made.tobytes() + labels.astype("<i8").tobytes())
        answers.flush()


if __name__ == "__main__":
    cv2.setNumThreads(1)
    try:
        # Not `sys.stdout.buffer`: it is raw under PYTHONUNBUFFERED, and then a process that is
        # stopped and goes on (Ctrl-Z, fg) drops what the pipe had no room for.
        serve(sys.stdin.buffer, os.fdopen(1, "wb", closefd=False))
    except BrokenPipeError:
        sys.exit(1)
