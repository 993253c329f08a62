"""What may be done besides training, at moments of it: the protocol of `fit(callbacks=…)`."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from chainrule.engines import Array
from chainrule.errors import OptionError
from chainrule.training.history import Epoch
from chainrule.training.step import Outcome

if TYPE_CHECKING:
    from chainrule.training.loop import Trainer

METHODS = ("begin", "stepped", "stopped", "epoch_ended", "end")


class Callback:
    """Does something at moments of training; every method does nothing by default.

    Any object with some of these methods will do, and so will a function ``f(trainer, epoch)``, which is called when an
    epoch ended and stops training by returning True. A method stops training by ``trainer.stop = True``: no further
    step is taken. What a callback raises ends training at once, and comes out of `fit`; the model is as after its last
    step, and `end` is called for all that were begun.

    trainer   `training.loop.Trainer`: network, recipe, history, moments, steps, epoch_steps, seconds, stop
    """

    def begin(self, trainer: "Trainer") -> None:
        """Before the first step."""

    def stepped(self, trainer: "Trainer", outcome: Outcome, samples: int) -> None:
        """After a step on so many samples; outcome: loss, measured (accuracy or an error) and norm of the gradient."""

    def stopped(self, trainer: "Trainer") -> None:
        """After the last step, where training was stopped within an epoch."""

    def epoch_ended(self, trainer: "Trainer", epoch: Epoch) -> None:
        """After an epoch and its validation."""

    def end(self, trainer: "Trainer") -> None:
        """After the last step, also when training was stopped or failed; the last begun comes first."""


class _Methods(Callback):
    """An object that has some of the methods."""

    def __init__(self, source: Any) -> None:
        for name in METHODS:
            method = getattr(source, name, None)
            if callable(method):
                setattr(self, name, method)


class _Function(Callback):
    """A function that is called when an epoch ended."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def epoch_ended(self, trainer: "Trainer", epoch: Epoch) -> None:
        """Call it, and stop where it returns True."""
        if self._function(trainer, epoch) is True:
            trainer.stop = True


class KeepBest(Callback):
    """Ends training with the weights of the best epoch, as `best_epoch` judges them."""

    def __init__(self) -> None:
        self._best: tuple[Array, Array] | None = None

    def epoch_ended(self, trainer: "Trainer", epoch: Epoch) -> None:
        """Copy the weights when they are the best so far."""
        if best_epoch(trainer.history.epochs) == len(trainer.history.epochs) - 1:
            self._best = trainer.network.parameters.copy(), trainer.network.statistics.copy()

    def end(self, trainer: "Trainer") -> None:
        """Put the best weights back."""
        if self._best is not None:
            trainer.network.parameters[:], trainer.network.statistics[:] = self._best


def best_epoch(epochs: Sequence[Epoch]) -> int:
    """Place of the epoch with the lowest validation loss (the first of equals), or of the lowest training loss."""
    scores = [epoch.loss if epoch.validation_loss is None else epoch.validation_loss for epoch in epochs]
    scores = [math.inf if math.isnan(score) else score for score in scores]
    return scores.index(min(scores))


CallbackLike: TypeAlias = Callback | Callable[["Trainer", Epoch], object] | object  # with some of the methods


def adapted(given: Any) -> list[Callback]:
    """Return callbacks for what a user gave: one or several callbacks, objects with some of the methods, functions."""
    several = cast("list[Any]", [] if given is None else given if isinstance(given, list | tuple) else [given])
    return [_adapted(one) for one in several]


def _adapted(one: Any) -> Callback:
    if isinstance(one, Callback):
        return one
    if isinstance(one, type):
        raise OptionError(f"callback {one.__name__} is a class; give an object of it, {one.__name__}()")
    if any(callable(getattr(one, name, None)) for name in METHODS):
        return _Methods(one)
    if callable(one):
        return _Function(one)
    raise OptionError(
        f"{repr(one)[:60]} is no callback; one is a function f(trainer, epoch), or an object with some of "
        f"{', '.join(METHODS)}"
    )
