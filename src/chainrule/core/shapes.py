"""Output sizes, padding rules and checks of shape arguments.

Functions for one axis have these arguments:

size       number of elements of the image along the axis
padding    numbers of zeros (before, after) the elements
window     number of elements of the window along the axis, called taps
dilation   distance between adjacent taps
stride     distance between adjacent positions of the window
"""

from collections.abc import Iterable, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

from chainrule.errors import OptionError, ShapeError, quoted, unknown_name

if TYPE_CHECKING:
    from chainrule.core.arrays import Shape

Pair: TypeAlias = tuple[int, int]
Padding: TypeAlias = tuple[Pair, Pair]
Ends: TypeAlias = tuple[int, ...]  # number of elements at the start or the end of each axis of a sample
PaddingLike: TypeAlias = str | int | Sequence[int | Sequence[int]]


NO_PADDING: Padding = ((0, 0), (0, 0))
PADDING_RULES = ("valid", "same", "full")
MAX_INT32 = 2**31 - 1  # maximum size, stride, dilation, padding or quantized number


def is_whole(value: object, least: int = -MAX_INT32) -> bool:
    """Return whether a value is an integer from ``least`` to `MAX_INT32`, and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MAX_INT32


def is_number(value: object) -> bool:
    """Return whether a value is a real number, and not a bool."""
    return not isinstance(value, bool) and isinstance(value, Real)


def is_repeatable(shape: Sequence[int], whole: Sequence[int]) -> bool:
    """Return whether a shape has as many axes as another, each of the same size or of size 1."""
    return len(shape) == len(whole) and all(size in (1, full) for size, full in zip(shape, whole, strict=True))


def expected_integer(value: object, least: int) -> str:
    """Describe the values accepted by `is_whole`, for an error message."""
    if isinstance(value, int) and value > MAX_INT32:
        return f"at most {MAX_INT32}"
    return f"a whole number of at least {least}"


def extent(window: int, dilation: int = 1) -> int:
    """Return the extent of a dilated window from its first to its last tap: d(K − 1) + 1."""
    return dilation * (window - 1) + 1


def output_size(size: int, window: int, stride: int = 1, padding: Pair = (0, 0), dilation: int = 1) -> int:
    """Return the number of window positions: H' = ⌊(H + p_before + p_after − d(K − 1) − 1) / s⌋ + 1.

    Source   VanillaCNN eq. 4 (s = 1, p = 0) and 5 (p = K − 1); Venchislaw eq. 1–2; numpy-cnn eq. 28
    """
    return (size + padding[0] + padding[1] - extent(window, dilation)) // stride + 1


def ceil_padding(size: int, window: int, stride: int, padding: Pair) -> Pair:
    """Increase the padding at the end so that the last window fits although it extends beyond the image.

    The number of windows is thus rounded up instead of down, as in PyTorch's ceil_mode. A window that would start after
    the end of the image is not counted.
    """
    before, after = padding
    outputs = -((window - size - before - after) // stride) + 1
    outputs -= (outputs - 1) * stride >= size + before
    return (before, max(after, (outputs - 1) * stride + window - size - before))


def transposed_size(size: int, window: int, stride: int = 1, padding: Pair = (0, 0), dilation: int = 1) -> int:
    """Return the smallest input size of a cross-correlation with ``size`` outputs: s(H − 1) + d(K − 1) + 1 − p."""
    return stride * (size - 1) + extent(window, dilation) - padding[0] - padding[1]


def axis_padding(rule: str, size: int, window: int, stride: int = 1, dilation: int = 1) -> Pair:
    """Return the zeros before and after one axis for a named rule.

    valid   no padding
    same    enough for ⌈size/stride⌉ outputs; if the number of zeros is odd, the additional one is at the end
    full    the window's extent minus 1 on either side, so that every tap covers every element
    """
    if rule == "valid":
        return (0, 0)
    if rule == "full":
        reach = extent(window, dilation) - 1
        return (reach, reach)
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + extent(window, dilation) - size, 0)
    return (total // 2, total - total // 2)


def resolve_padding(
    name: str,
    padding: PaddingLike,
    size: Sequence[int],
    window: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> tuple[Pair, ...]:
    """Return the padding of each axis as (before, after).

    name      name of the layer and of the option, for messages
    padding   a rule, a number, one number per axis, or one pair per axis
    """
    if not isinstance(padding, str):
        return resolve_ends(name, padding, len(size))
    if padding not in PADDING_RULES:
        known = ", ".join(PADDING_RULES)
        raise OptionError(f"{name} {quoted(padding)}: expected {known}, a number, a pair, or a pair of pairs")
    resolved = list[Pair]()
    for axis in zip(size, window, stride, dilation, strict=True):
        resolved.append(axis_padding(padding, *axis))
    return tuple(resolved)


def resolve_ends(name: str, value: int | Sequence[int | Sequence[int]], axes: int) -> tuple[Pair, ...]:
    """Return (before, after) for each axis from a number, one number per axis, or one pair per axis.

    Errors   OptionError for any other value
    """
    entries: list[Any] = list(value) if isinstance(value, list | tuple) else [value] * axes
    if len(entries) != axes:
        raise OptionError(f"{name} {quoted(value)} has {len(entries)} entries for {axes} axes")
    ends = list[Pair]()
    for entry in entries:
        before, after = per_axis(name, entry, 2, 0)
        ends.append((before, after))
    return tuple(ends)


def per_axis(name: str, value: int | Sequence[int], axes: int, least: int = 1) -> "Shape":
    """Return one integer per axis, each at least ``least``, from an integer or a sequence."""
    values: tuple[Any, ...] = tuple(value) if isinstance(value, list | tuple) else (value,) * axes
    if not _are_whole(values, axes, least):
        raise OptionError(f"{name} {quoted(value)}: expected {expected_integer(value, least)}, or {axes} of them")
    return values


def _are_whole(values: Sequence[object], count: int, least: int) -> bool:
    return len(values) == count and all(is_whole(value, least) for value in values)


def text(shape: Iterable[int]) -> str:
    """Format a shape: 8×5×5."""
    return "×".join(map(str, shape))


def check_fits(layer: str, what: str, window: Sequence[int], size: Sequence[int], padding: Sequence[Pair]) -> None:
    """Raise ShapeError if the dilated window is larger than the padded image."""
    if all(w <= s + sum(p) for w, s, p in zip(window, size, padding, strict=True)):
        return
    zeros = set[int]()
    for pair in padding:
        zeros.update(pair)
    shown = str(max(zeros)) if len(zeros) == 1 else str(tuple(padding))
    raise ShapeError(f"{layer}: {what} {text(window)} does not fit the {text(size)} input (padding {shown})")


def check_ends(operation: str, size: Sequence[int], before: Ends, after: Ends) -> None:
    """Raise OptionError unless ``before`` and ``after`` consist of a nonnegative integer for every axis of a sample."""
    for name, ends in (("before", before), ("after", after)):
        if not _are_whole(ends, len(size), 0):
            raise OptionError(
                f"{operation}: {name} {quoted(ends)}: expected {len(size)} whole numbers of at least 0, one per axis "
                f"of {text(size)}"
            )


def check_permutation(operation: str, axes: Sequence[int], count: int) -> None:
    """Raise OptionError unless ``axes`` is a permutation of 0 … count − 1."""
    if not _are_whole(axes, len(axes), 0) or sorted(axes) != list(range(count)):
        raise OptionError(f"{operation}: axes {quoted(axes)}: expected {tuple(range(count))} in any order")


def inverse_permutation(axes: Sequence[int]) -> tuple[int, ...]:
    """Return the axes that undo a permutation: inverse[axes[a]] = a."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


RESAMPLINGS = ("average", "nearest", "bilinear")
Line: TypeAlias = tuple[int, int, int]
Lines: TypeAlias = tuple[Line, Line]
WHOLE_IMAGE: Lines = ((0, 0, 0), (0, 0, 0))  # spread outputs over the whole image, see `resampling_weights`


def resampling_line(mode: str, line: Line, size: int, outputs: int) -> Line:
    """Return the numbers (a, b, c) of the positions (a·i + b)/c; if c is 0, spread the outputs over the whole input.

    Then the left edges of both coincide in mode "nearest", and both edges in mode "bilinear".
    """
    if line[2]:
        return line
    if mode == "nearest":
        return (size, 0, outputs)
    return (2 * size, size - outputs, 2 * outputs)


def resampling_weights(mode: str, size: int, outputs: int, i: int, line: Line = (0, 0, 0)) -> list[tuple[int, float]]:
    """Return (index, weight) for each input element that contributes to output i along one axis.

    mode      "average", "nearest" or "bilinear"
    size      number of input elements
    outputs   number of outputs
    line      numbers (a, b, c): output i lies at position (a·i + b)/c, limited to the first and last input element. The
              mode "average" ignores them. With c = 0, the outputs are spread over the whole input
    """
    if mode == "average":
        first = i * size // outputs
        last = -(-(i + 1) * size // outputs)
        return [(h, 1 / (last - first)) for h in range(first, last)]
    if mode not in RESAMPLINGS:
        raise unknown_name("mode", mode, RESAMPLINGS)
    a, b, c = resampling_line(mode, line, size, outputs)
    first, remainder = divmod(min(max(a * i + b, 0), (size - 1) * c), c)
    if mode == "nearest" or first + 1 == size:
        return [(first, 1.0)]
    return [(first, 1 - remainder / c), (first + 1, remainder / c)]


def differ_in_ones(first: Sequence[int], second: Sequence[int]) -> bool:
    """Return whether two shapes are the same except for axes of length 1: (2, 12), (1, 2, 12) and (2, 12, 1)."""
    return _without_ones(first) == _without_ones(second)


def _without_ones(shape: Sequence[int]) -> list[int]:
    return [size for size in shape if size != 1]
