"""Calls of compiled kernels with drawn shapes and options; each is a pure function of (seed, number).

Sizes, strides, dilations and paddings are drawn from three ranges: small, long (one axis, with paddings and extents of
hundreds of cells) and broad (images with paddings of dozens). Filters fill vectors as often as not.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from engines.guard import norm_parts
from engines.operation_cases import BUILDERS, Source
from numpy.typing import NDArray

from chainrule.core.shapes import extent, output_size
from chainrule.engines.compiled.kernels.choice import WINOGRAD
from chainrule.engines.compiled.kernels.registry import Conditions
from chainrule.engines.compiled.kernels.selection import ALTERNATIVES, KERNELS, PARTWISE, select_kernel
from chainrule.engines.compiled.kernels.tiles import lanes
from experiments.configurations import choice

Array = NDArray[Any]
Draw = np.random.Generator
MOST = 3_000_000  # multiplications of a case, as NumPy computes it too


@dataclass(frozen=True)
class Case:
    """One operation: its inputs, its attributes, and how the kernel computes it.

    kernel   name of the kernel; differs from the operation's where filters are interleaved
    joined   operations fused into the kernel: scaled, rectify, capped, pooled
    threads  number of threads that share the result
    """

    name: str
    kernel: str
    arrays: tuple[Array | None, ...]
    attributes: dict[str, Any]
    joined: dict[str, Any] = field(default_factory=dict[str, Any])
    threads: int = 1

    def __str__(self) -> str:
        shapes = [None if array is None else array.shape for array in self.arrays]
        options = {**self.attributes, **self.joined}
        return f"{self.kernel} {shapes} {options} by {self.threads}"


def whole(draw: Draw, least: int, most: int) -> int:
    return int(draw.integers(least, most + 1))


@dataclass(frozen=True)
class Range:
    """The largest size, window, stride, dilation and padding of an axis."""

    size: int
    window: int
    stride: int
    dilation: int
    padding: int

    def axis(self, draw: Draw, pooling: bool) -> tuple[int, int, int, tuple[int, int], int] | None:
        """Draw size, window, stride, padding and dilation of one axis; return None where the window does not fit."""
        size, window = whole(draw, 1, self.size), whole(draw, 1, self.window)
        stride = choice(draw, 1, 1, whole(draw, 1, self.stride))
        dilation = 1 if pooling else choice(draw, 1, whole(draw, 1, self.dilation))
        most = window - 1 if pooling else self.padding
        reach = extent(window, dilation)
        same = ((reach - 1) // 2, reach // 2)
        pairs = (0, 0), same, (reach - 1, reach - 1), (whole(draw, 0, most), whole(draw, 0, most))
        padding = choice(draw, pairs[0], pairs[3]) if pooling else choice(draw, *pairs)
        fits = reach <= size + sum(padding) and max(padding) <= 4 * self.padding
        return (size, window, stride, padding, dilation) if fits else None


ONE = Range(1, 1, 1, 1, 0)
RANGES = {
    "small": (Range(20, 5, 4, 3, 4), Range(20, 5, 4, 3, 4)),
    "long": (ONE, Range(600, 4, 3, 300, 400)),
    "wide window": (Range(2, 2, 1, 1, 1), Range(400, 200, 3, 2, 200)),
    "broad": (Range(60, 4, 3, 20, 70), Range(60, 4, 3, 20, 70)),
}


def axes(draw: Draw, *, pooling: bool = False) -> list[tuple[Any, ...]]:
    """Draw sizes, windows, strides, paddings, dilations and numbers of outputs for two axes."""
    ranges = RANGES[choice(draw, "small", "small", *RANGES)]
    result = []
    for each in ranges:
        while (axis := each.axis(draw, pooling)) is None:
            pass
        result.append((*axis, output_size(axis[0], axis[1], axis[2], axis[3], axis[4])))
    return list(zip(*result, strict=True))


def normal(draw: Draw, dtype: Any, *shape: int) -> Array:
    return draw.standard_normal(shape).astype(dtype)


def convolution(draw: Draw, name: str, dtype: Any) -> Case:
    """Draw any of the three operations, with either kernel that supports it."""
    while True:
        size, window, stride, padding, dilation, outputs = axes(draw)
        groups = choice(draw, 1, 1, 1, 2, 3)
        if not draw.integers(6):  # those of 1×1, which have a kernel of their own
            window, stride, padding, dilation, outputs, groups = (1, 1), (1, 1), ((0, 0),) * 2, (1, 1), size, 1
        elif not draw.integers(4):  # square ones at stride 1, which Winograd's algorithm computes
            window, stride, groups = choice(draw, *WINOGRAD), (1, 1), 1
            outputs = [output_size(*axis) for axis in zip(size, window, stride, padding, dilation, strict=True)]
            if min(outputs) < 1:
                continue
        elif not draw.integers(4):  # those of 3×3, which have another
            window, stride, dilation, groups = (3, 3), (1, 1), (1, 1), 1
            padding = tuple((whole(draw, 0, 2), whole(draw, 0, 2)) for _ in range(2))
            size = tuple(whole(draw, 3, 20) for _ in range(2))
            outputs = tuple(cells + sum(pair) - 2 for cells, pair in zip(size, padding, strict=True))
        full = lanes(np.dtype(dtype).itemsize)
        ins, outs = (
            choice(draw, 1, 2, 3, whole(draw, 1, 9), full, 2 * full, whole(draw, 1, 3 * full), most)
            for most in (whole(draw, 100, 400), full)  # weights of many channels are packed in parts
        )
        if groups > 1 and draw.integers(2):  # those of few filters in many groups, which have a kernel too
            groups, ins, outs = whole(draw, 2, 3 * full), whole(draw, 1, 3), whole(draw, 1, 3)
        count = choice(draw, 1, 1, 2, whole(draw, 1, 20))
        if count * groups * ins * outs * int(np.prod(window) * max(np.prod(outputs), np.prod(size))) <= MOST:
            break
    attributes = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    attributes["flip"] = bool(draw.integers(2))
    x, w = normal(draw, dtype, count, groups * ins, *size), normal(draw, dtype, groups * outs, ins, *window)
    dy = normal(draw, dtype, count, groups * outs, *outputs)
    b = choice(draw, None, normal(draw, dtype, *dy.shape[1:2]), normal(draw, dtype, *dy.shape[1:]))
    given: dict[str, tuple[tuple[Array | None, ...], dict[str, Any]]] = {
        "cross_correlate": ((x, w, b), {}),
        "cross_correlate_dx": ((dy, w), {"size": size}),
        "cross_correlate_dw": ((x, dy), {"kernel": window}),
    }
    arrays, more = given[name]
    attributes |= more
    fitted = select_kernel(name, arrays, attributes, np.dtype(dtype).itemsize)
    untied = name == "cross_correlate" and b is not None and b.ndim > 1
    by_tiles = WINOGRAD.get(window) if stride == (1, 1) and groups == 1 and not untied else None
    within = all(max(pads) <= (taps - 1) * apart for pads, taps, apart in zip(padding, window, dilation, strict=True))
    others = [name.replace("cross_correlate", by_tiles)] if by_tiles and within else []
    kernel = choice(draw, name, fitted, *others)
    if name != "cross_correlate":
        return Case(name, kernel, arrays, attributes)
    scaled = not untied and bool(draw.integers(2))
    if scaled:
        arrays = (x, w, normal(draw, dtype, 2, groups * outs))
    may_pool = (
        min(outputs) > 1 and not scaled and not (untied and kernel == name) and "pooled" in KERNELS[kernel].epilogues
    )
    joined = {"rectify": bool(draw.integers(2)), "pooled": bool(may_pool and draw.integers(2))}
    joined |= {"capped": choice(draw, 0.0, 0.0, 0.7), "scaled": scaled}
    return Case(name, kernel, arrays, attributes, joined, choice(draw, 1, 1, 2, 3) if count == 1 else 1)


def pool(draw: Draw, name: str, dtype: Any) -> Case:
    """Draw 2×2 windows with stride 2 or whole images, which have kernels of their own, or any windows."""
    size, window, stride, padding, _, outputs = axes(draw, pooling=True)
    if choice(draw, True, False, False):
        window = stride = size
        padding, outputs = ((0, 0), (0, 0)), (1, 1)
    elif draw.integers(2):
        size = whole(draw, 2, 40), whole(draw, 2, 70)
        window, stride, padding = (2, 2), (2, 2), ((0, 0), (0, 0))
        outputs = size[0] // 2, size[1] // 2
    planes = whole(draw, 1, 4), whole(draw, 1, 4)
    attributes: dict[str, Any] = {"window": window, "stride": stride, "padding": padding}
    if name.startswith("average"):
        attributes["divisor"] = choice(draw, "cells", "window", "one")
    x, dy = normal(draw, dtype, *planes, *size), normal(draw, dtype, *planes, *outputs)
    if name == "max_pool_dx":
        winner = draw.integers(0, size[0] * size[1], dy.shape).astype(np.int32)
        return Case(name, name, (dy, winner), {"size": size})
    if name.endswith("_dx"):
        attributes["size"] = size
    arrays = (dy,) if name.endswith("_dx") else (x,)
    unread = name == "max_pool" and bool(draw.integers(2))
    fitted = select_kernel(name, arrays, attributes, np.dtype(dtype).itemsize, Conditions(unread=unread))
    return Case(name, choice(draw, name, fitted, fitted), arrays, attributes)


class Numbers(Source):
    """Draws by a generator of NumPy, with longer axes: vectors are filled several times, with a remainder."""

    def __init__(self, draw: Draw) -> None:
        self._draw, self._room = draw, 4000  # entries of an array

    def one(self, *choices: Any) -> Any:
        return choice(self._draw, *choices)

    def whole(self, least: int, most: int) -> int:
        return whole(self._draw, least, most)

    def size(self, *choices: int) -> int:
        longest = max(min(choices), min(70, self._room))
        result = self.one(self.one(*choices), self.whole(min(choices), longest))
        self._room = max(1, self._room // result)
        return result


def placed(draw: Draw, name: str, dtype: Any) -> Case:
    """Draw a part of a concatenation."""
    part, axis = tuple(whole(draw, 1, most) for most in (9, 9, 5, 40)), whole(draw, 0, 2)
    offset, rest = whole(draw, 0, 3), whole(draw, 0, 3)
    spot = {"axis": axis, "offset": offset, "whole": offset + part[axis + 1] + rest}
    return Case(name, name, (normal(draw, dtype, *part),), spot)


def plain(draw: Draw, name: str, dtype: Any) -> Case:
    """Draw an operation's arguments as its comparison with the reference does, and what the kernel does in addition."""
    if name == "place":
        return placed(draw, name, dtype)
    if name in norm_parts.PARTS and draw.integers(2):
        part = choice(draw, *norm_parts.PARTS[name])
        shape = (whole(draw, 1, 9), whole(draw, 1, 5), whole(draw, 1, 9), whole(draw, 1, 40))
        arrays, options = norm_parts.drawn(part, draw, shape[: choice(draw, 2, 4)], dtype)
        return Case(name, part, tuple(arrays), options)
    case = BUILDERS[name](Numbers(draw)).astype(dtype)
    if name == "batch_norm_dx" and draw.integers(2):
        return Case(name, "batch_norm_backward", case.arrays, {})
    steps = {"rectify": True, "capped": 0.7}
    joined = choice(draw, {}, *({step: steps[step]} for step in KERNELS[name].epilogues))
    shared = name == "dropout" or (name in ("dense", "dense_dx") and len(np.asarray(case.arrays[0])) == 1)
    return Case(name, name, case.arrays, case.attributes, joined, choice(draw, 1, 2, 3) if shared else 1)


DRAWERS: dict[str, Callable[[Draw, str, Any], Case]] = {
    **dict.fromkeys(["cross_correlate", "cross_correlate_dx", "cross_correlate_dw"], convolution),
    **dict.fromkeys(["max_pool", "max_pool_dx", "average_pool", "average_pool_dx"], pool),
    **dict.fromkeys(["resample", "resample_dx", "dense", "dense_dx", "dense_dw"], plain),
}
PARTS = [kernel for kernel, _ in PARTWISE.values()]
SPECIAL = {entry.name for entries in ALTERNATIVES.values() for entry in entries}
OPERATIONS = [
    name for name, entry in KERNELS.items() if name in PARTS or not (name in SPECIAL or entry.joins or entry.part_of)
]
PLAIN = [name for name in OPERATIONS if name not in DRAWERS]


def draw_case(seed: int, number: int, dtype: Any) -> Case:
    """Draw the case with that number: convolutions three times in five, and the other operations in turn."""
    draw = np.random.default_rng([seed, number])
    turn, place = divmod(number, 10)
    if place < 6:
        name = ["cross_correlate", "cross_correlate_dx", "cross_correlate_dw"][place % 3]
    elif place < 8:
        name = [*DRAWERS][3:][(2 * turn + place) % (len(DRAWERS) - 3)]
    else:
        name = PLAIN[(2 * turn + place) % len(PLAIN)]
    return DRAWERS.get(name, plain)(draw, name, dtype)


def parts(case: Case, shape: tuple[int, ...], itemsize: int) -> list[dict[str, int]]:
    """Return the arguments that select each thread's part of the result; none for a single thread."""
    if case.threads == 1:
        return [{}]
    share = KERNELS[case.kernel].share(shape[1:], itemsize, case.attributes)
    low, high = share.names
    edges = [min(share.entries, k * share.parts // case.threads * share.size) for k in range(case.threads + 1)]
    return [{low: a, high: b} for a, b in itertools.pairwise(edges)]
