"""Callbacks of training: the protocol of `fit(callbacks=…)`."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from chainrule.engines.protocol import Array
from chainrule.errors import OptionError
from chainrule.training.history import Epoch
from chainrule.training.steps.base import Outcome

if TYPE_CHECKING:
    from chainrule.training.loop import Trainer

METHODS = ("begin", "stepped", "stopped", "epoch_ended", "end")


class Callback:
    """Base of callbacks, whose methods are called during training; each does nothing by default.

    Any object with some of these methods serves as a callback, and so does a function ``f(trainer, epoch)``, which is
    called after every epoch and stops training by returning True. A method stops training by setting
    ``trainer.stop = True``: no further step is taken. An exception in a callback ends training at once and leaves
    `fit`; the model is as after its last step, and `end` is called for every callback whose `begin` has returned.

    trainer     `training.loop.Trainer`: network, recipe, history, moments, steps, epoch_steps, seconds, stop, ahead
    each_step   whether `stepped` needs the network as it is after its step, or may stop training there. Where it is
                False for all callbacks that have `stepped`, several steps may be taken at once, and are told of
                afterwards: the network is then as after the last of them, `trainer.ahead` steps further. How many
                depends on the time they take, and so does where a stop by such a callback ends the training.
    """

    each_step: bool = True

    def begin(self, trainer: "Trainer") -> None:
        """Prepare, before the first step."""

    def stepped(self, trainer: "Trainer", outcome: Outcome, samples: int) -> None:
        """Act after a step on ``samples`` samples; outcome: loss, measured (accuracy or error), gradient norm."""

    def stopped(self, trainer: "Trainer") -> None:
        """Act after the last step, if training was stopped within an epoch."""

    def epoch_ended(self, trainer: "Trainer", epoch: Epoch) -> None:
        """Act after an epoch and its validation."""

    def end(self, trainer: "Trainer") -> None:
        """Finish, after the last step, even if training was stopped or failed; in the reverse order of `begin`."""


class _Methods(Callback):
    """An object with some of the methods, as a callback."""

    def __init__(self, source: Any) -> None:
        self.each_step = getattr(source, "each_step", True)
        for name in METHODS:
            method = getattr(source, name, None)
            if callable(method):
                setattr(self, name, method)


class _Function(Callback):
    """A function that is called after every epoch, as a callback."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def epoch_ended(self, trainer: "Trainer", epoch: Epoch) -> None:
        """Call the function, and stop training if it returns True."""
        if self._function(trainer, epoch) is True:
            trainer.stop = True


class RestoreBest(Callback):
    """Restores the weights of the best epoch (see `best_epoch`) at the end of training."""

    def __init__(self) -> None:
        self._best: tuple[Array, Array] | None = None

    def epoch_ended(self, trainer: "Trainer", epoch: Epoch) -> None:
        """Copy the weights if the epoch is the best so far."""
        if best_epoch(trainer.history.epochs) == len(trainer.history.epochs) - 1:
            with trainer.averaged():
                self._best = trainer.network.parameters.copy(), trainer.network.statistics.copy()

    def end(self, trainer: "Trainer") -> None:
        """Restore the best weights."""
        if self._best is not None:
            trainer.network.parameters[:], trainer.network.statistics[:] = self._best


def best_epoch(epochs: Sequence[Epoch]) -> int:
    """Return the index of the epoch with the lowest validation loss, or training loss without validation.

    The first of equals wins; NaN counts as infinite.
    """
    scores = [epoch.loss if epoch.validation_loss is None else epoch.validation_loss for epoch in epochs]
    scores = [math.inf if math.isnan(score) else score for score in scores]
    return scores.index(min(scores))


def watches_steps(callback: Callback) -> bool:
    """Return whether a callback needs the network as it is after each step."""
    return callback.each_step and getattr(callback.stepped, "__func__", None) is not Callback.stepped


CallbackLike: TypeAlias = Callback | Callable[["Trainer", Epoch], object] | object  # with some of the methods


def as_callbacks(given: Any) -> list[Callback]:
    """Return callbacks for one or several of: callbacks, objects with some of the methods, functions."""
    several = cast("list[Any]", [] if given is None else given if isinstance(given, list | tuple) else [given])
    return [_as_callback(one) for one in several]


def _as_callback(one: Any) -> Callback:
    if isinstance(one, Callback):
        return one
    if isinstance(one, type):
        raise OptionError(f"callback {one.__name__} is a class; give an object of it, {one.__name__}()")
    if any(callable(getattr(one, name, None)) for name in METHODS):
        return _Methods(one)
    if callable(one):
        return _Function(one)
    raise OptionError(
        f"{repr(one)[:60]} is no callback: expected a function f(trainer, epoch), or an object with some of "
        f"{', '.join(METHODS)}"
    )
