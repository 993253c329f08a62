"""What a learner wrote as a loss: forward(p, t), and backward() that returns dp."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from chainrule.check.subjects import LossSubject, Values
from chainrule.engines import Array
from chainrule.errors import StudentError
from chainrule.student.calls import array, call, defaults


class StudentLoss:
    """A learner's loss of predictions p (N, K) and targets t (N, K).

    source   a class or an object with forward(p, t) and backward() or backward(dy); or functions forward(p, t) and
             backward(p, t) or backward(dy, p, t), in a module or as a pair
    meant    the loss that it is to be

    forward gives the mean loss, or a number a sample, whose mean is then taken; backward the gradient of that mean.
    """

    tests = ("p",)
    analytic = False

    def __init__(self, source: Any, name: str | None, meant: LossSubject) -> None:
        self.name = name or str(getattr(source, "__name__", type(source).__name__))
        thing = call(self.name, source) if isinstance(source, type) else source
        pair = [getattr(thing, method, None) for method in ("forward", "backward")]
        if isinstance(source, tuple | list):
            pair = list(cast("tuple[Any, ...]", source))
        if len(pair) != 2 or not all(callable(function) for function in pair):
            raise StudentError(f"{self.name} has no forward(p, t) and backward()")
        self._forward, self._backward = cast("list[Callable[..., Any]]", pair)
        self.meant = meant
        self.values: dict[str, Array] = {}

    def forward(self, values: Values) -> Array:
        """The mean loss."""
        result = call(f"{self.name}.forward", self._forward, values["p"].copy(), values["t"].copy())
        return np.asarray(array(result, f"{self.name}.forward returned").mean())

    def output(self, values: Values) -> Array:
        """The same."""
        return self.forward(values)

    def gradients(self, values: Values, dy: Array) -> dict[str, Array]:
        """The claimed gradient of the mean loss, times dy."""
        self.forward(values)
        p, t = values["p"].copy(), values["t"].copy()
        wanted = _required(self._backward)
        given: tuple[Any, ...] = {0: (), 1: (1.0,), 2: (p, t)}.get(wanted, (1.0, p, t))
        label = f"{self.name}.backward"
        return {"p": dy * array(call(label, self._backward, *given), f"{label} returned")}


def _required(function: Callable[..., Any]) -> int:
    taken = defaults(function)
    return len(taken) if taken is not None else 3
