"""Custom layer: user-written code, called by one forward operation and one backward operation."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from chainrule._io.locks import ThreadLock
from chainrule.core.options import CUSTOM_SUFFIX
from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import text
from chainrule.errors import StudentError
from chainrule.layers.base import CUSTOM, Layer, Parameter, Shape

if TYPE_CHECKING:
    from chainrule.custom.calls import Array

__all__ = ["CustomLayer"]

TRIAL = 2  # batch size of the trial run that determines shapes and parameters


class CustomLayer(Layer):
    """Custom layer around a class, an object, a module, or (forward, backward); see docs/own-layers.md.

    source      the custom code; a class is instantiated without arguments
    contract    text that says how the code is called (see contracts in docs/checking.md); None: by its names
    parameters  initial values by name, for plain functions, which cannot store values themselves

    `Sequential` wraps every object with `forward` and `backward` in a `CustomLayer`. A trial run on two random samples
    determines the output shape and the parameters. The values in the object become the initial values. From then on,
    the model stores the parameters, and copies them to the object before every call. A lock serializes calls from
    different threads.

    Shapes   any (…) → the shape returned by forward, without the batch axis
    Errors   StudentError, in one line, for any error in the custom code and for results of the wrong shape
    """

    kind: ClassVar[str] = CUSTOM

    def __init__(self, source: Any, /, contract: str | None = None, **parameters: ArrayLike) -> None:
        from chainrule.custom.own_layer import OwnLayer

        self.learner_layer = OwnLayer(source, parameters, contract)
        self._lock = ThreadLock()
        self._trials: dict[Shape, tuple[Shape, tuple[Parameter, ...]]] = {}

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the output shape found in the trial run."""
        return self._trial(shape, name)[0]

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return the parameters found in the trial run, with their values."""
        return self._trial(shape, name)[1]

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit calls of forward and backward. Backward also reads x and the parameters, to rerun forward if needed."""
        shape, parameters = self._trial(x.shape, builder.layer)
        y = builder.activation("y", shape)
        own = list[Tensor]()
        gradients = list[Tensor]()
        for parameter in parameters:
            tensor = builder.parameter(parameter.name)
            own.append(tensor)
            gradients.append(tensor.gradient())
        kind = self.learner_layer.kind
        builder.forward(f"{kind}.forward", (x, *own), (y,), call=self._forward, scope="batch")
        reads = (y.gradient(), x, *own)
        writes = (x.gradient(), *gradients)
        builder.backward(f"{kind}.backward", reads, writes, call=self._backward, scope="batch")
        return y

    def to_config(self) -> dict[str, Any]:
        """Raise StudentError: custom code cannot be saved, because loading a file must never run code."""
        raise StudentError(
            f"{self.learner_layer.kind} is custom code, which is not saved: save model.weights with numpy.savez, "
            "rebuild the model, and pass them to model.set_weights"
        )

    def describe(self) -> str:
        """Return the name of the custom code, marked as custom."""
        return f"{self.learner_layer.kind}{CUSTOM_SUFFIX}"

    def __deepcopy__(self, memo: dict[int, object]) -> CustomLayer:
        """Return an independent layer that wraps a copy of the object."""
        twin: Any = CustomLayer.__new__(CustomLayer)
        with self._lock:
            twin.__dict__.update(
                self.__dict__ | {"learner_layer": copy.deepcopy(self.learner_layer, memo), "_lock": ThreadLock()}
            )
        return twin

    def _trial(self, shape: Shape, name: str) -> tuple[Shape, tuple[Parameter, ...]]:
        if shape not in self._trials:
            with self._lock:
                x = np.random.default_rng(0).standard_normal((TRIAL, *shape)).astype(np.float32)
                y = self.learner_layer.explore(x)
                if y.ndim < 2 or len(y) != TRIAL:
                    raise StudentError(
                        f"{self.learner_layer.kind} {name!r}: forward returned the shape {text(y.shape) or '()'} for "
                        f"{TRIAL} samples of {text(shape)}; expected {TRIAL}×…"
                    )
                values = self.learner_layer.values
            parameters = tuple(Parameter(key, value.shape, "zeros", values=value) for key, value in values.items())
            self._trials[shape] = (y.shape[1:], parameters)
        return self._trials[shape]

    def _forward(self, x: Array, *values: Array) -> tuple[Array]:
        """Run the custom forward on a batch."""
        with self._lock:
            y = self.learner_layer.forward(x, dict(zip(self.learner_layer.names, values, strict=True)))
        expected = (len(x), *self._trials[x.shape[1:]][0])
        if y.shape != expected:
            raise StudentError(
                f"{self.learner_layer.kind}: forward returned the shape {text(y.shape) or '()'} for {text(x.shape)}; "
                f"expected {text(expected)}"
            )
        return (self._real(y, x.dtype),)

    def _backward(self, dy: Array, x: Array, *values: Array) -> tuple[Array, ...]:
        """Run the custom backward on a batch, after rerunning forward if its last call had other arguments."""
        with self._lock:
            named = dict(zip(self.learner_layer.names, values, strict=True))
            gradients = self.learner_layer.backward(dy, x, named)
        return tuple(self._real(gradient, x.dtype) for gradient in gradients)

    def _real(self, values: Array, dtype: DTypeLike) -> Array:
        if np.iscomplexobj(values) and np.dtype(dtype).kind == "f":
            raise StudentError(f"{self.learner_layer.kind}: returned complex numbers for real inputs")
        return np.ascontiguousarray(values, dtype).reshape(values.shape)


def is_custom(thing: object) -> bool:
    """Return whether an object is custom code: a pair of functions, or an object with a method forward or backward."""
    if isinstance(thing, tuple | list):
        pair = cast("tuple[object, ...]", thing)
        return len(pair) == 2 and all(map(callable, pair))
    return callable(getattr(thing, "forward", None)) or callable(getattr(thing, "backward", None))
