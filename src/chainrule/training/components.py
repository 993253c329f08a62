"""What options of a recipe do during training: one component per option, called at named points of the loop.

To add an option, declare it in `options.OPTIONS` and `recipe.Recipe`. If it acts during training, write a component and
list it in `trainer.COMPONENTS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.arrays import Array
from chainrule.engines import fallback
from chainrule.network.network import Network

if TYPE_CHECKING:
    from chainrule.training.criterion import Criterion
    from chainrule.training.history import Epoch, History


class Component:
    """Base class of components. By default, all methods do nothing.

    fused   arguments of `StepRequest` for engines that run whole steps, which then do what `change_gradient` does; None
            if there are none
    """

    fused: Mapping[str, float] | None = None

    def __init__(self, network: Network, value: Any, criterion: Criterion) -> None:
        """Create the component of an option with a value; the criterion determines the best epoch."""
        self._network = network
        self._value = value
        self._criterion = criterion

    def handles(self, point: str) -> bool:
        """Return whether the component implements a method."""
        return getattr(type(self), point) is not getattr(Component, point)

    @property
    def state(self) -> dict[str, Array]:
        """Arrays that a checkpoint needs, by name. A resumed training overwrites them in place."""
        return {}

    def change_gradient(self, gradient: Array, norm: float, step: int, seed: int) -> None:
        """Change the flat gradient of a step in place. Changes at frozen parameters are dropped and never count.

        norm   norm of the gradient, as the components before this one have changed it
        step   number of the step, from 1
        seed   seed of random numbers
        """

    def scale(self, norm: float) -> float:
        """Return what `change_gradient` multiplies a gradient with this norm by, if it only scales it."""
        return 1.0

    def stepped(self, step: int, steps: int) -> None:
        """Handle the end of step ``step`` (from 1) of ``steps``. The network has the weights after this step."""

    def evaluating(self) -> AbstractContextManager[None]:
        """Return a context in which the network has the weights to evaluate and save."""
        return nullcontext()

    def epoch_ended(self, epochs: Sequence[Epoch]) -> None:
        """Handle the end of an epoch, after its validation. The network has the weights to evaluate and save."""

    def stops(self, epochs: Sequence[Epoch]) -> bool:
        """Return whether training ends after these epochs."""
        return False

    def finish(self, *, failed: bool) -> None:
        """Give the network its final weights, at the end of training.

        failed   whether an error ended training
        """

    def note(self, history: History, planned: int) -> None:
        """Add notes on the effect of the option to the history, at the end of training. May be called twice.

        planned   number of epochs of the recipe
        """


class ClipNorm(Component):
    """Scales the gradient down to a maximum norm if its norm is larger."""

    def __init__(self, network: Network | None, value: float, criterion: Criterion | None = None) -> None:
        self.limit = value
        self.fused = {"clip": value}

    def change_gradient(self, gradient: Array, norm: float, step: int, seed: int) -> None:
        """Multiply the gradient by its clip factor."""
        factor = self.scale(norm)
        if factor != 1:
            gradient *= factor

    def scale(self, norm: float) -> float:
        """Return the clip factor."""
        return clip_factor(norm, self.limit)


def clipping(limit: float | None) -> list[Component]:
    """Return the component that clips gradients; no component without a limit."""
    return [] if limit is None else [ClipNorm(None, limit)]


class EarlyStopping(Component):
    """Stops training after a number of epochs without a better one (the patience), and restores the best weights.

    The number of epochs follows from the history. A run folder has the best weights in a file of their own, so that
    checkpoints need no further arrays.
    """

    _best: Array | None = None

    def epoch_ended(self, epochs: Sequence[Epoch]) -> None:
        """Copy the weights if this epoch is the best so far."""
        if self._criterion.best(epochs) == len(epochs) - 1:
            self._best = copy_weights(self._network)

    def stops(self, epochs: Sequence[Epoch]) -> bool:
        """Return whether the patience is exhausted. Without validation, it never is."""
        is_validated = bool(epochs) and epochs[-1].validation_loss is not None
        return is_validated and self._criterion.waited(epochs) >= self._value

    def finish(self, *, failed: bool) -> None:
        """Restore the best weights."""
        if self._best is not None:
            write_weights(self._network, self._best)

    def note(self, history: History, planned: int) -> None:
        """Note which epoch's weights are restored, and why training stopped."""
        epochs = history.epochs
        metric = f"validation {self._criterion.monitor.replace('_', ' ')}"
        if not epochs or epochs[-1].validation_loss is None or history.restored is not None:
            return
        history.restored = self._criterion.best(epochs) + 1
        reason = ""
        if self.stops(epochs):
            waited = self._criterion.waited(epochs)
            times = "an epoch" if waited == 1 else f"{waited} epochs"
            reason = f"stopped after epoch {len(epochs)} of {planned}: no better {metric} for {times}; "
        if history.restored < len(epochs):
            history.notes.append(f"{reason}the weights are those of epoch {history.restored}, with the best {metric}")


def copy_weights(network: Network) -> Array:
    """Return a copy of a network's parameters, followed by its running statistics."""
    return np.concatenate([network.parameters, network.statistics])


def write_weights(network: Network, values: Array) -> None:
    """Overwrite a network's parameters and running statistics by the result of `copy_weights`."""
    size = network.parameters.size
    network.parameters[:], network.statistics[:] = values[:size], values[size:]


def clip_factor(norm: float, limit: float | None) -> float:
    """Return the factor that clips a gradient with this norm (`reference.clip_factor`); 1 without a limit."""
    if limit is None:
        return 1.0
    return float(fallback.numpy_engine().run("clip_factor", (np.array(norm),), {"limit": limit})[0])
