"""Layers and losses of this library as functions of named tensors, with the gradients to check."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from chainrule.core.plan import Builder, Plan, Tensor
from chainrule.engines import loader
from chainrule.engines.interpreter import Interpreter, ModuleEngine
from chainrule.engines.protocol import Array, Engine
from chainrule.explain.trace import PlanTrace
from chainrule.layers import Layer
from chainrule.network import losses

Values = Mapping[str, Array]


class DifferentiableFunction:
    """A function of named tensors, with the gradients to check.

    name      name for headings
    tensors   names of the tensors whose gradients are checked, starting with the input
    """

    name: str
    tensors: tuple[str, ...]

    def output(self, values: Values) -> Array:
        """Return the output."""
        raise NotImplementedError

    def gradients(self, values: Values, dy: Array) -> dict[str, Array]:
        """Return the gradients of ⟨dy, output(values)⟩ that the checked function computes.

        Their shapes are not checked. A gradient that the code does not compute has no entry.
        """
        raise NotImplementedError


@dataclass
class LibraryBuffers:
    """Flat buffers of parameters and running statistics, with any dtype."""

    parameters: Array
    statistics: Array


class LibraryPlan(DifferentiableFunction):
    """A plan without a loss, run by an engine: its output as a function of its input and its parameters.

    shape       shape of one input, without the batch axis
    tensors     the plan's parameters and state
    engine      engine that computes the function's own results; None: the default engine
    dtype       dtype of the function's own results
    parameters  shapes of the parameters by name, without the prefix
    prefix      common prefix of full names if all tensors belong to one layer, such as "conv1."
    """

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        tensors: Sequence[Tensor],
        *,
        engine: str | None,
        dtype: str,
        prefix: str = "",
    ) -> None:
        self.name = name
        self.shape = shape
        self.engine = loader.find(engine)
        self.dtype = np.dtype(dtype)
        trained = list[Tensor]()
        for tensor in tensors:
            if tensor.kind == "parameter":
                trained.append(tensor)
        self.parameters = {tensor.name.removeprefix(prefix): tensor.shape for tensor in trained}
        constants = dict[str, tuple[int, ...]]()
        for tensor in tensors:
            if tensor.kind == "state":
                constants[tensor.name] = tensor.shape
        self._layout = _offsets(self.parameters)
        self._constants = _offsets(constants)
        self._prefix = prefix
        self.plan = self._plan(Builder({tensor.name: tensor for tensor in tensors}, training=True))
        self.output_shape = self.plan.output.shape
        self.tensors = ("x", *self.parameters)

    @property
    def storage_names(self) -> dict[str, str]:
        """The names of x, y and the parameters in traces."""
        parameters = dict[str, str]()
        for name in self.parameters:
            parameters[name] = f"{self._prefix}{name}"
        return {"x": self.plan.input.storage, "y": self.plan.output.storage, **parameters}

    def _plan(self, builder: Builder) -> Plan:
        """Return the training plan, including the gradient with respect to the input."""
        x = Tensor("x", self.shape, "input")
        return builder.plan(x, self._emit(builder, x), (x.gradient(),))

    def _emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit the operations on x and return their result."""
        raise NotImplementedError

    def _interpreter(self, engine: Engine, values: Values) -> Interpreter:
        """Return a new interpreter of the plan, with the parameters set to these values."""
        layout = dict(self._constants)
        parts = list[Array]()
        for name, offsets in self._layout.items():
            layout[f"{self._prefix}{name}"] = offsets
            parts.append(values[name].reshape(-1))
        if not parts:
            parts.append(np.zeros(0))
        size = 0
        for _, last in self._constants.values():
            size = max(size, last)
        buffers = LibraryBuffers(np.concatenate(parts), np.linspace(0.5, 1.5, size, dtype=values["x"].dtype))
        return Interpreter(engine, self.plan, layout, buffers)

    def output(self, values: Values, engine: Engine | None = None) -> Array:
        """Return the output in the function's dtype, computed by ``engine``; None: its own engine."""
        inputs = dict[str, Array]()
        for name, value in values.items():
            inputs[name] = value.astype(self.dtype)
        return self._interpreter(engine or self.engine, inputs).forward(inputs["x"])

    def trace(self, values: Values, dy: Array) -> PlanTrace:
        """Return all arrays of a forward and a backward pass by the reference engine, for explanations of elements."""
        interpreter = self._interpreter(loader.find("reference"), values)
        interpreter.forward(values["x"])
        interpreter.pull_back(dy)
        arrays = dict[str, Array]()
        for operation in self.plan.operations:
            for tensor in operation.writes:
                arrays[tensor.storage] = interpreter.read(tensor)
        arrays[self.plan.input.storage] = values["x"]
        arrays[self.plan.output.gradient().storage] = dy
        shapes = dict[str, tuple[int, ...]]()
        for name, shape in self.parameters.items():
            arrays[f"{self._prefix}{name}"] = values[name]
            shapes[f"{self._prefix}{name}"] = shape
        return PlanTrace.of_layer(self.plan, shapes, arrays)

    def gradients(self, values: Values, dy: Array, engine: Engine | None = None) -> dict[str, Array]:
        """Return the gradients in the function's dtype, computed by ``engine``; None: its own engine."""
        inputs = dict[str, Array]()
        for name, value in values.items():
            inputs[name] = value.astype(self.dtype)
        interpreter = self._interpreter(engine or self.engine, inputs)
        interpreter.forward(inputs["x"])
        flat = interpreter.pull_back(dy.astype(self.dtype))
        gradients = {
            name: flat[slice(*offsets)].reshape(self.parameters[name]) for name, offsets in self._layout.items()
        }
        return {"x": interpreter.read(self.plan.input.gradient()), **gradients}


class LibraryLayer(LibraryPlan):
    """A layer of this library, run by an engine.

    layer, shape   the layer, and the shape of one input (without the batch axis)
    """

    def __init__(
        self, layer: Layer, shape: tuple[int, ...], *, engine: str | None = "numpy", dtype: str = "float64"
    ) -> None:
        self.layer = layer
        layer_name = f"{layer.kind}1"
        layer.output_shape(shape, layer_name)
        tensors = list[Tensor]()
        for parameter in layer.parameters(shape, layer_name):
            tensors.append(_tensor(f"{layer_name}.{parameter.name}", parameter.shape, parameter.trained))
        super().__init__(layer.describe(), shape, tensors, engine=engine, dtype=dtype, prefix=f"{layer_name}.")

    def _emit(self, builder: Builder, x: Tensor) -> Tensor:
        builder.begin(self._prefix[:-1])
        return self.layer.emit(builder, x)


class LibraryLoss(DifferentiableFunction):
    """A loss (the mean over the batch) as a function of the predictions p (N, K).

    power   exponent of a factor K, for other definitions: 1 for sums over K instead of means
    """

    tensors = ("p",)

    def __init__(self, loss: str, *, engine: str = "reference", power: int = 0) -> None:
        self.name = losses.find(loss)
        self.power = power
        self.engine = loader.find(engine)

    def output(self, values: Values) -> Array:
        """Return the mean loss as a zero-dimensional array."""
        (sample_losses,) = self.engine.run(self.name, (values["p"], values["t"]), {})
        return np.asarray(sample_losses.mean() * float(values["p"].shape[1]) ** self.power)

    def gradients(self, values: Values, dy: Array) -> dict[str, Array]:
        """Return the gradient of the mean loss with respect to p, times dy."""
        (dp,) = self.engine.run(f"{self.name}_dp", (values["p"], values["t"]), {"batch": len(values["p"])})
        return {"p": dp * dy * float(dp.shape[1]) ** self.power}


def _offsets(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, int]]:
    """Return the first index and the end of each array in a flat buffer of all arrays."""
    return dict(zip(shapes, pairwise(accumulate(map(math.prod, shapes.values()), initial=0)), strict=True))


def _tensor(name: str, shape: tuple[int, ...], trained: bool) -> Tensor:
    return Tensor(name, shape, "parameter" if trained else "state")


def multiclass_hinge(p: Array, t: Array) -> Array:
    """loss[n] = Σ_{j≠k} max(0, p[n,j] − p[n,k] + 1)        k: the class of sample n"""
    return (np.maximum(0, p - (p * t).sum(axis=1, keepdims=True) + 1) * (1 - t)).sum(axis=1)


def multiclass_hinge_dp(p: Array, t: Array, *, batch: int) -> Array:
    """dp[n,j] = 1/batch at every j ≠ k with a positive margin, and −1/batch times the number of such j at k"""
    positive = ((p - (p * t).sum(axis=1, keepdims=True) + 1 > 0) * (1 - t)).astype(float)
    return (positive - t * positive.sum(axis=1, keepdims=True)) / batch


class HingeEngine(ModuleEngine):
    """An engine for the multiclass hinge loss, which is no operation of this library."""

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Return the result of `multiclass_hinge` or `multiclass_hinge_dp`."""
        function: Callable[..., Array] = {"multiclass_hinge": multiclass_hinge}.get(name, multiclass_hinge_dp)
        return (function(*arrays, **attributes),)


class MulticlassHinge(LibraryLoss):
    """The multiclass hinge loss, the mean over the batch of `multiclass_hinge`."""

    name = "multiclass_hinge"

    def __init__(self) -> None:
        self.power = 0
        self.engine = HingeEngine("numpy")
