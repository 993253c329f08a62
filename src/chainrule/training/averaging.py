"""Exponential moving average of the weights over training steps. It does not affect training."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chainrule.core.arrays import Array
from chainrule.network.network import Network
from chainrule.training.components import Component, copy_weights, write_weights

if TYPE_CHECKING:
    from chainrule.training.criterion import Criterion


class WeightAverage(Component):
    """Exponential moving average of the parameters and running statistics p₁ … pₙ after steps 1 … n.

    aₙ = Σ_i β^(n−i) pᵢ / Σ_i β^(n−i) = aₙ₋₁ + (1 − β)/(1 − βⁿ) (pₙ − aₙ₋₁)

    The weights before the first step are excluded: this is the moving average β a + (1 − β) p, starting at zero, with
    Adam's bias correction.

    decay    β, with 0 ≤ β < 1; the average covers about 1/(1 − β) steps
    values   aₙ: the parameters, then the running statistics
    """

    def __init__(self, network: Network, value: float, criterion: Criterion) -> None:
        super().__init__(network, value, criterion)
        self.values = copy_weights(network)

    @property
    def state(self) -> dict[str, Array]:
        """The average, which a checkpoint needs."""
        return {"average.values": self.values}

    def stepped(self, step: int, steps: int) -> None:
        """Update the average with the current weights."""
        share = (1 - self._value) / (1 - self._value**step)
        self.values += share * (copy_weights(self._network) - self.values)

    def finish(self, *, failed: bool) -> None:
        """Copy the average into the network, unless training failed."""
        if not failed:
            write_weights(self._network, self.values)

    @contextmanager
    def evaluating(self) -> Generator[None]:
        """Copy the average into the network for the duration of a `with` block, then restore the weights."""
        before = copy_weights(self._network)
        write_weights(self._network, self.values)
        try:
            yield
        finally:
            write_weights(self._network, before)
