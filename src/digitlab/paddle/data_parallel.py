"""`DataParallel`: a network of which each worker has a copy that sees other batches.

Source: python/paddle/fluid/dygraph/parallel.py of 1.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from digitlab.paddle.collective import ParallelStrategy, add_up, default_strategy
from digitlab.paddle.layer import Layer
from digitlab.paddle.variable import Variable


class DataParallel(Layer):
    """A network whose gradients are those of all workers' batches.

    The loss is divided by their number (`scale_loss`) and gradients are added up
    (`apply_collective_grads`), which together is the mean.
    """

    def __init__(self, layers: Layer, strategy: ParallelStrategy | None = None) -> None:
        """Give the network, and what `prepare_context` gave."""
        super().__init__(f"{layers.full_name()}_data_parallel")
        self._layers = layers
        self._strategy = strategy or default_strategy()

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """Return what the network gives."""
        return self._layers(*inputs, **kwargs)

    def scale_loss(self, loss: Variable) -> Variable:
        """Return the loss divided by the number of workers."""
        return loss if self._strategy.nranks < 2 else loss / self._strategy.nranks

    def apply_collective_grads(self) -> None:
        """Replace each gradient by the sum of all workers'."""
        if self._strategy.nranks < 2:
            return
        add_up(
            one.value.grad
            for one in self._layers.parameters()
            if one.trainable and one.value.grad is not None
        )

    def state_dict(
        self,
        destination: dict[str, Variable] | None = None,
        include_sublayers: bool = True,
        structured_name_prefix: str = "",
    ) -> dict[str, Variable]:
        """Return the network's own, so that it loads without workers, too."""
        state: dict[str, Variable] = self._layers.state_dict(
            destination, include_sublayers, structured_name_prefix
        )
        return state

    def set_dict(
        self,
        stat_dict: Mapping[str, Any],
        include_sublayers: bool = True,
        use_structured_name: bool = True,
    ) -> None:
        """Give the network the values of a saved state."""
        self._layers.set_dict(stat_dict, include_sublayers, use_structured_name)

    load_dict = set_dict
    set_state_dict = set_dict
