"""A box is the smallest around the ink, and fits as much as it overlaps."""

from __future__ import annotations

import numpy as np
import pytest

from digitlab.boxes import ink_boxes, mean_iou, overlaps


def test_a_box_is_the_smallest_around_the_ink() -> None:
    images = np.zeros((3, 28, 28), np.uint8)
    images[0, 4, 6] = images[0, 23, 9] = 255
    images[1] = 38  # fainter than ink
    images[2, 27, 27] = 39
    expected = [[6, 4, 4, 20], [0, 0, 0, 0], [27, 27, 1, 1]]
    assert ink_boxes(images).tolist() == expected
    assert ink_boxes(images.astype(np.float32) / 255).tolist() == expected
    assert ink_boxes(images[:0]).shape == (0, 4)


def test_overlap_is_intersection_over_union() -> None:
    truth = [2, 3, 4, 6]
    told = [
        [2, 3, 4, 6],
        [4, 3, 4, 6],
        [2.5, 3, 3, 6],
        [20, 3, 4, 6],
        [2, 3, -4, 6],
        [np.nan, 3, 4, 6],
        [2, 3, np.inf, 6],
    ]
    found = overlaps(np.array(told, np.float32), np.array([truth] * len(told), np.float32))
    assert found == pytest.approx([1, 1 / 3, 3 / 4, 0, 0, 0, 0])


def test_images_without_ink_are_not_counted() -> None:
    images = np.zeros((2, 28, 28), np.uint8)
    images[0, 10:20, 10:20] = 255
    told = np.array([[10, 10, 10, 5], [1, 1, 1, 1]], np.float32)
    assert mean_iou(told, images) == pytest.approx(0.5)
    assert mean_iou(told[1:], images[1:]) is None
