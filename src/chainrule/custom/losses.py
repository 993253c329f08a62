"""A learner's loss: forward(p, t), and backward() that returns dp."""

import copy
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any, cast

import numpy as np

from chainrule._io.locks import ThreadLock
from chainrule.core.shapes import text
from chainrule.custom.calls import UNWRITTEN, Array, array, call, defaults, overwritten
from chainrule.custom.interface import CallResult
from chainrule.errors import StudentError, UnwrittenError

NO_LOSS = (
    " has no forward(p, t) and backward(), and does not return (loss, dp); a loss is a name, an object or class with "
    "both, the pair (forward, backward), or a function that returns both: there is no automatic differentiation"
)


class LossFunctions:
    """A learner's loss, run in this process.

    source   a class or an object with forward(p, t) and backward() or backward(dy); functions forward(p, t) and
             backward(p, t) or backward(dy, p, t), in a module or as a pair; or one function of p and labels (N,), the
             largest entries of t, that returns (loss, dp)
    labels   whether it takes labels (N,), the largest entries of t, instead of t
    """

    def __init__(self, source: Any, name: str | None, labels: bool = False) -> None:
        self.name, self._labels = name or _name(source), labels
        self._source, self.independent = source, True
        self._both: Callable[..., Any] | None = source if isinstance(source, FunctionType) else None
        if self._both is not None:
            return
        thing = call(self.name, source) if isinstance(source, type) else source
        pair = [getattr(thing, method, None) for method in ("forward", "backward")]
        if isinstance(source, tuple | list):
            pair = list(cast("tuple[Any, ...]", source))
        if len(pair) != 2 or not all(callable(function) for function in pair):
            raise StudentError(self.name + NO_LOSS)
        self._forward, self._backward = cast("list[Callable[..., Any]]", pair)
        if isinstance(source, tuple | list):
            self.independent = not any(hasattr(function, "__self__") for function in pair)
        elif not isinstance(source, type | ModuleType):
            self.independent = hasattr(cast("type[Any]", type(source)), "forward")

    def another(self) -> "LossFunctions":
        """Return another loss of the same class, a copy of an object, or the same functions."""
        shared = isinstance(self._source, type | ModuleType | FunctionType | tuple | list)
        copied = self._source if shared else call(f"{self.name}: a copy", copy.deepcopy, self._source)
        return LossFunctions(copied, self.name, self._labels)

    def forward(self, p: Array, t: Array) -> CallResult:
        """Call forward(p, t)."""
        if self._both is not None:
            return self._result("y", 0, p, t)
        lent = self._lent(p, t)
        given = [now for now, _ in lent.values()]
        result = call(f"{self.name}.forward", self._forward, *given)
        return CallResult({"y": array(result, f"{self.name}.forward returned")}, overwritten(lent))

    def backward(self, p: Array, t: Array) -> CallResult:
        """Call backward with the arguments that it takes: none; dy; p and t; or dy, p and t."""
        if self._both is not None:
            return self._result("dp", 1, p, t)
        lent = self._lent(p, t)
        own = [now for now, _ in lent.values()]
        taken = defaults(self._backward)
        given: tuple[Any, ...] = {0: (), 1: (1.0,), 2: tuple(own)}.get(3 if taken is None else len(taken), (1.0, *own))
        label = f"{self.name}.backward"
        result = call(label, self._backward, *given)
        return CallResult({"dp": array(result, f"{label} returned")}, overwritten(lent))

    def _lent(self, p: Array, t: Array) -> dict[str, tuple[Array, Array]]:
        """Return the arguments of a call by name, each with a copy from before."""
        targets = t.argmax(axis=1) if self._labels or self._both is not None else t
        return {"p": (p.copy(), p), "t": (targets.copy(), targets)}

    def _result(self, name: str, which: int, p: Array, t: Array) -> CallResult:
        """Return the loss or its gradient by a function that computes both."""
        lent = self._lent(p, t)
        result = call(self.name, self._both or _name, *(now for now, _ in lent.values()))
        parts = cast("tuple[Any, ...]", result) if isinstance(result, tuple | list) else (result,)
        if all(part is None for part in parts):
            raise UnwrittenError(UNWRITTEN.format(self.name))
        if len(parts) != 2:
            raise StudentError(self.name + NO_LOSS)
        said = ("the loss", "dx")[which]
        return CallResult({name: array(parts[which], f"{self.name}: {said} is")}, overwritten(lent))


class TrainableLoss:
    """A learner's loss for training: checks the shapes of losses and gradients, and admits one call at a time.

    source   see `LossFunctions`; its forward returns the mean loss or the loss of each sample, its backward the
             gradient of the mean by p

    Every error in using or running it is a `StudentError` of one line.
    """

    def __init__(self, source: Any, name: str | None = None) -> None:
        self._code = LossFunctions(source, name)
        self.name = self._code.name
        self._lock = ThreadLock()

    def losses(self, p: Array, t: Array) -> Array:
        """Return the loss of each sample, (N,); N copies of the mean if `forward` returns the mean alone."""
        with self._lock:
            return self._losses(p, t)

    def gradient(self, p: Array, t: Array) -> Array:
        """Return the gradient of the mean loss by p, (N, K), after a call of `forward`."""
        with self._lock:
            self._losses(p, t)
            dp = self._code.backward(p, t).arrays["dp"]
        return _real(dp, f"{self.name}.backward", p.shape, p)

    def _losses(self, p: Array, t: Array) -> Array:
        found = self._code.forward(p, t).arrays["y"]
        return _real(np.full(len(p), found) if found.ndim == 0 else found, f"{self.name}.forward", (len(p),), p)

    def __deepcopy__(self, memo: dict[int, Any]) -> "TrainableLoss":
        """Return itself: it keeps no state beyond a call of `gradient`."""
        return self


def _name(source: Any) -> str:
    if isinstance(source, tuple | list):
        return _name(cast("tuple[Any, ...]", source)[0]) if source else "()"
    named = isinstance(source, type | ModuleType) or callable(getattr(source, "__get__", None))
    return str(getattr(source, "__name__", type(source).__name__)) if named else type(source).__name__


def _real(found: Array, label: str, expected: tuple[int, ...], like: Array) -> Array:
    if np.iscomplexobj(found):
        raise StudentError(f"{label} returned complex numbers")
    if found.shape != expected:
        raise StudentError(
            f"{label} returned the shape {text(found.shape) or '()'} for predictions {text(like.shape)}; "
            f"expected {text(expected)}"
        )
    return np.ascontiguousarray(found, like.dtype)
