"""A learner's losses: forward(p, t), and backward(), which returns dp."""

import copy
from collections.abc import Callable
from functools import wraps
from types import FunctionType, ModuleType
from typing import Any, cast

import numpy as np

from chainrule._io.locks import ThreadLock
from chainrule.core.shapes import text
from chainrule.custom import calling
from chainrule.custom.calls import UNWRITTEN, Array, array, call, defaults, is_numeric, overwritten
from chainrule.custom.interface import CallResult
from chainrule.custom.names import NAMES
from chainrule.errors import StudentError, UnwrittenError

NO_LOSS = (
    " is not a loss; expected a name, an object or class with forward(p, t) and backward(), the pair (forward, "
    "backward), or a function that returns (loss, dp): there is no automatic differentiation"
)
LOSSES = ("loss", *NAMES.outputs)  # attributes of the loss if forward returns None
GRADIENTS = ("dp", *NAMES.input_gradients, "grad", "gradient")  # attributes of dp if backward returns None
ONLY_LOSS = " returns only the loss: return (loss, dp)"


class LossFunctions:
    """A learner's loss, run in this process.

    source   a class or an object with forward(p, t) and backward() or backward(dy), or with methods of other usual
             names, such as loss and gradient; functions forward(p, t) and backward(p, t) or backward(dy, p, t), in a
             module or as a pair; or one function of p and t that returns (loss, dp). If the names of the arguments are
             usual ones in the other order, such as y_true and y_pred, t is passed first. In a class or an object,
             forward and backward may also store their results under usual names. forward may also return probabilities
    name     name used in messages; None: the source's name

    Errors   StudentError for any other source
    """

    def __init__(self, source: Any, name: str | None) -> None:
        self.name = name or _name(source)
        self._source: Any = source
        is_pair = isinstance(source, tuple | list)
        self._shared = is_pair or isinstance(source, type | ModuleType | FunctionType)
        self._thing: Any = source
        if isinstance(source, type):
            self._thing = call(self.name, source)
        if is_pair:
            pair = list(cast("tuple[Any, ...]", source))
        elif isinstance(source, FunctionType):
            pair = [_half(source, self.name, "loss"), _half(source, self.name, "dp")]
        else:
            pair = [getattr(self._thing, method or "", None) for method in calling.loss_methods(self._thing)]
        if len(pair) != 2 or not all(map(callable, pair)):
            raise StudentError(self.name + NO_LOSS)
        self._forward, self._backward = cast("list[Callable[..., Any]]", pair)
        # Another instance shares nothing unless the functions are methods of an object that cannot be copied with them:
        # those of a pair, or functions stored in the attributes of an object.
        bound = is_pair and (hasattr(self._forward, "__self__") or hasattr(self._backward, "__self__"))
        kind = cast("type[Any]", type(self._source))
        own = hasattr(kind, getattr(self._forward, "__name__", ""))
        self.independent = not bound and (self._shared or own)

    def another(self) -> "LossFunctions":
        """Return another instance of a class, a copy of an object, or the same functions."""
        if self._shared:
            copied = self._source
        else:
            copied = call(f"{self.name}: a copy", copy.deepcopy, self._source)
        return LossFunctions(copied, self.name)

    def forward(self, p: Array, t: Array) -> CallResult:
        """Call forward(p, t)."""
        passed = self._argument_copies(p, t, self.roles)
        result = call(f"{self.name}.forward", self._forward, *(now for now, _ in passed.values()))
        result: Any = calling.stored(self._thing, LOSSES, result)
        if isinstance(result, tuple):
            parts = cast("tuple[Any, ...]", result)
            result = parts
            for part in parts:
                if is_numeric(part) and np.size(part) in (1, len(p)):
                    result = part
                    break
        return CallResult({"y": array(result, f"{self.name}.forward returned")}, overwritten(passed))

    def backward(self, p: Array, t: Array) -> CallResult:
        """Call backward with the arguments it accepts: none; dy; p and t; or dy, p and t."""
        accepted = defaults(self._backward)
        if accepted is None:
            count = 3
        else:
            count = len(calling.required(self._backward)) or len(accepted)
        roles = calling.argument_roles(self._backward, max(count - 2, 0))
        if not any(roles):
            roles = self.roles
        passed = self._argument_copies(p, t, roles)
        arguments = list[Any]()
        if count not in (0, 2):
            arguments.append(1.0)  # dy
        if count not in (0, 1):
            for copied, _ in passed.values():
                arguments.append(copied)
        label = f"{self.name}.backward"
        result = calling.stored(self._thing, GRADIENTS, call(label, self._backward, *arguments))
        return CallResult({"dp": array(result, f"{label} returned")}, overwritten(passed))

    @property
    def roles(self) -> tuple[str | None, str | None]:
        """Roles of the arguments of forward; see `argument_roles`."""
        return calling.argument_roles(self._forward)

    def _argument_copies(
        self, p: Array, t: Array, roles: tuple[str | None, str | None]
    ) -> dict[str, tuple[Array, Array]]:
        """Return pairs (copy, original) for the arguments of a call, by name, in the order of their roles."""
        predictions = (p.copy(), p)
        targets = (t.copy(), t)
        first, second = roles
        if second != "t" and (first == "t" or second == "p"):
            return {"t": targets, "p": predictions}
        return {"p": predictions, "t": targets}


def _half(both: Callable[..., Any], name: str, part: str) -> Callable[..., Any]:
    """Return a function that calls one that returns (loss, dp), and returns the "loss" or "dp"."""

    @wraps(both)
    def half(*arguments: Array) -> Any:
        result = call(name, both, *arguments)
        parts = (result,)
        if isinstance(result, tuple | list):
            parts = cast("tuple[Any, ...]", result)
        if all(value is None for value in parts):
            raise UnwrittenError(UNWRITTEN.format(name))
        if len(parts) == 1:
            raise UnwrittenError(name + ONLY_LOSS)
        if len(parts) != 2:
            raise StudentError(name + NO_LOSS)
        loss, dp = parts
        if part == "dp":
            return dp
        return loss

    return half


class TrainableLoss:
    """A custom loss for training. Shapes of losses and gradients are checked, and calls are serialized by a lock.

    source   as in `LossFunctions`. Its forward returns the mean loss or the loss of each sample, and its backward
             returns the gradient of the mean loss with respect to p

    Errors   StudentError with a one-line message for any error in the loss, and if the names of its two arguments have
             the same role
    """

    def __init__(self, source: Any, name: str | None = None) -> None:
        self._code = LossFunctions(source, name)
        self.name = self._code.name
        if len(set(self._code.roles)) == 1 and any(self._code.roles):
            if "t" in self._code.roles:
                what = "targets"
            else:
                what = "predictions"
            raise StudentError(
                f"{self.name}: the names of both arguments are usual for {what}; call them (p, t) or (y_true, y_pred)"
            )
        self._lock = ThreadLock()

    def losses(self, p: Array, t: Array) -> Array:
        """Return the loss of each sample, (N,). If `forward` returns only the mean, it is repeated N times."""
        with self._lock:
            return self._losses(p, t)

    def gradient(self, p: Array, t: Array) -> Array:
        """Call `forward`, then return the gradient of the mean loss with respect to p, (N, K)."""
        with self._lock:
            self._losses(p, t)
            dp = self._code.backward(p, t).arrays["dp"]
        return _real(dp, f"{self.name}.backward", p.shape, p)

    def _losses(self, p: Array, t: Array) -> Array:
        losses = self._code.forward(p, t).arrays["y"]
        return _real(np.full(len(p), losses) if losses.ndim == 0 else losses, f"{self.name}.forward", (len(p),), p)

    def __deepcopy__(self, memo: dict[int, object]) -> "TrainableLoss":
        """Return the same object: it keeps no state between two calls, and calls are serialized by a lock."""
        return self


def _name(source: object) -> str:
    if isinstance(source, tuple | list):
        if source:
            return _name(cast("tuple[Any, ...]", source)[0])
        return "()"
    named = isinstance(source, type | ModuleType) or callable(getattr(source, "__get__", None))
    if named:
        return str(getattr(source, "__name__", type(source).__name__))
    return type(source).__name__


def _real(result: Array, label: str, expected: tuple[int, ...], like: Array) -> Array:
    if np.iscomplexobj(result):
        raise StudentError(f"{label} returned complex numbers")
    if result.shape != expected:
        raise StudentError(
            f"{label} returned the shape {text(result.shape) or '()'} for predictions {text(like.shape)}; "
            f"expected {text(expected)}"
        )
    return np.ascontiguousarray(result, like.dtype)
