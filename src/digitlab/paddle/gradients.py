"""What is done to gradients before an optimizer takes them: clipping, then regularization.

Source: python/paddle/fluid/clip.py and regularizer.py; that clipping comes first is in
`apply_gradients` of python/paddle/fluid/optimizer.py.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

Pairs = list[tuple["Trained", Tensor]]


class Trained(Protocol):
    """What is clipped: a parameter."""

    value: Tensor


class L2Decay:
    """Adds `regularization_coeff` times the parameter to its gradient."""

    def __init__(self, regularization_coeff: float = 0.0) -> None:
        """Give the coefficient."""
        self.coefficient = regularization_coeff

    def added_to(self, gradient: Tensor, parameter: Tensor) -> Tensor:
        """Return the gradient with the penalty's."""
        return gradient.add(parameter, alpha=self.coefficient)

    def __str__(self) -> str:
        return f"L2Decay, regularization_coeff={self.coefficient:f}"


class L1Decay:
    """Adds `regularization_coeff` times the parameter's sign to its gradient."""

    def __init__(self, regularization_coeff: float = 0.0) -> None:
        """Give the coefficient."""
        self.coefficient = regularization_coeff

    def added_to(self, gradient: Tensor, parameter: Tensor) -> Tensor:
        """Return the gradient with the penalty's."""
        return gradient.add(parameter.sign(), alpha=self.coefficient)

    def __str__(self) -> str:
        return f"L1Decay, regularization_coeff={self.coefficient:f}"


class GradientClipByValue:
    """Cuts each element off at two bounds."""

    def __init__(self, max: float, min: float | None = None, need_clip: object = None) -> None:
        """Give the upper bound; the lower one is its negative by default."""
        self.max, self.min = float(max), -float(max) if min is None else float(min)

    def __call__(self, pairs: Pairs) -> Pairs:
        """Return parameters with their clipped gradients."""
        return [(one, gradient.clamp(self.min, self.max)) for one, gradient in pairs]


class GradientClipByNorm:
    """Shortens each gradient that is longer than `clip_norm`."""

    def __init__(self, clip_norm: float, need_clip: object = None) -> None:
        """Give the length."""
        self.clip_norm = float(clip_norm)

    def __call__(self, pairs: Pairs) -> Pairs:
        """Return parameters with their clipped gradients."""
        return [(one, self._clipped(gradient)) for one, gradient in pairs]

    def _clipped(self, gradient: Tensor) -> Tensor:
        norm = gradient.norm()
        return gradient * (self.clip_norm / norm) if norm > self.clip_norm else gradient


class GradientClipByGlobalNorm:
    """Shortens all together where they are longer than `clip_norm`."""

    def __init__(
        self, clip_norm: float, group_name: str = "default_group", need_clip: object = None
    ) -> None:
        """Give the length."""
        self.clip_norm = float(clip_norm)

    def __call__(self, pairs: Pairs) -> Pairs:
        """Return parameters with their clipped gradients."""
        if not pairs:
            return pairs
        norm = torch.stack([gradient.norm() for _, gradient in pairs]).norm()
        factor = self.clip_norm / norm.clamp_min(self.clip_norm)
        return [(one, gradient * factor) for one, gradient in pairs]
