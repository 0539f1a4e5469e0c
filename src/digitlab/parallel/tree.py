"""The fixed order in which shards are added; used by every strategy that promises bits.

Neighbours are added in pairs, then pairs of pairs, and an odd one out moves up a level. Whoever
holds two neighbours may add them, so workers need not send each shard by itself: the order of the
additions, and with it the bits, are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from digitlab.data.batches import Share

Node = tuple[int, int]  # level (0: the shards themselves) and position in it
_T = TypeVar("_T")


def fold(parts: Mapping[Node, _T], leaves: int, add: Callable[[_T, _T], _T]) -> dict[Node, _T]:
    """Add what is there as far as it goes.

    Args:
        parts: by node, any subset of the tree that covers no shard twice.
        leaves: shards in the whole tree.
        add: of two neighbours, the left one first.

    Returns:
        What is left; where `parts` covers all shards, only `root(leaves)`.
    """
    left = dict(parts)
    level, width = 0, leaves
    while width > 1:
        for position in range(0, width, 2):
            first, second, above = (level, position), (level, position + 1), position // 2
            if position + 1 == width and first in left:
                left[level + 1, above] = left.pop(first)
            elif first in left and second in left:
                left[level + 1, above] = add(left.pop(first), left.pop(second))
        level, width = level + 1, -(-width // 2)
    return left


def left_of(share: Share, leaves: int) -> list[Node]:
    """Return the nodes that a worker is left with once it has added its neighbours, in order."""
    mine = dict.fromkeys(((0, place) for place in share.of(leaves)), 0)
    return sorted(fold(mine, leaves, lambda left, _: left))


def root(leaves: int) -> Node:
    """Return the node of the whole sum."""
    return (leaves - 1).bit_length(), 0
