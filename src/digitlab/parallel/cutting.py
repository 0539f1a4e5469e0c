"""Where a list of layers is cut into the stages of a pipeline: pure functions of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache


def cut_evenly(parameters: Sequence[int], sent: Sequence[int], stages: int) -> tuple[int, ...]:
    """Return the layers with which the second stage begins, the third, ...

    The largest stage has as few parameters as can be; of all such cuts, the one over which the
    fewest numbers are sent; of those, the first.

    Args:
        parameters: of each layer.
        sent: how many numbers each layer gives for one image; what the last gives is not sent.
        stages: how many there are to be, each of one layer or more.
    """
    layers = len(parameters)
    until = [0]
    for count in parameters:
        until.append(until[-1] + count)

    @cache
    def best(end: int, left: int) -> int:
        """Return the largest of `left` stages of the layers before `end`, cut best."""
        if left == 1:
            return until[end]
        return min(
            max(best(begin, left - 1), until[end] - until[begin]) for begin in range(left - 1, end)
        )

    limit = best(layers, stages)

    @cache
    def cheapest(end: int, left: int) -> tuple[float, tuple[int, ...]]:
        """Return the cheapest cut of these into stages within the limit, and what it costs."""
        if left == 1:
            return (0 if until[end] <= limit else float("inf")), ()
        found = (
            (cost + sent[begin - 1], (*begins, begin))
            for begin in range(left - 1, end)
            if until[end] - until[begin] <= limit
            for cost, begins in [cheapest(begin, left - 1)]
        )
        return min(found, default=(float("inf"), ()))

    return cheapest(layers, stages)[1]
