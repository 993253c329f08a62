"""Optimizers: pure functions (init, update) over the flat parameter buffer.

An optimizer consists of its hyperparameters and the name of its update operation. The equations are in
reference/updates.py. Each engine implements these operations; the compiled engine updates the parameters and moments
in a single pass. In the formulas, p denotes the parameters, g the gradient, and rate the learning rate of the step;
decay is ``weight_decay``, and μ is ``momentum``. Moments are 0 before the first step.

A custom optimizer is any object with `init` and `update`; see `CustomOptimizer`.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike

from chainrule.core.arrays import Array, Arrays
from chainrule.core.options import CUSTOM_SUFFIX, checked, checked_options
from chainrule.engines import fallback
from chainrule.errors import OptionError
from chainrule.training.freezing import frozen_names
from chainrule.training.named_options import NamedOptions

__all__ = [
    "NAMED",
    "SGD",
    "Adam",
    "AdamW",
    "CustomOptimizer",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "OptimizerLike",
    "RMSProp",
    "choose",
    "find",
]

Moments = Arrays


@checked_options
@dataclass(frozen=True)
class Optimizer(NamedOptions):
    """Base class of the optimizers.

    learning_rate  learning rate before multiplication by the schedule's factor
    operation      name of the update operation
    moments        names of the moments

    Errors   OptionError for an option out of range
    """

    learning_rate: float = 0.01

    operation: ClassVar[str] = "sgd_update"
    moments: ClassVar[tuple[str, ...]] = ()

    def attributes(self) -> dict[str, float]:
        """Return the update operation's attributes that are constant over all steps: the options, with decay."""
        options = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "learning_rate"}
        return {"decay": options.pop("weight_decay", 0.0), **options}

    def init(self, parameters: Array) -> Moments:
        """Return the initial moments: arrays of zeros with the shape of the parameters."""
        return tuple(np.zeros_like(parameters) for _ in self.moments)

    def update(
        self,
        parameters: Array,
        gradients: Array,
        moments: Moments,
        *,
        step: int,
        learning_rate: float | None = None,
    ) -> tuple[Array, Moments]:
        """Return the parameters and moments after one step. The arguments are not modified.

        parameters, gradients   flat arrays
        step                    step number, from 1
        learning_rate           None: use the optimizer's
        """
        arrays = (parameters, gradients, *moments)
        attributes = self.attributes_of_step(step, learning_rate)
        new_parameters, *new_moments = fallback.numpy_engine().run(self.operation, arrays, attributes)
        return new_parameters, tuple(new_moments)

    def attributes_of_step(self, step: int, learning_rate: float | None = None) -> dict[str, float]:
        """Return the update operation's attributes for a step; learning_rate None: the optimizer's."""
        rate = self.learning_rate if learning_rate is None else learning_rate
        return {"rate": rate, **self.step_attributes(step)}

    def step(
        self, model: Any, gradients: Any, moments: Moments, *, step: int, learning_rate: float | None = None
    ) -> Moments:
        """Update the parameters of a model in place, unless they are frozen, and return the new moments.

        gradients   result of `model.gradients`
        moments     result of ``init(model.parameters)``, or of the previous step

        See `update` for the other arguments. The model's engine computes the update, with the bits of `train_step`.
        """
        layout = model.trainable_layout
        parameters, new_moments = self._updated(model, gradients.flat, moments, step, learning_rate)
        for name in layout.keys() - frozen_names(model.frozen, layout):
            first, last = layout[name]
            model.parameters[first:last] = parameters[first:last]
        return new_moments

    def _updated(
        self, model: Any, gradient: Array, moments: Moments, step: int, learning_rate: float | None
    ) -> tuple[Array, Moments]:
        """Return the new parameters and moments of a model."""
        parameters, flat, *new_moments = (np.array(a, model.dtype) for a in (model.parameters, gradient, *moments))
        attributes = self.attributes_of_step(step, learning_rate)
        model.engine.update(self.operation, parameters, flat, tuple(new_moments), attributes, model.threads)
        return parameters, tuple(new_moments)

    def step_attributes(self, step: int) -> dict[str, float]:
        """Return `attributes`, plus the step number (from 1) if the update depends on it."""
        return self.attributes()

    def with_learning_rate(self, learning_rate: float) -> "Optimizer":
        """Return a copy of the optimizer with another learning rate."""
        return replace(self, learning_rate=learning_rate)


@checked_options
@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent: p ← (1 − rate·decay)·p − rate·g.

    Source   VanillaCNN, section 4.5
    """

    weight_decay: float = 0.0


@checked_options
@dataclass(frozen=True)
class Momentum(Optimizer):
    """Gradient descent with momentum: v ← μ v + h,  p ← p − rate·v, with h = g + decay·p.

    Source   Polyak 1964, in PyTorch's form
    """

    momentum: float = 0.9
    weight_decay: float = 0.0

    operation: ClassVar[str] = "momentum_update"
    moments: ClassVar[tuple[str, ...]] = ("v",)
    nesterov: ClassVar[bool] = False

    def attributes(self) -> dict[str, float]:
        """Return momentum, nesterov and decay."""
        return {**super().attributes(), "nesterov": self.nesterov}


@checked_options
@dataclass(frozen=True)
class Nesterov(Momentum):
    """Nesterov's momentum: v ← μ v + h,  p ← p − rate·(h + μ v), with h = g + decay·p.

    Source   Nesterov 1983, in PyTorch's form
    """

    nesterov: ClassVar[bool] = True


@checked_options
@dataclass(frozen=True)
class RMSProp(Optimizer):
    """RMSProp with momentum: v ← α v + (1−α)h²,  u ← μ u + h/(√v + ε),  p ← p − rate·u, with h = g + decay·p.

    Source   Tieleman and Hinton 2012, in the form of PyTorch's RMSprop
    """

    alpha: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0
    weight_decay: float = 0.0

    operation: ClassVar[str] = "rmsprop_update"
    moments: ClassVar[tuple[str, ...]] = ("v", "u")


@checked_options
@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam: m ← β₁m + (1−β₁)g,  v ← β₂v + (1−β₂)g²,  p ← p − rate·m̂/(√v̂ + ε).

    At step n, m̂ = m/(1−β₁ⁿ) and v̂ = v/(1−β₂ⁿ) correct the bias caused by initializing the moments to 0.

    Source   Kingma and Ba 2015, in PyTorch's form
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    operation: ClassVar[str] = "adam_update"
    moments: ClassVar[tuple[str, ...]] = ("m", "v")

    def step_attributes(self, step: int) -> dict[str, float]:
        """Return `attributes` and the step number, which the bias correction needs."""
        return {"step": step, **self.attributes()}


@checked_options
@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: p ← p·(1 − rate·decay), then Adam's update.

    Source   Loshchilov and Hutter 2019, in PyTorch's form
    """

    weight_decay: float = 0.01


NAMED: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
}


@checked_options
@dataclass(frozen=True)
class CustomOptimizer(Optimizer):
    """A custom optimizer: an object with two methods over flat arrays.

        init(parameters) → moments      a tuple of arrays with the shape of the parameters
        update(parameters, gradients, moments, step=…, learning_rate=…) → (new parameters, new moments)

    Steps are numbered from 1. If the object has a ``learning_rate``, it is multiplied by the schedule's factor. A
    custom optimizer works with every engine.

    source         the object; None if the optimizer was read from a file, which contains only its name
    label          name used in messages and files
    """

    source: Any = None
    label: str = ""

    operation: ClassVar[str] = "own_update"

    @staticmethod
    def of(source: object) -> "CustomOptimizer":
        """Wrap an object, with its learning rate if it has one.

        Errors   OptionError for an object without `init` and `update`, or a class, which must be instantiated first
        """
        if isinstance(source, type) or not all(callable(getattr(source, name, None)) for name in ("init", "update")):
            description = f"the class {source.__name__}" if isinstance(source, type) else repr(source)[:60]
            raise OptionError(
                f"{description} is not an optimizer; expected a name ({', '.join(NAMED)}), an optimizer such as "
                "cr.Adam(learning_rate=0.01), or an object with init(parameters) and "
                "update(parameters, gradients, moments, step=…, learning_rate=…)"
            )
        label = type(source).__name__
        rate = getattr(source, "learning_rate", Optimizer.learning_rate)
        return CustomOptimizer(checked(label, "learning_rate", rate, float), source, label)

    @property
    def name(self) -> str:
        """Name used in files: the label, with the suffix for custom code."""
        return f"{self.label}{CUSTOM_SUFFIX}"

    def init(self, parameters: Array) -> Moments:
        """Return the initial moments from the object's `init`."""
        moments = _arrays(self._require_source().init(parameters.copy()), parameters, f"{self.label}.init returned")
        object.__setattr__(self, "moments", tuple(f"own{index}" for index in range(1, len(moments) + 1)))
        return moments

    def update(
        self,
        parameters: Array,
        gradients: Array,
        moments: Moments,
        *,
        step: int,
        learning_rate: float | None = None,
    ) -> tuple[Array, Moments]:
        """Return the parameters and moments from the object's `update`, which receives copies of the arguments."""
        copies = [array.copy() for array in (parameters, gradients, *moments)]
        rate = self.learning_rate if learning_rate is None else learning_rate
        result = self._require_source().update(copies[0], copies[1], tuple(copies[2:]), step=step, learning_rate=rate)
        label = f"{self.label}.update returned"
        if not _is_pair(result):
            raise OptionError(f"{label} {type(result).__name__}; expected (parameters, moments)")
        new_parameters, returned_moments = result
        new_moments = _arrays(returned_moments, parameters, label)
        if len(new_moments) != len(moments):
            raise OptionError(f"{label} {len(new_moments)} moments; expected {len(moments)}, as returned by init")
        return _arrays((new_parameters,), parameters, label)[0], new_moments

    def _updated(
        self, model: Any, gradient: Array, moments: Moments, step: int, learning_rate: float | None
    ) -> tuple[Array, Moments]:
        return self.update(model.parameters, gradient, moments, step=step, learning_rate=learning_rate)

    def to_config(self) -> dict[str, object]:
        """Return the name and the learning rate. The code is not saved."""
        return {"name": self.name, "learning_rate": self.learning_rate}

    def _require_source(self) -> Any:
        if self.source is None:
            raise OptionError(f"the custom optimizer {self.label} is not saved in files; pass it with optimizer=…")
        return self.source


Optimizer.kinds, Optimizer.custom = NAMED, CustomOptimizer


class OptimizerLike(Protocol):
    """A built-in optimizer, or an object with these methods, which work on flat arrays (see `CustomOptimizer`)."""

    def init(self, parameters: Array, /) -> Moments:
        """Return the initial moments: a tuple of arrays with the shape of the parameters."""
        ...

    @property
    def update(self) -> Callable[..., Any]:
        """update(parameters, gradients, moments, step=…, learning_rate=…) → (parameters, moments)."""
        ...


def find(optimizer: object) -> Optimizer:
    """Return the optimizer for an option.

    optimizer   name, config from `to_config`, or custom object; a built-in optimizer is returned unchanged

    Errors   OptionError for an unknown name or option, or an object without `init` and `update`
    """
    return Optimizer.choose(optimizer)


def choose(optimizer: str | OptimizerLike, learning_rate: float | None) -> Optimizer:
    """Return an optimizer, as `find`, with a learning rate unless it is None."""
    resolved = find(optimizer)
    return resolved if learning_rate is None else resolved.with_learning_rate(learning_rate)


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(cast("tuple[object, ...]", value)) == 2


def _arrays(values: object, like: Array, what: str) -> Moments:
    """Return arrays in the dtype of the parameters; OptionError for another shape or values that are not real numbers.

    like   the parameters
    what   beginning of the error message, such as "MyOptimizer.init returned"
    """
    if not isinstance(values, tuple | list):
        raise OptionError(f"{what} {type(values).__name__}; expected arrays like the parameters, in a tuple")
    arrays = [np.asarray(array) for array in cast("list[ArrayLike]", values)]
    for array in arrays:
        if array.shape != like.shape or array.dtype.kind not in "fiu":
            raise OptionError(f"{what} {array.dtype} of shape {array.shape}; expected an array of shape {like.shape}")
    return tuple(np.array(array, like.dtype) for array in arrays)
