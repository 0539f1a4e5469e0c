"""The course's convolutional lesson, as it is, run by `digitlab paddle run`; times what it prints.

Reading the file is left out: the clock runs from the print of one batch to that of a later one.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
import time
from pathlib import Path

from common import BATCH, WARM_UP_STEPS, arguments

chosen = arguments()

from digitlab.paddle.script import run_script

LESSON = Path(__file__).parents[2] / "tests/paddle/lessons/cnn_1_8.py"


class Clock(io.StringIO):
    """Hears what the lesson prints, and ends it after enough steps."""

    def __init__(self) -> None:
        """Begin before the first batch."""
        super().__init__()
        self.began: tuple[int, float] | None = None
        self.ended = (0, 0.0)
        self.loss = float("nan")

    def write(self, text: str) -> int:
        """Take the time of a line."""
        if found := re.search(r"epoch: (\d+), batch: (\d+), loss is: \[([\d.e+-]+)\]", text):
            step = int(found[1]) * EPOCH + int(found[2])
            if step >= WARM_UP_STEPS and self.began is None:
                self.began = step, time.perf_counter()
            self.ended = step, time.perf_counter()
            self.loss = float(found[3])
            if self.began and step - self.began[0] >= chosen.steps:
                raise SystemExit(0)
        return len(text)


EPOCH = 40  # batches of the lesson: 4,000 images
# The lesson, but for two constants: more epochs, and the course's rate.
text = LESSON.read_text("utf-8").replace("EPOCH_NUM = 1\n", "EPOCH_NUM = 1000\n")
text = text.replace("LEARNING_RATE = 0.1\n", "LEARNING_RATE = 0.01\n")
clock = Clock()
lesson = Path(chosen.data).with_name("lesson.py")
lesson.write_text(text, "utf-8")
with contextlib.redirect_stdout(clock):
    status = run_script(lesson)
if status or clock.began is None:
    sys.exit(f"the lesson ended with status {status}")
seconds = clock.ended[1] - clock.began[1]
steps = clock.ended[0] - clock.began[0]
print(json.dumps({"images_per_second": steps * BATCH / seconds, "loss": clock.loss}))
