"""What every forward operation computes, by NumPy and SciPy, or by an operator of ONNX, for all its attributes.

ONNX Runtime computes operators in float64 where it can, and else in float32.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from engines.operation_cases import parameters
from numpy.typing import NDArray
from operations.reference.splitmix import splitmix64
from operations.written import computed, docstring
from scipy import special

from chainrule.layers import PEERED
from chainrule.operations import definitions, reference

Array = NDArray[Any]
IR_VERSION, OPSET = 9, 20
DOUBLE = ("sigmoid", "tanh", "relu", "softmax", "log_softmax")  # operators that ONNX Runtime has in float64
SINGLE = {kind.kind for kind in PEERED if kind.peers.onnx} - {*DOUBLE}
SINGLE |= {"cross_correlate", "average_pool", "local_response_norm"}


def onnx(operator: str, *arrays: Array, outputs: int = 1, **attributes: Any) -> Any:
    """Return the results of an operator of ONNX by ONNX Runtime."""
    helper, runtime = pytest.importorskip("onnx").helper, pytest.importorskip("onnxruntime")
    inputs, results = {f"x{place}": array for place, array in enumerate(arrays)}, [f"y{n}" for n in range(outputs)]
    kinds = {name: helper.np_dtype_to_tensor_dtype(array.dtype) for name, array in inputs.items()}
    graph = helper.make_graph(
        [helper.make_node(operator, [*inputs], results, **attributes)],
        operator,
        [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()],
        [helper.make_empty_tensor_value_info(name) for name in results],
    )
    model = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return tuple(session.run(None, inputs))


def of_channels(values: Array, x: Array) -> Array:
    """Return one number for each channel, or for each element, with the axes of x after the first."""
    return values if values.ndim == x.ndim - 1 else values.reshape(-1, *(1,) * (x.ndim - 2))


def windows(padding: Any, stride: Any) -> dict[str, Any]:
    """Return attributes of ONNX: all paddings before, then all after."""
    return {"pads": [end for ends in zip(*padding, strict=True) for end in ends], "strides": stride}


def cross_correlate(x: Array, w: Array, b: Any, *, flip: bool, dilation: Any, groups: int, **options: Any) -> Array:
    turned = w[:, :, ::-1, ::-1].copy() if flip else w
    (y,) = onnx("Conv", x, turned, **windows(**options), dilations=dilation, group=groups)
    return y if b is None else y + of_channels(b, x)


def max_pool(x: Array, *, window: Any, **options: Any) -> tuple[Array, Array]:
    y, places = onnx("MaxPool", x, outputs=2, kernel_shape=window, **windows(**options))
    return y, (places % math.prod(x.shape[2:])).astype(np.int32)  # ONNX counts across all planes


def average_pool(x: Array, *, window: Any, divisor: str, **options: Any) -> Array:
    count = int(divisor != "cells")
    (y,) = onnx("AveragePool", x, kernel_shape=window, count_include_pad=count, **windows(**options))
    return y * math.prod(window) if divisor == "one" else y


def resample(x: Array, *, outputs: Any, mode: str, lines: Any) -> Array:
    """Compute one axis after the other: means of cells, or values at the positions (a·i + b)/c."""
    dtype = x.dtype
    for axis, count, line in zip((2, 3), outputs, lines, strict=True):
        size, places = x.shape[axis], np.arange(count)
        if mode == "average":
            cells = [range(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
            x = np.stack([x.take(cell, axis).mean(axis) for cell in cells], axis)
            continue
        a, b, c = line if any(line) else (2 * size, (size - count) * (mode == "bilinear"), 2 * count)
        if mode == "nearest":
            x = x.take(np.clip((a * places + b) // c, 0, size - 1), axis)
        else:
            x = np.apply_along_axis(lambda row, at: np.interp(at, range(len(row)), row), axis, x, (a * places + b) / c)
    return x.astype(dtype)


def normalized(x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, *, epsilon: float) -> Array:
    mean, variance, gamma, beta = (of_channels(values, x) for values in (mean, variance, gamma, beta))
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def batch_norm(x: Array, gamma: Array, beta: Array, *, epsilon: float) -> tuple[Array, Array, Array]:
    others = (0, *range(2, x.ndim))
    mean, variance = x.mean(others), x.var(others)
    return normalized(x, gamma, beta, mean, variance, epsilon=epsilon), mean, variance


def group_norm(x: Array, gamma: Array, beta: Array, *, groups: int, shared: bool, epsilon: float) -> Any:
    rows = x.reshape(len(x), groups, -1)
    mean, variance = rows.mean(2), rows.var(2)
    normal = ((rows - mean[..., None]) / np.sqrt(variance[..., None] + epsilon)).reshape(x.shape)
    gamma, beta = (of_channels(np.tile(values, groups if shared else 1), x) for values in (gamma, beta))
    return gamma * normal + beta, mean, variance


def running_statistics(mean: Array, variance: Array, *old: Array, momentum: float, count: int) -> tuple[Array, ...]:
    batch = mean, variance * count / max(count - 1, 1)
    return tuple(momentum * new + (1 - momentum) * before for new, before in zip(batch, old, strict=True))


def dropout(x: Array, *, rate: float, first: int, seed: int, stream: int, step: int) -> Array:
    """Draw the mask with SplitMix64 in Python integers."""
    kept = [splitmix64(seed, stream, step, first + n, e) >= rate for n in range(len(x)) for e in range(x[0].size)]
    return np.where(np.reshape(kept, x.shape), x / (1 - rate), 0).astype(x.dtype)


def clipped(p: Array, most: float = 1.0) -> Array:
    return np.clip(p, np.finfo(p.dtype).eps, most)


def of_shares(p: Array, t: Array, gamma: float) -> Array:
    """Return the mean of t (1 − p)^γ log(p) + (1 − t) p^γ log(1 − p), with the sign changed."""
    q = clipped(p, 1 - np.finfo(p.dtype).eps)
    return -(t * (1 - q) ** gamma * np.log(q) + (1 - t) * q**gamma * np.log(1 - q)).mean(1)


def of_logits(z: Array, t: Array, gamma: float) -> Array:
    """Return the same for p = σ(z), by logarithms of e^z + 1."""
    yes, no = (special.expit(x) ** gamma * np.logaddexp(0, x) for x in (-z, z))
    return (t * yes + (1 - t) * no).mean(1)


def of_classes(logarithms: Array, probabilities: Array, t: Array, gamma: float) -> Array:
    return -(t * (1 - probabilities) ** gamma * logarithms).sum(1)


def huber(p: Array, t: Array) -> Array:
    """Integrate the slope: the parts of the error within and beyond 1."""
    size = np.abs(p - t)
    within = np.minimum(size, 1)
    return (size - within + within**2 / 2).mean(1)


def dice(p: Array, t: Array) -> Array:
    p, t = (array.reshape(*array.shape[:2], -1) for array in (p, t))
    return 1 - ((2 * (p * t).sum(2) + 1) / ((p + t).sum(2) + 1)).mean(1)


def written_update(name: str) -> Callable[..., Any]:
    """Return the oracle of an update: the equations of its docstring."""

    def update(*arrays: Array, **options: Any) -> Any:
        letters, states = definitions.entries()["update"]["letters"], parameters(name)
        known = {letter: options[option] for letter, option in letters.items() if option in options}
        known |= options | dict(zip(states, arrays, strict=True))
        results = computed(docstring(name), known, nesterov=options.get("nesterov", False))
        return tuple(results[state][-1] for state in states if state != "g")

    return update


def _peer(operator: Any) -> Callable[..., Any]:
    """Return the oracle of an operation whose layer declares an ONNX operator; parameters are those of channels."""
    return lambda x, *parameters, **options: onnx(
        operator.name, x, *(of_channels(values, x) for values in parameters), **operator.translated(options)
    )


ORACLES: dict[str, Callable[..., Any]] = {
    **{kind.kind: _peer(kind.peers.onnx) for kind in PEERED if kind.peers.onnx},
    **{name: written_update(name) for name in reference.__all__ if name.endswith("_update")},
    "add": np.add,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "add_bias": lambda x, b: x + of_channels(b, x),
    "average_pool": average_pool,
    "batch_norm": batch_norm,
    "batch_norm_inference": normalized,
    "binary_cross_entropy": lambda p, t: of_shares(p, t, 0),
    "binary_focal_cross_entropy": lambda p, t: of_shares(p, t, 2),
    "broadcast": lambda x, shape: np.broadcast_to(x, (len(x), *shape)),
    "categorical_cross_entropy": lambda p, t: of_classes(np.log(clipped(p)), p, t, 0),
    "categorical_focal_cross_entropy": lambda p, t: of_classes(np.log(clipped(p)), clipped(p), t, 2),
    "clip": lambda x, low, high: np.clip(x, low, high),
    "clip_factor": lambda norm, limit: np.minimum(limit / (norm + 1e-6), 1),
    "concatenate": lambda *parts, axis: np.concatenate(parts, axis + 1),
    "constant": lambda x, b: np.broadcast_to(b, (len(x), len(b))),
    "correct": lambda p, t: (p.argmax(1) == t.argmax(1)).astype(p.dtype),
    "correct_labels": lambda p, t: ((p >= 0.5) == (t >= 0.5)).mean(1, p.dtype),
    "crop": lambda x, before, after: x[:, *(slice(b, -a or None) for b, a in zip(before, after, strict=True))],
    "cross_correlate": cross_correlate,
    "dense": lambda x, w, b: x @ w.T if b is None else x @ w.T + b,
    "dice": dice,
    "dropout": dropout,
    "equal": lambda a, b: np.equal(a, b).astype(a.dtype),
    "fake_quantize": lambda x, scale, zero, low, high: scale * (np.clip(np.round(x / scale) + zero, low, high) - zero),
    "gather": lambda x, i: x[:, [int(index) if 0 <= index < x.shape[1] else 0 for index in i]],
    "greater": lambda a, b: np.greater(a, b).astype(a.dtype),
    "group_norm": group_norm,
    "half_squared_error": lambda p, t: ((p - t) ** 2).sum(1) / 2,
    "heaviside": lambda x: np.heaviside(x, np.zeros_like(x)),
    "huber": huber,
    "local_response_norm": lambda x, k, **options: onnx("LRN", x, bias=k, **options),
    "max_pool": max_pool,
    "mean_absolute_error": lambda p, t: np.abs(p - t).mean(1),
    "mean_squared_error": lambda p, t: ((p - t) ** 2).mean(1),
    "exp_poisson": lambda z, t: (np.exp(z) - t * z).mean(1),
    "poisson": lambda p, t: (p - t * np.log(clipped(p, np.inf))).mean(1),
    "quantile": lambda p, t, level: (np.abs(t - p) / 2 + (level - 0.5) * (t - p)).mean(1),
    "pad": lambda x, before, after: np.pad(x, [(0, 0), *zip(before, after, strict=True)]),
    "permute": lambda x, axes: x.transpose(0, *(axis + 1 for axis in axes)),
    "resample": resample,
    "rescaling": lambda x, scale, shift: scale * x + shift,
    "running_statistics": running_statistics,
    "sigmoid_cross_entropy": lambda z, t: of_logits(z, t, 0),
    "sigmoid_focal_cross_entropy": lambda z, t: of_logits(z, t, 2),
    "silu": lambda x: x * special.expit(x),
    "softmax_cross_entropy": lambda z, t: of_classes(special.log_softmax(z, 1), special.softmax(z, 1), t, 0),
    "softmax_focal_cross_entropy": lambda z, t: of_classes(special.log_softmax(z, 1), special.softmax(z, 1), t, 2),
    "where": lambda test, a, b: np.where(test, a, b),
}
