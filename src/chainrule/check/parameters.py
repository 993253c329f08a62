"""Detect parameters of a learner's object by their effect on the output, and convert between array layouts.

A learner's layout may differ from this library's: weights may be transposed, and biases may be columns.
"""

import copy
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from chainrule.check.derivatives import Derivative
from chainrule.custom.held_arrays import squeezed
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError

WEIGHTS = ("w", "weight", "weights", "b", "bias")  # scalars with these names are parameters, not options


def influential_arrays(learner_layer: LearnerLayer, x: Array, excluded: Collection[str] = ()) -> tuple[str, ...]:
    """Return the arrays of a learner's layer that affect its output for x, except those in ``excluded``.

    Arrays that forward assigns (a stored input, a buffer) have no effect. Scalars are treated as options, such as a
    slope, unless they are named like a weight. Arrays are perturbed from their own values and from random values,
    because a kernel has no effect if the next kernel is zero.
    """
    copied = copy.deepcopy(learner_layer)
    arrays = dict[str, Array]()
    for name in copied.array_names():
        if name not in excluded:
            value = _value(copied, name)
            if value is not None:
                arrays[name] = value
    if not arrays:
        return ()
    names = _find_influential(copied, x, arrays)
    generator = np.random.default_rng(0)
    drawn = dict[str, Array]()
    for name, value in arrays.items():
        if value.dtype.kind == "f":
            drawn[name] = generator.normal(size=value.shape)
    try:
        for name, value in drawn.items():
            copied.put(name, value)
        names |= _find_influential(copied, x, drawn)
    except StudentError:  # the code does not support random values
        pass
    return tuple(name for name in arrays if name in names)


def _value(learner_layer: LearnerLayer, name: str) -> Array | None:
    """Return the array with this name if it may be a parameter, otherwise None."""
    value = learner_layer.copy_of(name)
    if value is None or value.size == 0 or value.dtype.kind == "c":
        return None
    if value.ndim == 0 and (name.rpartition(".")[2].strip("_").lower() not in WEIGHTS or value.dtype.kind != "f"):
        return None
    return value


def _find_influential(learner_layer: LearnerLayer, x: Array, arrays: dict[str, Array]) -> set[str]:
    """Return the names of arrays that affect the output when changed one at a time."""
    before = learner_layer.forward(x)
    influential_names: set[str] = set()
    for name, value in arrays.items():
        try:
            learner_layer.put(name, 1.1 * value + 0.1)
            after = learner_layer.forward(x)
            has_effect = after.shape != before.shape or not np.array_equal(after, before, equal_nan=True)
        except StudentError:
            has_effect = value.dtype.kind == "f"  # sizes and indices must stay integers
        if has_effect:
            influential_names.add(name)
        learner_layer.put(name, value)
    return influential_names


def gradient_of(
    learner_layer: LearnerLayer, name: str, derivative: Derivative, excluded: Collection[str]
) -> str | None:
    """Return the name of the array that equals a parameter's derivative after backward, or None if there is none.

    A zero derivative identifies nothing, because it equals every array of zeros.
    """
    parameter = learner_layer.copy_of(name)
    scale = derivative.size
    for other in learner_layer.array_names():
        candidate = learner_layer.copy_of(other)
        if (
            other in excluded
            or other == name
            or parameter is None
            or candidate is None
            or candidate.shape != parameter.shape
            or scale == 0
        ):
            continue
        gaps = np.abs(candidate.reshape(-1)[derivative.indices] - derivative.gradient)
        if (gaps <= derivative.tolerance * scale + derivative.error_bounds + derivative.kink_widths).all():
            return other
    return None


@dataclass(frozen=True)
class ArrayLayout:
    """The layout of an array in a learner's code: axes in another order, then another shape.

    axes      this library's axes in the learner's order; None if the order is the same
    shape     the learner's shape, with −1 for the batch; None if it follows from the axes
    squeezed  axes of length 1 that the learner's array lacks, after reordering
    expanded  positions of additional axes of length 1 in the learner's array
    """

    axes: tuple[int, ...] | None = None
    shape: tuple[int, ...] | None = None
    squeezed: tuple[int, ...] = ()
    expanded: tuple[int, ...] = ()

    def to_learner(self, array: Array) -> Array:
        """Convert an array of this library to the learner's layout."""
        converted = array
        if self.axes is not None:
            converted = array.transpose(self.axes)
        converted = np.expand_dims(np.squeeze(converted, self.squeezed), self.expanded)
        if self.shape is not None:
            converted = converted.reshape(self.shape)
        return np.ascontiguousarray(converted)

    def to_library(self, array: Array, shape: tuple[int, ...]) -> Array:
        """Convert a learner's array to this library's layout. If its size does not match, it is returned unchanged."""
        if array.size != np.prod(shape, dtype=int):
            return array
        if self.axes is None:
            return array.reshape(shape)
        return array.reshape([shape[axis] for axis in self.axes]).transpose(np.argsort(self.axes))

    def flat_indices(self, shape: tuple[int, ...]) -> Array:
        """Return, for every element of the learner's array, its flat index in this library's array of this shape."""
        flat: Array = np.arange(math.prod(shape))
        return self.to_learner(flat.reshape(shape))


SAME = ArrayLayout()
TRANSPOSED = ArrayLayout((1, 0))
CHANNELS_LAST, NO_CHANNELS = ArrayLayout((0, 2, 3, 1)), ArrayLayout(squeezed=(1,))  # batches of images
CHANNELS_LAST_1D = ArrayLayout((0, 2, 1))
COLUMN, ROW = ArrayLayout(expanded=(2,)), ArrayLayout(expanded=(1,))  # batches of vectors
# Orders of the axes of weights (C_out, C_in) and of kernels (C_out, C_in, KH, KW), by number of axes
ORDERS = {2: ((1, 0),), 3: ((2, 1, 0), (1, 0, 2)), 4: ((2, 3, 1, 0), (0, 2, 3, 1), (1, 0, 2, 3), (1, 2, 3, 0))}


def layouts_between(shape: tuple[int, ...], learner_shape: tuple[int, ...]) -> Iterator[ArrayLayout]:
    """Yield the layouts that convert this library's shape to the learner's, beginning with the most usual one.

    A layout may transpose matrices, reorder the axes of kernels, and add or remove axes of length 1.
    """
    for axes in (None, *ORDERS.get(len(shape), ())):
        reordered = shape
        if axes is not None:
            reordered = tuple(shape[axis] for axis in axes)
        if reordered == learner_shape:
            yield ArrayLayout(axes)
        elif squeezed(reordered) == squeezed(learner_shape):
            yield ArrayLayout(axes, learner_shape)


def parameter_layouts(shape: tuple[int, ...]) -> list[ArrayLayout]:
    """Return the usual layouts of a parameter, beginning with this library's."""
    if len(shape) == 1:
        return [ArrayLayout(expanded=axes) for axes in ((), (1,), (0,), (0, 1, 2), (1, 2), (0, 2, 3))]
    return [ArrayLayout(axes) for axes in (None, *ORDERS.get(len(shape), ()))]


def output_layouts(shape: tuple[int, ...], learner_shape: tuple[int, ...]) -> Iterator[ArrayLayout]:
    """Yield the layouts of a batch of outputs that convert this library's shape to the learner's."""
    last = {3: CHANNELS_LAST_1D, 4: CHANNELS_LAST}.get(len(shape))
    if last:
        candidates = [SAME, last]
    else:
        candidates = [SAME, COLUMN, ROW]
    if len(shape) == 4 and shape[1] == 1:
        candidates += [NO_CHANNELS]
    for layout in candidates:
        if layout.to_learner(np.empty(shape)).shape == learner_shape:
            yield layout


def arrays_to_learner(layouts: Mapping[str, ArrayLayout], values: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays by name, converted to the learner's layouts."""
    return {name: layouts[name].to_learner(value) if name in layouts else value for name, value in values.items()}
