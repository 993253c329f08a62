"""The exponential moving average of the weights that training passes through."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from chainrule.engines.protocol import Array

if TYPE_CHECKING:
    from chainrule.models.network import Network


class WeightAverage:
    """The average of parameters and running statistics p₁ … pₙ after each of n steps, the later the heavier.

    aₙ = Σ_i β^(n−i) pᵢ / Σ_i β^(n−i) = aₙ₋₁ + (1 − β)/(1 − βⁿ) (pₙ − aₙ₋₁)

    The weights before the first step have no part in it: this is the moving average β a + (1 − β) p from zero with the
    correction of Adam's moments.

    decay    β, from 0 to below 1; about 1/(1 − β) steps count
    values   aₙ: the parameters, then the statistics, flat
    """

    def __init__(self, network: Network, decay: float) -> None:
        self._network = network
        self._decay = decay
        self.values: Array = np.concatenate([network.parameters, network.statistics])

    def add(self, steps: int) -> None:
        """Add the weights after a number of steps in all."""
        share = (1 - self._decay) / (1 - self._decay**steps)
        size = self._network.parameters.size
        for average, weights in (
            (self.values[:size], self._network.parameters),
            (self.values[size:], self._network.statistics),
        ):
            average += share * (weights - average)

    def apply(self) -> None:
        """Give the network the average."""
        size = self._network.parameters.size
        self._network.parameters[:], self._network.statistics[:] = self.values[:size], self.values[size:]

    @contextmanager
    def applied(self) -> Generator[None]:
        """Give the network the average for the time of a `with` block."""
        before = self._network.parameters.copy(), self._network.statistics.copy()
        self.apply()
        try:
            yield
        finally:
            self._network.parameters[:], self._network.statistics[:] = before
