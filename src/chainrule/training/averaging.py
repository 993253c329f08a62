"""Averages of the weights over training steps: exponential moving average and lookahead.

The moving average does not affect training. Lookahead resets the network to an average every few steps.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.arrays import Array
from chainrule.data.text_options import TextOptions
from chainrule.network.network import Network
from chainrule.training.components import Component, copy_weights, write_weights
from chainrule.training.named_options import check_bounds

if TYPE_CHECKING:
    from chainrule.training.criterion import Criterion


class _StoredWeights(Component):
    """A component with weights of its own, which a checkpoint needs.

    name     name of its arrays in a checkpoint
    values   flat array: the parameters, then the running statistics
    """

    name: str

    def __init__(self, network: Network, value: Any, criterion: Criterion) -> None:
        super().__init__(network, value, criterion)
        self.values: Array = np.zeros_like(copy_weights(network))

    @property
    def state(self) -> dict[str, Array]:
        """The weights."""
        return {f"{self.name}.values": self.values}


class WeightAverage(_StoredWeights):
    """Exponential moving average of the parameters and running statistics p₁ … pₙ after steps 1 … n.

    aₙ = Σ_i β^(n−i) pᵢ / Σ_i β^(n−i) = aₙ₋₁ + (1 − β)/(1 − βⁿ) (pₙ − aₙ₋₁)

    The weights before the first step are excluded: this is the moving average β a + (1 − β) p, starting at zero, with
    Adam's bias correction.

    decay    β, with 0 ≤ β < 1; the average covers about 1/(1 − β) steps
    values   aₙ
    """

    name = "average"

    def __init__(self, network: Network, value: float, criterion: Criterion) -> None:
        super().__init__(network, value, criterion)
        self.values[:] = copy_weights(network)

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


@dataclass(frozen=True)
class Lookahead(TextOptions):
    """Lookahead: every few steps s ← α·s + (1 − α)·p, then p ← s.

    p denotes the parameters and running statistics, and s is a slow copy of p, initialized at step ``every``. The
    weight α = decay·(step/steps)³ is small early in training, when p changes fast. If the last step is not a multiple
    of ``every``, training ends with p ← s and an unchanged s.

    every   number of steps between two averages
    decay   α for step = steps, from 0 to 1

    Source   Zhang et al. 2019; the increasing α and the defaults are from airbench94 (Jordan 2024)
    """

    KIND = "lookahead"
    EXAMPLE = "every=5,decay=0.7"

    every: int = 5
    decay: float = 0.95**5

    def __post_init__(self) -> None:
        check_bounds(self)
        object.__setattr__(self, "decay", float(self.decay))

    def slow_share(self, step: int, steps: int) -> float | None:
        """Return α after step ``step`` (from 1) of ``steps``; None if there is no averaging after this step.

        α is 0 at the first average, which initializes s. If the last step is not a multiple of ``every``, α is 1 after
        it, so that p ← s.
        """
        if step < self.every:
            return None
        if step == self.every:
            return 0.0
        if step % self.every == 0:
            return self.decay * math.pow(step / steps, 3)
        if step == steps:
            return 1.0
        return None


class SlowWeights(_StoredWeights):
    """The slow copy s of a network's parameters and running statistics p, for `Lookahead`."""

    name = "lookahead"

    def stepped(self, step: int, steps: int) -> None:
        """If averaging is due after this step, average the network and its slow copy in place."""
        share = self._value.slow_share(step, steps)
        if share is not None:
            fast = copy_weights(self._network)
            self.values[:] = fast + fast.dtype.type(share) * (self.values - fast)
            write_weights(self._network, self.values)
