"""Optimizers as pure (init, update) over the one flat parameter buffer.

An optimizer is its numbers and the name of its update operation; the equations are in reference/updates.py, and each
engine computes them in its own way (the compiled one in a single pass over parameters, gradients and moments).
"""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import OptionError, one_of

Moments = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Optimizer:
    """What all optimizers have: a rate, an update operation, and the moments it keeps."""

    rate: float = 0.01

    operation: ClassVar[str] = "sgd_update"
    moments: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """All numbers as Python's own: a NumPy scalar would change the dtype of what it meets."""
        for entry in fields(self):
            object.__setattr__(self, entry.name, _number(entry.name, getattr(self, entry.name)))
        _check("rate", self.rate, 0 < self.rate < math.inf, "a number above 0")

    @property
    def name(self) -> str:
        """The name it is chosen by on the command line."""
        return next(name for name, kind in NAMED.items() if kind is type(self))

    def attributes(self) -> dict[str, Any]:
        """The attributes of the update operation that stay the same from step to step."""
        return {}

    def init(self, parameters: NDArray[Any]) -> Moments:
        """The moments before the first step: zeros, one buffer each, like the parameters."""
        return tuple(np.zeros_like(parameters) for _ in self.moments)

    def update(
        self,
        parameters: NDArray[Any],
        gradients: NDArray[Any],
        moments: Moments,
        *,
        step: int,
        rate: float | None = None,
    ) -> tuple[NDArray[Any], Moments]:
        """Parameters and moments after step number ``step`` (the first is 1). Nothing is modified."""
        from chainrule.engines import numpy as engine

        results = getattr(engine, self.operation)(
            parameters, gradients, *moments, rate=self.rate if rate is None else rate, **self.step_attributes(step)
        )
        return (results[0], tuple(results[1:])) if self.moments else (results, ())

    def step_attributes(self, step: int) -> dict[str, Any]:
        """`attributes` with the step number where the update needs it."""
        return self.attributes()

    def to_config(self) -> dict[str, Any]:
        """Name and numbers, for config.json."""
        return {"name": self.name, **asdict(self)}


@dataclass(frozen=True)
class SGD(Optimizer):
    """p ← p − rate·g.   Source   VanillaCNN, section 4.5"""


@dataclass(frozen=True)
class Momentum(Optimizer):
    """v ← μ v + g,  p ← p − rate·v.   Source   Polyak 1964, in PyTorch's form"""

    momentum: float = 0.9

    operation: ClassVar[str] = "momentum_update"
    moments: ClassVar[tuple[str, ...]] = ("v",)
    nesterov: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("momentum", self.momentum, 0 <= self.momentum < 1, "at least 0 and below 1")

    def attributes(self) -> dict[str, Any]:
        """momentum and nesterov."""
        return {"momentum": self.momentum, "nesterov": self.nesterov}


@dataclass(frozen=True)
class Nesterov(Momentum):
    """v ← μ v + g,  p ← p − rate·(g + μ v).   Source   Nesterov 1983, in PyTorch's form"""

    nesterov: ClassVar[bool] = True


@dataclass(frozen=True)
class Adam(Optimizer):
    """m ← β₁m + (1−β₁)g,  v ← β₂v + (1−β₂)g²,  p ← p − rate·m̂/(√v̂ + ε), with m̂, v̂ corrected for their start at 0.

    Source   Kingma and Ba 2015, in PyTorch's form
    """

    rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    operation: ClassVar[str] = "adam_update"
    moments: ClassVar[tuple[str, ...]] = ("m", "v")

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("beta1", self.beta1, 0 <= self.beta1 < 1, "at least 0 and below 1")
        _check("beta2", self.beta2, 0 <= self.beta2 < 1, "at least 0 and below 1")
        _check("epsilon", self.epsilon, 0 < self.epsilon < math.inf, "a number above 0")

    def attributes(self) -> dict[str, Any]:
        """beta1, beta2, epsilon and a decay of 0."""
        return {"beta1": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon, "decay": 0.0}

    def step_attributes(self, step: int) -> dict[str, Any]:
        """`attributes` and the step number, for the correction."""
        return {"step": step, **self.attributes()}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam after p ← p·(1 − rate·decay).   Source   Loshchilov and Hutter 2019, in PyTorch's form"""

    decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("decay", self.decay, 0 <= self.decay < math.inf, "at least 0")

    def attributes(self) -> dict[str, Any]:
        """beta1, beta2, epsilon and decay."""
        return {**super().attributes(), "decay": self.decay}


NAMED: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adam": Adam,
    "adamw": AdamW,
}


def find(optimizer: str | Optimizer | dict[str, Any]) -> Optimizer:
    """An optimizer from itself, its name, or its config."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    config: dict[str, Any] = {"name": optimizer} if isinstance(optimizer, str) else dict(optimizer)
    name = config.pop("name", None)
    if name not in NAMED:
        raise one_of("optimizer", name, [*NAMED])
    return NAMED[name](**config)


def _number(what: str, value: Any) -> float:
    try:
        if isinstance(value, str):
            raise TypeError
        return value if type(value) in (int, float) else float(value)
    except (TypeError, ValueError):
        raise OptionError(f"{what} {value!r}: expected a number") from None


def _check(what: str, value: float, fine: bool, expected: str) -> None:
    if not fine:
        raise OptionError(f"{what} {value}: expected {expected}")
