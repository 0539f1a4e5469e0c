"""The digits that digit-recognizer-py reads in a folder of PNGs, by name: one JSON list."""

import json
import sys
from pathlib import Path

import torch
from digit_recognizer import DigitRecognizer

torch.set_num_threads(1)
recognizer = DigitRecognizer(device="cpu")
paths = sorted(Path(sys.argv[1]).glob("*.png"))
print(json.dumps([int(recognizer.predict(str(path))) for path in paths]))
