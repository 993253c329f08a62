"""Updates of the parameters from a gradient: by a built-in optimizer, or by a custom one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from chainrule.engines.protocol import Array
from chainrule.training.lr_multipliers import RateGroup
from chainrule.training.optimizers import CustomOptimizer, Optimizer
from chainrule.training.workers import Arrays

if TYPE_CHECKING:
    from chainrule.models.network import Network


class Update(Protocol):
    """Changes the parameters of a network by a gradient.

    operation   name of the operation that the engine compiles for it; None if it is not the engine's
    """

    operation: str | None

    def apply(
        self, gradient: Array, moments: Arrays, scale: float, step: int, rate: float, commit: Callable[[], None]
    ) -> None:
        """Change parameters and moments, which stay as they are if this raises.

        scale    factor of the gradient, by which clipping shortens it
        commit   writes the running statistics, or raises NotFiniteError
        """
        ...


class BuiltInUpdate:
    """The update of a built-in optimizer, computed by the engine, with a learning rate for each group of parameters."""

    def __init__(self, network: Network, optimizer: Optimizer, groups: Sequence[RateGroup]) -> None:
        self.operation: str | None = optimizer.operation
        self._network = network
        self._optimizer = optimizer
        self._groups = groups

    def apply(
        self, gradient: Array, moments: Arrays, scale: float, step: int, rate: float, commit: Callable[[], None]
    ) -> None:
        """Change the parameters of all groups that are not frozen."""
        commit()
        if scale != 1:
            gradient *= scale
        network, operation = self._network, self._optimizer.operation
        attributes: dict[str, Any] = {"rate": rate, **self._optimizer.step_attributes(step)}
        for group in self._groups:
            if group.factor:
                rows = slice(group.first, group.last)
                own = tuple(moment[rows] for moment in moments)
                p, g = network.parameters[rows], gradient[rows]
                network.engine.update(operation, p, g, own, group.attributes(attributes), network.threads)


class CustomUpdate:
    """The update of a custom optimizer, which gets copies of what it reads."""

    operation: str | None = None

    def __init__(self, network: Network, optimizer: CustomOptimizer) -> None:
        self._network = network
        self._optimizer = optimizer

    def apply(
        self, gradient: Array, moments: Arrays, scale: float, step: int, rate: float, commit: Callable[[], None]
    ) -> None:
        """Change parameters and moments to what the optimizer returns."""
        parameters = self._network.parameters
        after, changed = self._optimizer.update(parameters, gradient * scale, moments, step=step, learning_rate=rate)
        commit()
        parameters[:] = after
        for moment, values in zip(moments, changed, strict=True):
            moment[:] = values
