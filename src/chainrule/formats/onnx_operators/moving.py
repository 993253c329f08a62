"""Operators that move values or change shapes: nothing is computed."""

import math
from collections.abc import Sequence

import numpy as np

from chainrule.formats.assembly import permuted
from chainrule.formats.onnx_call import Array, Call, Feature, Value
from chainrule.formats.onnx_operators.windows import image, lowered


def identity(call: Call) -> Feature:
    """Return the input."""
    return call.feature()


def cast(call: Call) -> Feature:
    """Return the input where its type stays one of floats."""
    if (kind := call.integer("to", 1)) not in (1, 10, 11, 16):
        raise call.refusal(f"to {kind}, whole numbers or booleans", "a type of floats")
    return call.feature()


def whole_shape(call: Call, x: Feature, shape: Sequence[int]) -> Feature:
    """Return a value in a shape that has the batch axis; FormatError unless that stays the first."""
    if not shape or shape[0] != x.batch or math.prod(shape) != math.prod(x.shape):
        raise call.refusal(f"from {x.shape} to {tuple(shape)}", "the batch axis first, and as many entries")
    return call.reshape(x, shape[1:] or (1,)) if len(shape) > 1 else _refuse_scalar(call, x)


def _refuse_scalar(call: Call, x: Feature) -> Feature:
    raise call.refusal(f"from {x.shape} to one number for each sample without an axis", "one axis or more")


def reshape(call: Call) -> Feature:
    """Return Reshape or Flatten."""
    x = call.feature()
    wanted = call.whole_numbers(1) if call.opset >= 5 else call.integers("shape")
    return whole_shape(call, x, target_shape(call, x.shape, wanted))


def target_shape(call: Call, shape: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """Return the sizes that Reshape asks for: 0 keeps a size (unless allowzero), one −1 is what is left."""
    keeps = not call.integer("allowzero", 0)
    if wanted.count(-1) > 1 or any(size < -1 for size in wanted):
        raise call.refusal(f"shape {list(wanted)}", "sizes with at most one −1")
    sizes = [shape[place] if size == 0 and keeps and place < len(shape) else size for place, size in enumerate(wanted)]
    if -1 in sizes:
        others = math.prod(size for size in sizes if size != -1)
        if not others or math.prod(shape) % others:
            raise call.refusal(f"shape {list(wanted)} for {tuple(shape)}", "sizes that divide it")
        sizes[sizes.index(-1)] = math.prod(shape) // others
    return sizes


def flatten(call: Call) -> Feature:
    """Return Flatten; the axes before `axis` are the batch axis."""
    x = call.feature()
    axis = call.integer("axis", 1)
    axis = axis if axis == len(x.shape) else call.axis_in(axis, len(x.shape))
    return whole_shape(call, x, [math.prod(x.shape[:axis]), math.prod(x.shape[axis:])])


def squeeze(call: Call) -> Feature:
    """Return the input without axes of size 1."""
    x, axes = call.feature(), call.listed("axes", 1, 13)
    rank = len(x.shape)
    gone = {call.axis_in(axis, rank) for axis in axes} if axes else {k for k in range(1, rank) if x.shape[k] == 1}
    if any(x.shape[axis] != 1 for axis in gone) or 0 in gone:
        raise call.refusal(f"axes {sorted(gone)} of {x.shape}", "axes of size 1, not the batch axis")
    return whole_shape(call, x, [size for axis, size in enumerate(x.shape) if axis not in gone])


def unsqueeze(call: Call) -> Feature:
    """Return the input with further axes of size 1."""
    x, axes = call.feature(), call.listed("axes", 1, 13) or []
    rank = len(x.shape) + len(axes)
    new = {call.axis_in(axis, rank) for axis in axes}
    sizes = iter(x.shape)
    if len(new) != len(axes):
        raise call.refusal(f"axes {axes}", "each axis once")
    return whole_shape(call, x, [1 if axis in new else next(sizes) for axis in range(rank)])


def transpose(call: Call) -> Feature:
    """Return Permute, of axes put together where they stay neighbours."""
    x = call.feature()
    rank = len(x.shape)
    order = call.integers("perm", [*range(rank)][::-1])
    if sorted(order) != [*range(rank)] or order[0] != 0:
        raise call.refusal(f"perm {order}", f"an order of the axes 0 to {rank - 1} that begins with 0, the batch axis")
    return Feature(permuted(x.node, [axis - 1 for axis in order[1:]]), x.batch)


def concat(call: Call) -> Feature:
    """Return Concatenate."""
    inputs = [call.feature(index) for index in range(len(call.values))]
    axis = call.axis("axis", 1, len(inputs[0].shape))
    if axis == 0:
        raise call.refusal("axis 0, the batch axis", "an axis of a sample")
    return call.layer("Concatenate", *inputs, axis=axis - 1) if len(inputs) > 1 else inputs[0]


def split(call: Call) -> tuple[Value, ...]:
    """Return a Slice for each output."""
    x = call.feature()
    axis = call.axis("axis", 0, len(x.shape))
    sizes = call.listed("split", 1, 13)
    if sizes is None:
        count = len(call.operation.outputs)
        each = -(-x.shape[axis] // count)
        sizes = [min(each, x.shape[axis] - each * place) for place in range(count)]
    if sum(sizes) != x.shape[axis] or min(sizes) < 1 or len(sizes) != len(call.operation.outputs):
        raise call.refusal(f"sizes {sizes} of {x.shape[axis]}", "sizes above 0 that add up to it")
    ends = np.cumsum(sizes).tolist()
    return tuple(part(call, x, axis, end - size, end) for size, end in zip(sizes, ends, strict=True))


def part(call: Call, x: Feature, axis: int, start: int, stop: int) -> Feature:
    """Return the entries from `start` to `stop` of an axis, counted with the batch axis."""
    if (start, stop) == (0, x.shape[axis]):
        return x
    if axis == 0:
        raise call.refusal("a part of the batch axis", "an axis of a sample")
    if not 0 <= start < stop <= x.shape[axis]:
        raise call.refusal(f"entries {start} to {stop} of {x.shape[axis]}", "one entry or more")
    return call.layer("Slice", x, axis=axis - 1, start=start, stop=stop)


def slice_axes(call: Call) -> Feature:
    """Return a Slice for each axis that is cut."""
    x = call.feature()
    rank = len(x.shape)
    starts, ends = (call.listed(name, index, 10) or [] for index, name in ((1, "starts"), (2, "ends")))
    axes = call.listed("axes", 3, 10) or [*range(len(starts))]
    steps = call.whole_numbers(4) if call.opset >= 10 and call.has(4) else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise call.refusal(f"starts {starts}, ends {ends}, axes {axes}, steps {steps}", "as many of each")
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        place = call.axis_in(axis, rank)
        if step != 1 and x.shape[place] > 1:
            raise call.refusal(f"a step of {step}", "1")
        first, last, _ = slice(start, end).indices(x.shape[place])
        x = part(call, x, place, first, last)
    return x


def gather(call: Call) -> Feature:
    """Return a Slice for one number, or for neighbouring ones, along an axis."""
    x, found = call.feature(), call.constant(1)
    axis = call.axis("axis", 0, len(x.shape))
    numbers = [int(each) % x.shape[axis] for each in found.reshape(-1)[:4096]]
    if found.ndim > 1 or not numbers or numbers != [*range(numbers[0], numbers[0] + found.size)]:
        raise call.refusal(f"entries {numbers[:5]} of axis {axis}", "one number, or neighbouring ones")
    y = part(call, x, axis, numbers[0], numbers[-1] + 1)
    return y if found.ndim else whole_shape(call, y, [*y.shape[:axis], *y.shape[axis + 1 :]])


def pad(call: Call) -> Feature:
    """Return Pad2D, and Crop2D for negative numbers."""
    x = call.feature()
    rank = len(x.shape)
    pads = call.listed("pads", 1, 11) or call.integers("paddings", [])
    value = _pad_value(call)
    axes = call.whole_numbers(3) if call.opset >= 18 and call.has(3) else [*range(rank)]
    if len(pads) != 2 * len(axes):
        raise call.refusal(f"pads {pads}", f"{2 * len(axes)} numbers")
    ends = [(0, 0)] * rank
    for place, axis in enumerate(axes):
        ends[call.axis_in(axis, rank)] = (pads[place], pads[place + len(axes)])
    if not any(map(any, ends)):
        return x
    if (mode := call.text("mode", "constant")) != "constant" or value:
        raise call.refusal(f"mode {mode!r}, value {value}", "zeros")
    if any(map(any, ends[:2])) or rank not in (3, 4):
        raise call.refusal(f"pads {pads} of {rank} axes", "zeros around the positions of (N, C, H, W) or (N, C, W)")
    sides = ((0, 0),) * (4 - rank) + tuple(ends[2:])
    y = image(call, x)
    for kind, option, sign in (("Crop2D", "cropping", -1), ("Pad2D", "padding", 1)):
        amounts = tuple(tuple(max(sign * end, 0) for end in side) for side in sides)
        y = call.layer(kind, y, **{option: amounts}) if any(map(any, amounts)) else y
    return lowered(call, y, x)


def _pad_value(call: Call) -> float:
    if call.opset < 11:
        return call.real("value", 0.0)
    given: Array | None = call.constant(2) if call.has(2) else None
    return float(given.reshape(-1)[0]) if given is not None and given.size else 0.0


OPERATORS = {
    "Identity": identity,
    "Cast": cast,
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "Concat": concat,
    "Split": split,
    "Slice": slice_axes,
    "Gather": gather,
    "Pad": pad,
}
