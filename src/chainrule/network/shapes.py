"""Output shapes and parameters of layers, computed without allocating memory; shapes of inputs; the summary."""

import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.core.options import plain
from chainrule.core.shapes import differ_in_ones, text
from chainrule.data.sources import SampleSource, as_array, differing_shapes
from chainrule.errors import ChannelOrderWarning, DataError, OptionError, ShapeError, quoted
from chainrule.layers import Layer, node
from chainrule.layers.base import Chain, Parameter
from chainrule.layers.node import Wiring

MAX_PARAMETERS = 2**28  # also the maximum number of a layer's outputs per sample: 1 GiB in float32
MIN_IMAGE_SIZE = 8  # pixels; smaller sizes may be numbers of channels


def shapes_and_parameters(
    layers: Sequence[Layer], wiring: Wiring, shape: Shape
) -> tuple[list[Shape], dict[str, Parameter]]:
    """Return the output shape of each layer, in order, and all parameters by full name (conv1.w).

    shape    the network's input shape
    Errors   ShapeError if a layer does not support its input shapes, or cannot share another layer's parameters
    """
    shapes = [shape]
    table = dict[str, Parameter]()
    total = 0
    hint = _order_hint(shape)
    for number, (name, layer, inputs) in enumerate(zip(wiring.names, layers, wiring.inputs, strict=True)):
        input_shapes = [shapes[index] for index in inputs]
        try:
            shapes.append(layer.joint_shape(input_shapes, name))
        except ShapeError as error:
            if hint:
                raise ShapeError(f"{error}; {hint}") from None
            raise
        if hint and 0 in inputs and type(layer).__name__.endswith("2D"):
            warnings.warn(hint, ChannelOrderWarning, stacklevel=9)  # where the model is created
        if math.prod(shapes[-1]) > MAX_PARAMETERS:
            raise ShapeError(
                f"{name} returns {text(shapes[-1])} numbers per sample; expected at most {MAX_PARAMETERS:,}"
            )
        owner = wiring.names[wiring.owners[number]]
        for parameter in layer.parameters(input_shapes[0], name):
            existing = table.setdefault(f"{owner}.{parameter.name}", parameter)
            if existing.shape != parameter.shape:
                raise ShapeError(
                    f"{name} cannot share {owner}.{parameter.name}: it is {text(existing.shape)}, "
                    f"and this input needs {text(parameter.shape)}"
                )
            if existing is parameter:
                total += math.prod(parameter.shape)
    if total > MAX_PARAMETERS:
        raise ShapeError(f"the layers have {total:,} parameters; expected at most {MAX_PARAMETERS:,}")
    return shapes[1:], table


def _order_hint(shape: Shape) -> str:
    """Return a hint if an input shape is presumably (H, W, C) or (L, C), with the channels last; otherwise ""."""
    *positions, channels = shape or (0,)
    allowed = (3, 4)
    if len(set(positions)) == 1:
        allowed = (1, 3, 4)
    if len(positions) not in (1, 2) or min(positions) < MIN_IMAGE_SIZE or channels not in allowed:
        return ""
    return (
        f"input_shape {shape} means {shape[0]} channels of {text(shape[1:])}; if the channels are last, pass "
        f"input_shape={(channels, *positions)}, and arrays as they are or as np.moveaxis(x, -1, 1)"
    )


def checked_layers(layers: Sequence[object]) -> tuple[Layer, ...]:
    """Return the layers, with custom code wrapped in `CustomLayer`; OptionError for any other object or no layers."""
    if not isinstance(plain(layers), Iterable):
        raise OptionError(f"layers {quoted(layers)}: expected a list of layers, such as [Dense(10), Softmax()]")
    flat = list[object]()
    for layer in layers:
        if isinstance(layer, Chain):
            flat += layer
        else:
            flat.append(layer)
    if not flat:
        raise OptionError("a model needs at least one layer")
    wrapped = list[Layer]()
    for number, layer in enumerate(flat, 1):
        known = layer if isinstance(layer, Layer) else _custom(layer)
        if not isinstance(known, Layer):
            raise OptionError(f"layer {number} is not a layer but {layer!r}")
        wrapped.append(known)
    return tuple(wrapped)


def _custom(thing: object) -> object:
    """Return custom code wrapped in a `CustomLayer`, and other objects unchanged."""
    from chainrule.layers.custom import CustomLayer, is_custom

    if is_custom(thing):
        return CustomLayer(thing)
    return thing


def checked_shape(value: Sequence[int]) -> Shape:
    """Convert a sample's shape to a tuple of integers; ShapeError if it is invalid or too large."""
    shape = node.checked_shape(value)
    if math.prod(shape) > MAX_PARAMETERS:
        raise ShapeError(f"input_shape {quoted(value)}: expected at most {MAX_PARAMETERS:,} numbers per sample")
    return shape


def checked_seed(seed: object) -> int:
    """Return the seed unchanged; OptionError unless it is a whole number from 0 to 2⁶³ − 1."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise OptionError(f"seed {quoted(seed)}: expected a whole number from 0 to 2⁶³ − 1")
    return seed


def input_array(x: object, shape: Shape, prefix: str = "", *, single: bool = False) -> Any:
    """Convert inputs to an array (N, *shape). A `SampleSource` of this shape is returned unchanged.

    Arrays that do not fit otherwise may have the channels last, or more or fewer axes of length 1.

    prefix   beginning of messages
    single   whether the array may be one sample
    Errors   ShapeError for any other shape; DataError for values that are not numbers
    """
    try:
        array: Any = x if isinstance(x, SampleSource) else as_array(x)
    except DataError as error:
        expected = f"{prefix}expected a batch of shape N×{text(shape)}"
        raise ShapeError(f"{expected}{_advice(x, shape) or f': {error}'}") from None
    if array.shape == (0,):  # an empty list
        array = array.reshape(0, *shape)
    if array.dtype.kind not in "fiub":
        kind = f"{type(x).__name__} ({array.dtype})"
        raise DataError(f"{prefix}expected numbers, found {kind}{_advice(x, shape)}")
    if array.shape[1:] == shape:
        return array
    return _rearranged(x, array, shape, prefix, single)


def _rearranged(x: object, array: Any, shape: Shape, prefix: str, single: bool) -> Any:
    """Return an array of another shape as a batch; see `input_array`."""
    batch = sample = None
    if not isinstance(x, SampleSource):
        batch = _reordered(array, shape)
        sample = _reordered(array[None], shape)
    if batch is None and single:
        batch = sample
    if batch is None:
        expected = f"{prefix}expected a batch of shape N×{text(shape)}"
        advice = "" if sample is None else "; for one sample pass x[None]"
        raise ShapeError(f"{expected}, found {text(array.shape) or 'a single number'}{advice}")
    return batch


def _advice(x: object, shape: Shape) -> str:
    """Describe samples of different shapes, and what to do; "" for other values."""
    description = differing_shapes(x)
    return "" if description is None else f": {description}; pad or cut them to {text(shape)}"


def _reordered(array: Array, shape: Shape) -> Array | None:
    """Return an array (N, *shape) if its channels are last, or if it differs in axes of length 1; None otherwise."""
    channels, *positions = shape
    if array.shape[1:] == shape:  # one sample
        return array
    if positions and array.shape[1:] == (*positions, channels):
        return np.moveaxis(array, -1, 1)
    if array.ndim and differ_in_ones(array.shape[1:], shape):
        return array.reshape(len(array), *shape)
    return None
