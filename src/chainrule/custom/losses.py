"""Contracts of losses from the names in their calls, and a user's own loss in training."""

from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, cast

import numpy as np

from chainrule._io.locks import ThreadLock
from chainrule.core.shapes import text
from chainrule.custom.calls import Array, InterfaceError
from chainrule.custom.contract import parse
from chainrule.custom.contract_code import ContractLayer
from chainrule.custom.names import NAMES
from chainrule.custom.proposal import argument_values, parts_of
from chainrule.custom.signatures import CallSignature, signatures
from chainrule.errors import StudentError, UnwrittenError

NO_LOSS = (
    " is not a loss; expected a name, an object or class with forward(p, t) and backward(), the pair (forward, "
    "backward), or a function that returns (loss, dp): there is no automatic differentiation"
)
WORDS = {"x": "p", **dict.fromkeys(NAMES.predictions, "p"), **dict.fromkeys(NAMES.targets, "t")}
GRADIENTS = ("dp", *NAMES.input_gradients, "grad", "gradient")  # attributes of dp if backward returns None


def is_loss(calls: Sequence[str]) -> bool:
    """Return whether the calls of a class or a function are those of a loss: they take predictions and targets."""
    signatures = [CallSignature.of(call) for call in calls]
    if not signatures[0].name.startswith("self = "):
        return len(signatures[0].required) == 2 and any(_roles(signatures[0]))
    value, gradient = _methods(signatures)
    if value is None or gradient is None or not value.name.startswith("self"):
        return False
    return len(value.required) == 2 and any(_roles(value))


def loss_contracts(calls: Sequence[str]) -> Iterator[str]:
    """Yield the contracts to try, for targets in one-hot form and as class numbers."""
    signatures = [CallSignature.of(call) for call in calls]
    for layout in ("", "t: N; "):
        if not signatures[0].name.startswith("self = "):
            call = signatures[0].call(_arguments(signatures[0]))
            if len(signatures) > 1:
                yield f"{layout}y = {call}; dp = {signatures[1].call(_arguments(signatures[1]))}"
            yield f"{layout}y, dp = {call}"
            continue
        value, gradient = _methods(signatures)
        if value is None or gradient is None:
            continue
        creation = f"{layout}{signatures[0].call({})}"
        forward = value.call(_arguments(value))
        backward = gradient.call(_arguments(gradient, "dy"))
        for first in (f"y = {forward}", f"y, cache = {forward}", f"cache, y = {forward}", f"{forward}; y = self.loss"):
            yield f"{creation}; {first}; dp = {backward}"
        for word in GRADIENTS:
            yield f"{creation}; y = {forward}; {backward}; dp = self.{word}"


def _methods(signatures: Sequence[CallSignature]) -> tuple[CallSignature | None, CallSignature | None]:
    by_name = {signature.name.partition(".")[2] or "__call__": signature for signature in signatures[1:]}
    value = next((by_name[word] for word in NAMES.losses if word in by_name), None)
    gradient = next((by_name[word] for word in NAMES.loss_gradients if word in by_name), None)
    return value, gradient


def _roles(call: CallSignature) -> list[str | None]:
    """Return the roles of the arguments of a call by usual names: p, t, or None."""
    roles = list[str | None]()
    for name in call.arguments:
        roles.append(WORDS.get(name.lower()))
    return roles


def _arguments(call: CallSignature, single: str = "p") -> dict[str, str]:
    """Return the expressions of the arguments of a call: by name, otherwise p, then t; dy first if there are three."""
    count = len(call.required or call.arguments)
    free = [single] if count == 1 else ["p", "t"] if count == 2 else ["dy", "p", "t"]
    return argument_values(call, WORDS, free) or {}


class TrainableLoss:
    """A custom loss for training. Shapes of losses and gradients are checked, and calls are serialized by a lock.

    source   a class or an object with forward(p, t) and backward(), or methods of other usual names; a module or a
             pair of functions; or a function of p and t that returns (loss, dp). forward returns the mean loss or the
             loss of each sample, and backward the gradient of the mean loss

    Errors   StudentError for any other source, and any error in the loss
    """

    def __init__(self, source: Any, name: str | None = None) -> None:
        self.name = name or _name(source)
        self._file = parts_of(source, "loss")
        calls = list[str]()
        for key, part in self._file.items():
            if not callable(part) and key != "loss":
                raise StudentError(self.name + NO_LOSS)
            calls += signatures(key, part)
        self._contracts = [*loss_contracts(calls)] if calls else []
        if not self._contracts:
            raise StudentError(self.name + NO_LOSS)
        if _roles(CallSignature.of(calls[0])) == ["t", "t"]:
            raise StudentError(
                f"{self.name}: both arguments have names of targets; call them (p, t) or (y_true, y_pred)"
            )
        self._code: ContractLayer | None = None
        self._lock = ThreadLock()

    def losses(self, p: Array, t: Array) -> Array:
        """Return the loss of each sample, (N,). If `forward` returns only the mean, it is repeated N times."""
        with self._lock:
            return self._losses(p, t)

    def gradient(self, p: Array, t: Array) -> Array:
        """Call `forward`, then return the gradient of the mean loss with respect to p, (N, K)."""
        with self._lock:
            self._losses(p, t)
            dp = cast("ContractLayer", self._code).backward(np.array(1.0)).arrays["dp"]
        return _real(dp, f"{self.name}.backward", p.shape, p)

    def _losses(self, p: Array, t: Array) -> Array:
        if self._code is None:
            self._code = self._first(p, t)
        losses = _forward(self._code, p, t)
        return _real(np.full(len(p), losses) if losses.ndim == 0 else losses, f"{self.name}.forward", (len(p),), p)

    def _first(self, p: Array, t: Array) -> ContractLayer:
        """Return the loss under the first contract whose results have the right shapes, or else that runs."""
        running: ContractLayer | None = None
        failures = list[StudentError]()
        for contract in self._contracts:
            code = ContractLayer(parse(contract), self._file, kind=self.name)
            try:
                losses = _forward(code, p, t)
                gradient = code.backward(np.array(1.0)).arrays["dp"]
            except UnwrittenError:
                raise
            except StudentError as error:
                failures.append(error)
                continue
            if losses.size in (1, len(p)) and gradient.shape == p.shape:
                return code
            running = running or code
        if running is None:
            failures.sort(key=lambda error: isinstance(error, InterfaceError))  # errors in the loss itself come first
            raise failures[0]
        return running

    def __deepcopy__(self, memo: dict[int, object]) -> "TrainableLoss":
        """Return the same object: it keeps no state between two calls, and calls are serialized by a lock."""
        return self


def _forward(code: ContractLayer, p: Array, t: Array) -> Array:
    code.set("t", t)
    return code.forward(p).arrays["y"]


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
