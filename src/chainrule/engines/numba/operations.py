"""Which kernel computes which operation, and the shapes of what it writes.

A kernel gets the arrays it reads, the arrays it writes, and its attributes, in the order of its signature. What it
writes is overwritten, but for gradients of parameters, to which it adds: blocks of a batch are summed that way.
Updates write no arrays of their own: they work in place on what they read, the gradient aside.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.numba import (
    activations,
    bias,
    convolution,
    dense,
    dropout,
    filters,
    losses,
    normalization,
    pooling,
    updates,
)
from chainrule.engines.numba.tiles import lanes
from chainrule.shapes import output_size

Array = NDArray[Any]
Shapes = list[tuple[int, ...]]
Shaper = Callable[[Sequence[Any], Mapping[str, Any]], Shapes]


@dataclass(frozen=True)
class KernelOf:
    """An operation's kernel: where it is, how many arrays it reads, and the shapes of its results.

    shapes  (arrays, attributes) → a shape for each array it writes
    """

    name: str
    module: Any
    shapes: Shaper

    @property
    def kernel(self) -> Any:
        """The compiled function."""
        return getattr(self.module, self.name)

    @cached_property
    def signature(self) -> inspect.Signature:
        """The signature of the function that was compiled."""
        return inspect.signature(self.kernel.py_func)

    @cached_property
    def _defaults(self) -> list[tuple[str, Any]]:
        return [(parameter.name, parameter.default) for parameter in self.signature.parameters.values()]

    def arguments(self, arrays: int, attributes: Mapping[str, Any]) -> list[Any]:
        """The attributes in the order of the signature, after so many arrays; its default where one is not given."""
        return [_encoded(attributes.get(name, default)) for name, default in self._defaults[arrays:]]


def _encoded(value: Any) -> Any:
    """Names as their number, since kernels know no strings."""
    return pooling.DIVISORS.index(value) if isinstance(value, str) else value


def _windows(x: Array, attributes: Mapping[str, Any]) -> tuple[int, int]:
    """H' and W' of a pooled picture."""
    window = attributes["window"]
    stride = attributes.get("stride") or window
    padding = attributes.get("padding", ((0, 0), (0, 0)))
    sizes = [output_size(*axis) for axis in zip(x.shape[2:], window, stride, padding, strict=True)]
    return sizes[0], sizes[1]


def _correlated(x: Array, w: Array, attributes: Mapping[str, Any]) -> tuple[int, ...]:
    stride, dilation = attributes.get("stride", (1, 1)), attributes.get("dilation", (1, 1))
    padding = attributes.get("padding", ((0, 0), (0, 0)))
    axes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    return (x.shape[0], w.shape[0], *(output_size(*axis) for axis in axes))


def _like(*places: int) -> Shaper:
    """Results shaped like some of the arrays that are read."""
    return lambda arrays, attributes: [arrays[place].shape for place in places]


def _table(module: Any, shapes: Shaper, names: str) -> dict[str, KernelOf]:
    return {name: KernelOf(name, module, shapes) for name in names.split()}


LOSSES = [name.removesuffix("_dp") for name in vars(losses) if name.endswith("_dp")]

KERNELS: dict[str, KernelOf] = {
    **_table(convolution, lambda a, k: [_correlated(a[0], a[1], k)], "cross_correlate"),
    **_table(
        convolution,
        lambda a, k: [(a[0].shape[0], a[1].shape[1] * k.get("groups", 1), *k["size"])],
        "cross_correlate_dx",
    ),
    **_table(
        convolution,
        lambda a, k: [(a[1].shape[1], a[0].shape[1] // k.get("groups", 1), *k["kernel"])],
        "cross_correlate_dw",
    ),
    "correlate_filters": KernelOf("correlate_filters", filters, lambda a, k: [_correlated(a[0], a[1], k)]),
    **_table(filters, lambda a, k: [(a[0].shape[0], a[1].shape[1], *k["size"])], "correlate_filters_dx"),
    **_table(filters, lambda a, k: [(a[1].shape[1], a[0].shape[1], *k["kernel"])], "correlate_filters_dw"),
    **_table(bias, _like(0), "add_bias"),
    **_table(bias, lambda a, k: [a[0].shape[1:] if k.get("untied") else a[0].shape[1:2]], "bias_gradient"),
    **_table(pooling, lambda a, k: [(*a[0].shape[:2], *_windows(a[0], k))] * 2, "max_pool"),
    **_table(pooling, lambda a, k: [(*a[0].shape[:2], *_windows(a[0], k))], "average_pool"),
    **_table(pooling, lambda a, k: [(*a[0].shape[:2], *k["size"])], "max_pool_dx average_pool_dx"),
    **_table(dense, lambda a, k: [(a[0].shape[0], a[1].shape[0])], "dense"),
    **_table(dense, lambda a, k: [(a[0].shape[0], a[1].shape[1])], "dense_dx"),
    **_table(dense, lambda a, k: [(a[1].shape[1], a[0].shape[1])], "dense_dw"),
    **_table(activations, _like(0), "sigmoid tanh arctan relu leaky_relu gelu softmax"),
    **_table(activations, _like(0), "sigmoid_dx tanh_dx arctan_dx relu_dx leaky_relu_dx gelu_dx softmax_dx"),
    **_table(losses, lambda a, k: [a[0].shape[:1]], " ".join([*LOSSES, "correct", "correct_labels", "absolute_error"])),
    **_table(losses, _like(0), " ".join(f"{name}_dp" for name in LOSSES)),
    **_table(normalization, _like(0, 1, 1), "batch_norm"),
    **_table(normalization, _like(0), "batch_norm_dx batch_norm_inference"),
    **_table(normalization, _like(2, 2), "batch_norm_dw running_statistics"),
    **_table(dropout, _like(0), "dropout"),
    **_table(updates, _like(), "sgd_update momentum_update rmsprop_update adam_update"),
}


def fitting(name: str, arrays: Sequence[Any], attributes: Mapping[str, Any], itemsize: int) -> str:
    """The name of the kernel for an operation on arrays of such shapes: `filters` has those whose filters fill vectors.

    Of an input gradient, the channels do, and there is one phase.
    """
    if not name.startswith("cross_correlate") or attributes.get("groups", 1) > 1:
        return name
    whole = name.endswith("_dx") and tuple(attributes.get("stride", (1, 1))) != (1, 1)
    side_by_side = {
        "cross_correlate": lambda: arrays[1].shape[0],
        "cross_correlate_dx": lambda: arrays[1].shape[1],
        "cross_correlate_dw": lambda: arrays[1].shape[-3],
    }[name]()
    if whole or side_by_side % lanes(itemsize):
        return name
    return name.replace("cross_correlate", "correlate_filters")


def shared(name: str, shape: tuple[int, ...], itemsize: int) -> tuple[tuple[str, str], int, int]:
    """How threads share an operation on one picture, whose result has this shape: the arguments that say which part a
    thread has (from, to), the number of parts, and how many of what the arguments count a part has.

    Filters or rows of a dense layer; but where filters fill vectors, each thread needs two of them for full tiles.
    Where there are not that many, threads share the rows of the result.
    """
    if name != "correlate_filters":
        return ("first", "last"), shape[0], 1
    tall = 2 * lanes(itemsize)
    if shape[0] % tall == 0 and shape[0] > tall:
        return ("lowest", "highest"), shape[0] // tall, tall
    return ("first", "last"), shape[1], 1


def call(name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
    """Run one operation by itself: results are allocated, inputs made contiguous.

    What is read-only is copied: to numba it is of another type, for which every kernel would be compiled again.
    """
    given = [None if array is None else np.require(array, requirements=("C", "W")) for array in arrays]
    known = {key: value for key, value in attributes.items() if value is not None}
    if "window" in known:
        known.setdefault("stride", known["window"])
    dtype = next(array.dtype for array in given if array is not None and array.dtype.kind == "f")
    entry = KERNELS[fitting(name, given, known, dtype.itemsize)]
    results = [np.zeros(shape, dtype) for shape in entry.shapes(given, known)]
    if not results:
        return _updated(entry, given, known)
    if name == "max_pool":
        results[1] = np.zeros(results[1].shape, np.int32)
    flat = [_flat_bias(name, place, array) for place, array in enumerate(given)]
    written = [result.reshape(-1) if name == "bias_gradient" else result for result in results]
    entry.kernel(*flat, *written, *entry.arguments(len(flat) + len(written), known))
    return tuple(results)


def _updated(entry: KernelOf, given: list[Array | None], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
    """Updates work in place: on copies, here. The gradient is the second of what they read."""
    arrays = [np.array(array) for array in given]
    entry.kernel(*arrays, *entry.arguments(len(arrays), attributes))
    return (arrays[0], *arrays[2:])


def _flat_bias(name: str, place: int, array: Array | None) -> Array | None:
    """Biases are passed flat, so that tied and untied ones are the same kernel."""
    is_bias = (name, place) in (("cross_correlate", 2), ("add_bias", 1))
    return array.reshape(-1) if is_bias and array is not None else array
