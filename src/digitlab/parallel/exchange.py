"""What the workers of one round send each other through; `Team` makes a new one for each round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor


class PeersLostError(Exception):
    """An exchange failed: others are lost, or have lost us."""


class Exchange(Protocol):
    """Connections of a worker with all others of its round; used by all in the same order.

    Every call raises `PeersLostError` where somebody is lost, or silent for too long. `device` is
    where the tensors must be that it sends.
    """

    device: torch.device

    def gather(self, mine: Tensor, every: Tensor, meanwhile: Callable[[], None] | None) -> None:
        """Fill `every` [workers, ...] by rank; `mine` is contiguous; see `Team.gather`."""
        ...

    def broadcast(self, tensor: Tensor, source: int) -> None:
        """Fill a contiguous tensor with that of the worker of rank `source`."""
        ...

    def close(self) -> None:
        """Let go of the others, which tells them, too, that this round is over."""
        ...
