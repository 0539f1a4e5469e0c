"""How well photographs of sheets on tables are read: in shadow, and running out of the picture.

    python benchmarks/photographed_pages.py [--split valid|test] [--pages N] [--seed N]

Each sheet is a made page of one kind. It is laid on a table, and then photographed as it is, with
shadows across both, or so that the sheet runs out of the picture, with all that is written on it in
it. Rules for where a sheet is were chosen on other pages of validation digits, which were made the
same way (docs/benchmarks.md). A page is *lost* where less than four in five of its digits are read.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np

import digitlab
from digitlab.data.dataset import Split
from digitlab.evaluation import PageScore, score
from digitlab.synthesis.lens import compressed
from digitlab.synthesis.page_paper import grained, photographed, seen, shaded
from digitlab.synthesis.page_writing import PageChance
from digitlab.synthesis.pages import Picture, made_page

SHEETS = ("plain", "marks", "ruled", "table", "boxes")
WAYS = ("whole", "in shadow", "cut")
LOST = 0.8  # of the digits of a page: one of which fewer are read is lost


def photograph(split: Split, kind: str, way: str, seed: int, sample: int) -> tuple[Picture, str]:
    """Return a photograph of a made page, and what is written on it.

    Args:
        split: whose digits are written.
        kind: of the page, one of `SHEETS`.
        way: one of `WAYS`.
        seed, sample: as of `made_page`.
    """
    page = made_page(split.images, split.labels, kind, seed, sample)
    chance = PageChance(seed, 100 + WAYS.index(way), SHEETS.index(kind), sample)
    draws = chance.draws(1, count=1200)
    high, wide = page.picture.shape[:2]
    view = photographed((wide, high), draws)
    paper = tuple(np.median(page.picture, axis=(0, 1)).tolist())
    picture = seen(page.picture, view, paper, draws)
    if way == "in shadow":
        picture = shaded(picture, chance.draws(2))
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), draws.between(0.3, 0.8)), np.uint8)
    picture = grained(picture, draws.between(0.5, 5), chance, 3)
    picture = compressed(picture, int(draws.between(40, 96)))
    if way == "cut":
        boxes = np.array([one.box for one in page.characters], np.float64)
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])
        there = cv2.perspectiveTransform(corners[None], view.matrix)[0]
        around = 0.4 * float(np.median(boxes[:, 3]))
        size = np.array(view.size)
        first = np.maximum(0, there.min(axis=0) - around)
        last = np.minimum(size, there.max(axis=0) + around)
        left, top = (round(draws.between(0, 1) * one) for one in first.tolist())
        right, bottom = (
            round(end + draws.between(0, 1) * (side - end))
            for end, side in zip(last.tolist(), size.tolist(), strict=True)
        )
        picture = np.ascontiguousarray(picture[top:bottom, left:right])
    return picture, page.text


def main() -> None:
    """Read, count and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--pages", type=int, default=20, help="of each kind, each way")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    split = digitlab.load_dataset("mnist").splits[chosen.split]
    recogniser = digitlab.Recogniser()
    print(f"{'way':<12}{'kind':<10}{'digits':>8}{'right %':>9}{'extra':>7}{'pages':>7}{'lost':>6}")
    for way in WAYS:
        for kind in SHEETS:
            total, lost = PageScore(), 0
            for sample in range(chosen.pages):
                picture, text = photograph(split, kind, way, chosen.seed, sample)
                one = score(text, recogniser.read(picture))
                total += one
                lost += one.right < LOST * one.digits
            right = f"{100 * (total.accuracy or 0):>9.2f}"
            row = f"{way:<12}{kind:<10}{total.digits:>8,}{right}{total.extra:>7,}"
            print(f"{row}{total.pages:>7}{lost:>6}", flush=True)


if __name__ == "__main__":
    main()
