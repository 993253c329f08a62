"""Subjects of a check behind one interface: a function of named tensors, and the gradients that it claims.

A subject has the exact function to differentiate (in float64, and complex128 where possible), and the results of its
own code: the output and the gradients.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from chainrule.core.plan import Builder, Plan, Tensor
from chainrule.engines import loader
from chainrule.engines.interpreter import Interpreter, ModuleEngine
from chainrule.engines.numpy import pooling
from chainrule.engines.protocol import Array, Engine
from chainrule.explain.trace import PlanTrace
from chainrule.layers import Layer
from chainrule.models.network import Network
from chainrule.training import losses

Values = Mapping[str, Array]
SEED, STEP = 9, 4  # of dropout masks


class Subject:
    """A function of named tensors with its claimed gradients.

    name      for the heading
    tests     names of the tensors whose gradients are checked, the input first
    analytic  whether the function is known to compute in float64 and correctly for complex arguments
    """

    name: str
    tests: tuple[str, ...]
    analytic = False

    def forward(self, values: Values) -> Array:
        """Return the function to differentiate, at other values."""
        raise NotImplementedError

    def output(self, values: Values) -> Array:
        """Return the output of its own code."""
        return self.forward(values)

    def gradients(self, values: Values, dy: Array) -> dict[str, Array]:
        """Return the claimed gradients of ⟨dy, forward(values)⟩, in whatever shape; missing ones are left out."""
        raise NotImplementedError


@dataclass
class SubjectBuffers:
    """Flat buffers of parameters and running statistics, of any dtype."""

    parameters: Array
    statistics: Array


class PlanSubject(Subject):
    """A plan without a loss, on an engine: its output as a function of its input and its parameters.

    shape       of one input, without the batch axis
    parameters  shapes of the parameters, by their names without the prefix
    prefix      what full names begin with where all tensors belong to one layer: "conv1."
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
        self.name, self.shape = name, shape
        self.engine = loader.find(engine)
        self.dtype = np.dtype(dtype)
        learnt = [tensor for tensor in tensors if tensor.kind == "parameter"]
        self.parameters = {tensor.name.removeprefix(prefix): tensor.shape for tensor in learnt}
        ends = accumulate(map(math.prod, self.parameters.values()), initial=0)
        self._layout = dict(zip(self.parameters, pairwise(ends), strict=True))
        self._prefix = prefix
        self.plan = self._plan(Builder({tensor.name: tensor for tensor in tensors}, training=True))
        self.output_shape = self.plan.output.shape
        self.analytic = not _opaque(self.plan)
        self.tests = ("x", *self.parameters)

    @property
    def storage_names(self) -> dict[str, str]:
        """The names in a trace of x, y and the parameters."""
        own = {name: f"{self._prefix}{name}" for name in self.parameters}
        return {"x": self.plan.input.storage, "y": self.plan.output.storage, **own}

    def _plan(self, builder: Builder) -> Plan:
        """Return the plan for training, with the gradient of its input."""
        x = Tensor("x", self.shape, "input")
        return builder.plan(x, self._emit(builder, x), (x.gradient(),))

    def _emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit the operations for x and return their result."""
        raise NotImplementedError

    def _walk(self, engine: Engine, values: Values) -> Interpreter:
        """Return an interpreter of the plan over these values, not yet run."""
        layout = {f"{self._prefix}{name}": place for name, place in self._layout.items()}
        parts = [values[name].reshape(-1) for name in self.parameters] or [np.zeros(0)]
        buffers = SubjectBuffers(np.concatenate(parts), np.zeros(0))
        return Interpreter(engine, self.plan, layout, buffers)

    def forward(self, values: Values) -> Array:
        """Return the output in float64 or complex128."""
        return self._walk(ENGINE, values).forward(values["x"])

    def output(self, values: Values, engine: str | None = None) -> Array:
        """Return the output by its engine, or by the named one, in the dtype of the subject."""
        given = {name: value.astype(self.dtype) for name, value in values.items()}
        chosen = self.engine if engine is None else loader.find(engine)
        return self._walk(chosen, given).forward(given["x"])

    def trace(self, values: Values, dy: Array) -> PlanTrace:
        """Return every array of a run forward and backward by the reference, for explanations of their entries."""
        walk = self._walk(loader.find("reference"), values)
        walk.forward(values["x"])
        walk.pull_back(dy)
        arrays = {tensor.storage: walk.read(tensor) for one in self.plan.operations for tensor in one.writes}
        given = {self.plan.input.storage: values["x"], self.plan.output.gradient().storage: dy}
        given |= {f"{self._prefix}{name}": values[name] for name in self.parameters}
        shapes = {f"{self._prefix}{name}": shape for name, shape in self.parameters.items()}
        return PlanTrace.of_layer(self.plan, shapes, {**arrays, **given})

    def gradients(self, values: Values, dy: Array, engine: str | None = None) -> dict[str, Array]:
        """Return the gradients by its engine, or by the named one, in the dtype of the subject."""
        given = {name: value.astype(self.dtype) for name, value in values.items()}
        walk = self._walk(self.engine if engine is None else loader.find(engine), given)
        walk.forward(given["x"])
        flat = walk.pull_back(dy.astype(self.dtype))
        own = {name: flat[slice(*place)].reshape(self.parameters[name]) for name, place in self._layout.items()}
        return {"x": walk.read(self.plan.input.gradient()), **own}


class LayerSubject(PlanSubject):
    """A layer of this library, on an engine.

    layer, shape   the layer, and the shape of one input (without the batch axis)
    """

    def __init__(
        self, layer: Layer, shape: tuple[int, ...], *, engine: str | None = None, dtype: str = "float64"
    ) -> None:
        self.layer, own = layer, f"{layer.kind}1"
        layer.output_shape(shape, own)
        tensors = [_tensor(f"{own}.{one.name}", one.shape, one.trained) for one in layer.parameters(shape, own)]
        super().__init__(layer.describe(), shape, tensors, engine=engine, dtype=dtype, prefix=f"{own}.")

    def _emit(self, builder: Builder, x: Tensor) -> Tensor:
        builder.begin(self._prefix[:-1])
        return self.layer.emit(builder, x)


class GraphSubject(PlanSubject):
    """A network of this library without its loss, on an engine; its parameters have their full names (conv1.w)."""

    def __init__(self, network: Network, *, engine: str | None = None, dtype: str = "float64") -> None:
        self._network, learnt = network, network.trainable_layout
        tensors = [_tensor(name, value.shape, name in learnt) for name, value in network.weights.items()]
        super().__init__("graph", network.input_shape, tensors, engine=engine, dtype=dtype)

    def _emit(self, builder: Builder, x: Tensor) -> Tensor:
        network, results = self._network, [x]
        for layer, name, inputs, owner in zip(
            network.layers, network.names, network.wiring.inputs, network.wiring.owners, strict=True
        ):
            builder.begin(name, network.names[owner])
            results.append(layer.joint_emit(builder, [results[each] for each in inputs]))
        return results[-1]


class LossSubject(Subject):
    """A loss: the mean over the batch, as a function of the predictions p (N, K)."""

    tests = ("p",)
    analytic = True

    def __init__(self, loss: str, *, engine: str | None = None) -> None:
        self.name = losses.find(loss)
        self.engine = loader.find(engine)

    def forward(self, values: Values) -> Array:
        """Return the mean loss, a 0-dimensional array."""
        return self._mean(ENGINE, values)

    def output(self, values: Values) -> Array:
        """Return the mean loss by its engine."""
        return self._mean(self.engine, values)

    def gradients(self, values: Values, dy: Array) -> dict[str, Array]:
        """Return dp times the upstream gradient."""
        (dp,) = self.engine.run(f"{self.name}_dp", (values["p"], values["t"]), {"batch": len(values["p"])})
        return {"p": dp * dy}

    def _mean(self, engine: Engine, values: Values) -> Array:
        (each,) = engine.run(self.name, (values["p"], values["t"]), {})
        return np.asarray(each.mean())


class ModelSubject(Subject):
    """A whole model with a loss: the mean loss of a batch, as a function of every parameter."""

    def __init__(self, network: Network, loss: str, x: Array, t: Array, name: str) -> None:
        self.name, self._network, self._x, self._t = name, network, x, t
        self._plan = network.plan(loss)
        self.analytic = not _opaque(self._plan)
        self._exact = SubjectBuffers(network.parameters, network.statistics.astype(np.float64))
        self._walk = Interpreter(ENGINE, self._plan, network.layout, self._exact)
        self._compiled = network.compile(self._plan)
        held = {name: network.weights[name] for name, (first, last) in network.layout.items() if last > first}
        trained = {name: value for name, value in held.items() if np.shares_memory(value, network.parameters)}
        self.values = {name: value.astype(np.float64) for name, value in trained.items()}
        self.tests = tuple(self.values)

    def forward(self, values: Values) -> Array:
        """Return the mean loss, a 0-dimensional array."""
        self._exact.parameters = np.concatenate([values[name].reshape(-1) for name in self.values])
        self._walk.forward(self._x, self._t, seed=SEED, step=STEP)
        return np.asarray(self._walk.read(self._plan.loss_tensors[1]).mean())

    def gradients(self, values: Values, dy: Array) -> dict[str, Array]:
        """Return the gradients by the model's own engine, in its own dtype."""
        self._network.parameters[:] = np.concatenate([values[name].reshape(-1) for name in self.values])
        dtype = self._network.dtype
        flat = self._compiled.gradients(self._x.astype(dtype), self._t.astype(dtype), seed=SEED, step=STEP)[2]
        layout = self._network.layout
        found = {name: flat[layout[name][0] : layout[name][1]].reshape(self.values[name].shape) for name in self.values}
        return {name: value * dy for name, value in found.items()}


def _tensor(name: str, shape: tuple[int, ...], learnt: bool) -> Tensor:
    return Tensor(name, shape, "parameter" if learnt else "state")


def _opaque(plan: Plan) -> bool:
    """Return whether a plan calls custom code, whose effect on complex numbers is unknown."""
    return any(operation.call for operation in plan.operations)


class MulticlassHinge(Subject):
    """The mean over the batch of Σ_{j≠k} max(0, p_j − p_k + 1), where k is the sample's class.

    Its gradient for one sample is 1 at every j of a positive margin, and minus their number at k, all divided by N.
    """

    tests = ("p",)
    name = "multiclass_hinge"

    def forward(self, values: Values) -> Array:
        """Return the mean loss, a 0-dimensional array."""
        return np.asarray(self._margins(values).sum() / len(values["p"]))

    def gradients(self, values: Values, dy: Array) -> dict[str, Array]:
        """Return dp times the upstream gradient."""
        positive = (self._margins(values) > 0).astype(float)
        return {"p": dy * (positive - values["t"] * positive.sum(axis=1, keepdims=True)) / len(positive)}

    def _margins(self, values: Values) -> Array:
        p, t = values["p"], values["t"]
        return np.maximum(0, p - (p * t).sum(axis=1, keepdims=True) + 1) * (1 - t)


LINEAR = {
    *("cross_correlate", "cross_correlate_dx", "add_bias", "dense", "average_pool"),
    *("batch_norm", "group_norm", "dropout", "tanh", "arctan", "pad", "crop", "permute", "resample"),
    *("add", "multiply", "concatenate", "expand_positions", "expand_channels"),
}


def _sigmoid(x: Array) -> Array:
    """Compute the sigmoid in the form that does not overflow, chosen by the real part."""
    e = np.exp(np.where(np.real(x) > 0, -x, x))
    return np.where(np.real(x) > 0, 1 / (1 + e), e / (1 + e))


def _relu(x: Array) -> Array:
    return x * (np.real(x) > 0)


def _leaky_relu(x: Array, *, slope: float) -> Array:
    return x * np.where(np.real(x) > 0, 1.0, slope)


def _max_pool(x: Array, **options: Any) -> tuple[Array, Array]:
    """Return the cells with the largest real parts, and their flat indices."""
    _, winner = pooling.max_pool(np.ascontiguousarray(np.real(x)), **options)
    cells = np.take_along_axis(x.reshape(*x.shape[:2], -1), winner.reshape(*x.shape[:2], -1).astype(np.intp), axis=2)
    return cells.reshape(winner.shape), winner


COMPLEX: dict[str, Callable[..., Any]] = {
    "sigmoid": _sigmoid,
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "max_pool": _max_pool,
}


class ExactEngine(ModuleEngine):
    """The NumPy engine for real arrays; for complex ones, operations that preserve imaginary parts."""

    def __init__(self) -> None:
        super().__init__("numpy")
        self.name = "exact"
        self._reference = loader.find("reference")

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Call the operation, with all arrays converted to their widest type, float64 at least."""
        numbers = [array.dtype for array in arrays if array is not None and array.dtype.kind in "fc"]
        dtype = np.result_type(np.float64, *numbers)
        given = tuple(None if array is None else _cast(array, dtype) for array in arrays)
        if dtype.kind != "c" or name in LINEAR:
            return super().run(name, given, attributes)
        if name in COMPLEX:
            results: Array | tuple[Array, ...] = COMPLEX[name](*given, **attributes)
            return results if isinstance(results, tuple) else (results,)
        return self._reference.run(name, given, attributes)


def _cast(array: Array, dtype: np.dtype[Any]) -> Array:
    return array.astype(dtype) if array.dtype.kind in "fc" else array


ENGINE = ExactEngine()
