"""Digits, letters and signs as pen strokes, and how a hand varies them; drawn without a font.

Used by handwriting.py. MNIST is American: here are the flag and foot of a European 1, the barred and
hooked 7, the looped 2, the curled 9 and other forms that it lacks; letters, signs and scribbles are
what a network learns as no digit.

A form is written as strokes, parted by "/". A stroke is a list of points "xy" with x from the left
and y from the top, 0 to 9 each; it is a smooth curve through its points, or, after "l", straight
lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from digitlab.data.batches import Draws

Floats = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

CANVAS = 64  # pixels; a digit is about 40 of them high, as 20 of 28
_HEIGHT = 40.0
_PIECES = 6  # of a curve between two points

DIGITS: tuple[tuple[str, ...], ...] = (
    (  # 0: oval, closed above with a curl, slashed, open, narrow, heart-shaped
        "50 20 04 06 29 59 87 93 71 50",
        "70 40 11 04 07 39 69 88 94 71 40 30 52 71",
        "50 20 04 06 29 59 87 93 71 50/l 91 08",
        "30 11 04 07 39 69 88 94 71 50",
        "60 30 14 17 39 59 76 84 81 60",
        "42 20 03 06 28 49 77 94 91 70 42",
        "60 20 04 07 39 78 94 80 50 42",
    ),
    (  # 1: bar, flag, long flag, flag and foot, foot, curved flag, leaning
        "l 50 59",
        "l 23 50 59",
        "l 05 60 69",
        "l 22 50 59/l 19 99",
        "l 32 50 59/l 29 89",
        "l 04 60 59/l 29 99",
        "l 50 59/l 29 79",
        "23 42 50/l 50 59",
        "l 70 29",
        "l 03 50 49",
        "33 41 50 54 59 68",
    ),
    (  # 2: round, with a loop, with a straight foot, swan, small head, curled start
        "12 30 60 82 75 47 19/l 19 99",
        "12 20 50 82 65 28 09 07 27 58 99",
        "11 40 80 83 56 09/09 29 68 99",
        "13 20 60 82 64 18 09/09 38 79 98",
        "02 30 70 92 75 09/l 09 99",
        "21 40 70 72 55 19/l 19 89",
        "22 32 21 30 60 82 66 19/19 59 98",
        "12 40 82 56 19 08 27 59 98",
        "l 11 70 82/82 66 09/l 09 99",
    ),
    (  # 3: round, flat top, with a loop in the middle, angular, small head, large belly
        "11 40 80 83 44/44 86 88 59 08",
        "l 10 90 44/44 86 88 59 08",
        "11 50 82 64 34 33 45 65 87 69 08",
        "l 11 80 53/53 85 97 69 18",
        "12 30 71 73 34/34 76 98 59 07",
        "20 60 72 44/44 85 77 49 29 18",
        "11 50 91 73 44/l 44 64/64 96 88 49 08",
        "12 11 40 80 83 54 34/34 54 86 88 59 18 07",
    ),
    (  # 4: open, closed, short tail, lightning, curved, stem from the bar, high bar
        "l 30 06 96/l 63 69",
        "l 70 06 96/l 70 79",
        "l 60 06 96/l 60 68",
        "l 10 15 85/l 80 79",
        "20 12 15 35 85/l 81 79",
        "l 40 06 96/l 54 49",
        "l 60 16 96/l 64 59",
        "l 50 04 94/l 52 59",
        "l 20 14 84/l 80 89",
        "l 40 15 95/l 72 49",
        "70 45 06 36 96/l 70 69",
        "l 59 50 06 96",
        "10 13 25 55 84/l 90 79",
        "l 10 05 74/l 72 69",
    ),
    (  # 5: cap and belly, a cap apart, S-like, square, small cap, long cap
        "l 80 20 14/14 53 86 68 29 08",
        "20 14 53 85 78 39 08/l 20 90",
        "90 40 13 54 86 69 29 08",
        "l 80 10 14 74/74 86 69 09",
        "l 70 30 24/24 63 86 69 18",
        "l 30 24/24 64 87 59 08/l 31 91",
        "l 90 10 05/05 43 85 88 49 08",
        "81 40 20 13 54 85 88 49 18",
    ),
    (  # 6: round, straight back, large loop, tiny loop, curled start, closed high
        "70 34 06 18 49 78 86 55 25 07",
        "l 60 16/16 28 59 88 75 45 16",
        "80 40 14 07 39 79 96 74 34 06",
        "60 25 17 39 68 66 46 18",
        "81 60 30 05 07 39 79 86 64 25 07",
        "50 22 06 28 59 88 96 74 44 16",
        "l 40 17/17 39 78 86 65 35 17",
        "72 50 22 06 28 59 78 75 45 07",
    ),
    (  # 7: plain, barred, hooked, both, curved, steep, wavy top, bar low
        "l 00 90 49",
        "l 00 90 39/l 25 85",
        "l 03 00 90 49",
        "l 12 10 90 49/l 35 85",
        "00 50 90 74 49",
        "l 10 80 69",
        "02 11 31 50 80/l 80 39",
        "l 10 90 59/l 34 94",
        "l 00 90 29/l 14 74",
        "00 40 90 64 49/l 25 84",
        "l 03 11 81 59/l 35 75",
    ),
    (  # 8: crossed, two rounds, open above, narrow, small head, drawn from the middle
        "82 50 21 23 54 86 78 49 18 26 54 83 81",
        "50 21 23 44 73 81 50/44 16 18 49 88 86 44",
        "91 50 20 23 55 87 69 29 07 36 73 91",
        "60 31 33 54 66 68 49 28 36 54 73 71 60",
        "50 31 33 54 73 71 50/54 15 18 59 98 95 54",
        "55 83 80 40 21 33 66 88 59 18 27 55",
        "80 50 21 33 65 77 59 28 26 54 82 90",
        "40 11 13 44 74 92 70 40/44 06 18 49 88 86 44",
    ),
    (  # 9: straight tail, curled foot, curved tail, apart, small head, tail to the left
        "82 60 22 14 45 74 82/l 81 79",
        "81 50 12 14 45 75 82 85 78 49 18",
        "80 40 12 25 64 81/81 74 49",
        "70 30 12 25 64 81 70/l 80 89",
        "71 50 32 34 54 72/l 71 79",
        "81 40 12 24 54 82/82 85 68 29",
        "81 50 22 14 45 75 82/82 77 59 39 17",
        "72 40 12 24 54 71/l 71 49",
        "82 40 12 25 65 82 86 89 69 48 67 97",
    ),
)

# Left out on purpose: what can be taken for a digit, such as I, l, O, S, Z, b, g, q, y, or theta.
OTHERS: tuple[str, ...] = (
    # Latin capitals
    "l 09 40 89/l 25 75", "82 50 20 04 06 29 59 87", "l 90 10 19 99/l 14 74", "l 80 10 19/l 14 64",
    "l 10 19/l 80 89/l 14 84", "l 10 19/l 80 14 89", "l 10 19 89", "l 09 10 55 90 99",
    "l 09 00 99 90", "l 10 19/10 60 82 64 15", "l 10 19/10 60 82 64 14/l 54 99", "l 00 90/l 50 59",
    "10 16 39 69 86 80", "l 00 49 90", "l 00 29 52 79 90", "l 00 99/l 90 09", "l 10 19/10 70 95 79 19",
    "l 10 19/10 60 72 54 14/14 74 86 69 19",
    # Latin small letters
    "84 43 15 18 39 78 84/84 87 99", "84 53 25 17 39 69 88", "84 43 15 18 39 78 84/l 80 89",
    "15 85 83 43 15 18 49 88", "81 60 42 45 49/l 24 74", "l 10 19/15 44 74 86 89", "l 10 19/l 73 15 79",
    "l 03 09/05 24 44 49/45 64 84 89", "l 13 19/15 44 74 86 89", "l 12 19/13 52 74 66 16",
    "l 23 29/26 44 74", "l 40 48/48 69/l 13 73", "13 17 39 68 83/l 83 89", "l 13 49 83",
    "l 03 29 44 69 93", "l 13 79/l 73 19",
    "44 24 26 46 54/l 54 57 66", "14 34 36 49 58 44 34", "20 24 29 49 37 24",
    # Greek, as hands write it
    "90 66 48 18 06 13 33 55 79 98", "00 33 57 48 39 27 35 62 80", "10 44 57 49 38 46 90",
    "80 40 22 35 67 69 39 17 25 45 78", "71 40 21 43 75 79 39 16 45 56",
    "09 14 20 51 63 34/34 65 67 48 18", "19 11 40 72 54 24/24 75 87 58 18",
    "02 21 25/24 42 61 69", "01 20 35/25 40 71 74 79", "12 20 27/24 41 71 77 79 98",
    "10 30 59 99/l 54 09", "09 10 16 28 57 60/57 68 87", "29 12/13 27 57 72/72 77 88",
    "80 30 22 44 64/44 16 28 68 79 59", "l 02 92/l 32 29/62 58 79", "l 12 92/52 48 69",
    "50 51 49/53 13 17 57 96 93 53", "10 13 36 66 83 90/l 50 59", "22 05 18 48 55/55 68 88 95 72",
    "80 30 11 33 64/33 05 19 58 88", "81 40 13 34 64/34 06 18 59 88",
    # Cyrillic
    "l 10 19/l 80 89/l 18 81", "l 10 19 89 80/l 50 59",
    "l 00 09/l 04 34/40 64 79 39 34 40", "l 80 89/80 30 13 45 85/l 55 09", "l 10 19/l 10 80 89",
    "l 40 49/l 01 88/l 81 08", "l 28 20 80 88/l 08 98", "l 80 10 19",
    # Signs
    "l 50 59/l 05 95", "l 13 87/l 83 17", "l 13 83/l 16 86", "12 30 71 73 55 56/l 58 59",
    "l 30 29/l 70 69/l 03 93/l 06 96", "l 05 39 90", "l 05 95/l 62 95 68",
    "l 20 89/l 60 19/l 04 94", "l 50 09 99 50", "52 20 03 59 93 80 52",
    "70 43 45 79", "30 63 65 39", "80 40 12 54 86 59 18/l 50 59", "91 50 22 27 59 98/l 14 64/l 06 66",
    "25 03 26 46 73 96 75 55 25", "05 23 45 65 84 93",
    "45 34 26 37 56 64 65 77 95 92 60 20 03 07 39 79", "99 34 31 50 62 33 07 29 58 86",
    "l 80 09/20 01 13 31 20/77 66 78 97 77",
    # Chinese
    "l 03 93/50 46 09/l 55 99", "40 36 09/l 43 99", "l 13 83 86 16 13/l 50 59", "l 10 80 89 19 10/l 14 84",
    "l 11 81/l 15 85/l 09 99/l 51 59", "l 50 58/l 14 18 88/l 84 88", "l 04 94/l 50 59/l 55 19/l 55 99",
)


@cache
def _strokes(form: str) -> tuple[Points, ...]:
    """Return the strokes of a form as dense points in 0..1, curves resolved."""
    strokes = []
    for stroke in form.split("/"):
        straight = stroke.startswith("l ")
        pairs = stroke.removeprefix("l ").split()
        points = np.array([[int(pair[0]), int(pair[1])] for pair in pairs], np.float64) / 9
        strokes.append(points if straight else curve(points))
    return tuple(strokes)


def curve(points: Points) -> Points:
    """Return a smooth curve through points, float64 [N, 2] (Catmull and Rom, 1974)."""
    ends = np.concatenate([points[:1], points, points[-1:]])
    before, start, end, after = ends[:-3, None], ends[1:-2, None], ends[2:-1, None], ends[3:, None]
    t = (np.arange(_PIECES) / _PIECES)[None, :, None]
    pieces = start + 0.5 * t * (
        end
        - before
        + t * (2 * before - 5 * start + 4 * end - after)
        + t * t * (3 * (start - end) + after - before)
    )
    return np.concatenate([pieces.reshape(-1, 2), points[-1:]])


def drawn_digit(digit: int, draws: Draws) -> Floats:
    """Return a drawn digit, float32 [CANVAS, CANVAS], ink 0 to 1."""
    return _drawn(_strokes(draws.choice(DIGITS[digit])), draws)


def drawn_other(draws: Draws) -> Floats:
    """Return a drawn letter or sign, float32 [CANVAS, CANVAS], ink 0 to 1."""
    return _drawn(_strokes(draws.choice(OTHERS)), draws)


def scribble(draws: Draws) -> Floats:
    """Return a line that wanders, float32 [CANVAS, CANVAS], ink 0 to 1."""
    count = 5 + int(draws.next() * 10)
    points = np.array([[draws.next(), draws.next()] for _ in range(count)])
    return _drawn((curve(points) if draws.chance(0.6) else points,), draws)


def _drawn(strokes: Sequence[Points], draws: Draws) -> Floats:
    """Draw strokes as a hand does: no two alike, ends too short or too long, uneven pressure."""
    width = draws.between(0.5, 0.85)
    wobble = draws.between(0.0, 0.06)
    phase = np.array([[draws.between(0, 6.3), draws.between(0, 6.3)] for _ in range(4)])
    bends = []
    for points in strokes:
        # A slow bend of the whole plane, so that strokes that meet go on meeting.
        bend = sum(
            np.sin((at + 1) * 2.2 * points[:, ::-1] + phase[at]) / (at + 1) for at in range(4)
        )
        shift = np.array([draws.between(-0.035, 0.035), draws.between(-0.035, 0.035)])
        bends.append((points + wobble * bend + shift) * (width, 1.0))
    middle = np.array([width / 2, 0.5])
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    thickness = 2 + int(draws.next() * 6)
    for points in bends:
        pixels = np.rint(((points - middle) * _HEIGHT + CANVAS / 2) * 16).astype(np.int32)
        cv2.polylines(canvas, [pixels[:, None]], False, 255, thickness, cv2.LINE_AA, 4)
    return canvas.astype(np.float32) / 255
