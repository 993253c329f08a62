"""Calls of compiled kernels with drawn shapes and options; each is a pure function of (seed, number).

Sizes, strides, dilations and paddings are drawn from three ranges: small, long (one axis, with paddings and extents of
hundreds of cells) and broad (images with paddings of dozens). Filters fill vectors as often as not.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from drawn_networks import THREADS
from engines.operation_cases import BUILDERS, Source
from numpy.typing import NDArray
from proving.configurations import choice

from chainrule.core.shapes import extent, output_size
from chainrule.engines.native.kernels.choice import WINOGRAD
from chainrule.engines.native.kernels.registry import Conditions, lanes
from chainrule.engines.native.kernels.selection import ALTERNATIVES, KERNELS, PARTWISE, select_kernel

Array = NDArray[Any]
Draw = np.random.Generator
Axis = tuple[int, int, int, tuple[int, int], int]  # size, window, stride, padding, dilation
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

    def axis(self, draw: Draw, pooling: bool) -> Axis:
        """Draw an axis that the window fits."""
        while True:
            size, window = whole(draw, 1, self.size), whole(draw, 1, self.window)
            stride = choice(draw, 1, 1, whole(draw, 1, self.stride))
            dilation = 1 if pooling else choice(draw, 1, whole(draw, 1, self.dilation))
            most = window - 1 if pooling else self.padding
            reach = extent(window, dilation)
            same = ((reach - 1) // 2, reach // 2)
            pairs = (0, 0), (whole(draw, 0, most), whole(draw, 0, most)), same, (reach - 1, reach - 1)
            padding = choice(draw, *pairs[: 2 if pooling else 4])
            if reach <= size + sum(padding) and max(padding) <= 4 * self.padding:
                return size, window, stride, padding, dilation


ONE = Range(1, 1, 1, 1, 0)
RANGES = {
    "small": (Range(20, 5, 4, 3, 4), Range(20, 5, 4, 3, 4)),
    "long": (ONE, Range(600, 4, 3, 300, 400)),
    "wide window": (Range(2, 2, 1, 1, 1), Range(400, 200, 3, 2, 200)),
    "broad": (Range(60, 4, 3, 20, 70), Range(60, 4, 3, 20, 70)),
}


class Numbers(Source):
    """Draws by a generator of NumPy, with longer axes: vectors are filled several times, with a remainder."""

    def __init__(self, draw: Draw, itemsize: int) -> None:
        super().__init__(draw)
        self._lanes, self._room = lanes(itemsize), 4000  # entries of an array
        self._axes, self._special = list[Axis](), False

    def size(self, *choices: int) -> int:
        longest = max(min(choices), min(70, self._room))
        result = self.one(self.one(*choices), self.whole(min(choices), longest))
        self._room = max(1, self._room // result)
        return result

    def axes(self, pooling: bool) -> list[Axis]:
        """Return axes for which there are special kernels, or any."""
        self._axes = [each.axis(self.generator, pooling) for each in RANGES[self.one("small", "small", *RANGES)]]
        sizes = [size for size, *_ in self._axes]
        if pooling:
            none = (0, 0)
            whole_image = [(size, size, size, none, 1) for size in sizes]
            halved = [(self.whole(2, most), 2, 2, none, 1) for most in (40, 70)]
            return self.one(whole_image, halved, self._axes)
        if not self.whole(0, 5):
            self._axes = [(size, 1, 1, (0, 0), 1) for size in sizes]
        elif not self.whole(0, 3):
            tile = self.one(*WINOGRAD)
            drawn_axes = zip(tile, self._axes, strict=True)
            self._axes = [
                (max(size, extent(taps, apart) - sum(pads)), taps, 1, pads, apart)
                for taps, (size, _, _, pads, apart) in drawn_axes
            ]
        elif not self.whole(0, 3):
            self._axes = [(self.whole(3, 20), 3, 1, (self.whole(0, 2), self.whole(0, 2)), 1) for _ in sizes]
        else:
            return self._axes
        self._special = True
        return self._axes

    def channels(self) -> tuple[int, int, int, int]:
        """Return few channels and filters, as many as fill vectors, or so many that weights are packed in parts."""
        cells = [max(size, output_size(size, *rest)) * rest[0] for size, *rest in self._axes]
        full, work = self._lanes, math.prod(cells)
        while True:
            ins, outs = (
                self.one(1, 2, 3, self.whole(1, 9), full, 2 * full, self.whole(1, 3 * full), most)
                for most in (self.whole(100, 400), full)
            )
            groups = 1 if self._special else self.one(1, 1, 1, 2, 3)
            if groups > 1 and self.flag():  # few filters in many groups, which have a kernel too
                groups, ins, outs = self.whole(2, 3 * full), self.whole(1, 3), self.whole(1, 3)
            count = self.one(1, 1, 2, self.whole(1, 20))
            if count * groups * ins * outs * work <= MOST:
                return count, groups, ins, outs


def drawn(draw: Draw, name: str, dtype: Any) -> tuple[tuple[Array | None, ...], dict[str, Any]]:
    """Draw an operation's arguments as its comparison with the reference does."""
    case = BUILDERS[name](Numbers(draw, np.dtype(dtype).itemsize)).astype(dtype)
    return case.arrays, case.attributes


def convolution(draw: Draw, name: str, dtype: Any) -> Case:
    """Draw any of the three operations, with any kernel that supports it."""
    arrays, attributes = drawn(draw, name, dtype)
    itemsize = np.dtype(dtype).itemsize
    fitted = select_kernel(name, arrays, attributes, itemsize)
    first, second, *bias = arrays
    assert first is not None
    assert second is not None
    window = attributes.get("kernel", second.shape[2:])
    untied = bias != [] and bias[0] is not None and bias[0].ndim > 1
    by_tiles = None if untied or attributes["groups"] > 1 or attributes["stride"] != (1, 1) else WINOGRAD.get(window)
    axes = zip(attributes["padding"], window, attributes["dilation"], strict=True)
    within = all(max(pads) <= (taps - 1) * apart for pads, taps, apart in axes)
    others = [name.replace("cross_correlate", by_tiles)] if by_tiles and within else []
    kernel = choice(draw, name, fitted, *others)
    if name != "cross_correlate":
        return Case(name, kernel, arrays, attributes)
    shape = KERNELS[name].shapes(arrays, attributes)[0]
    scaled = not untied and bool(draw.integers(2))
    if scaled:
        arrays = (first, second, draw.standard_normal((2, shape[1])).astype(dtype))
    may_pool = min(shape[2:]) > 1 and not scaled and not (untied and kernel == name)
    joined = {"rectify": bool(draw.integers(2)), "capped": choice(draw, 0.0, 0.0, 0.7), "scaled": scaled}
    joined["pooled"] = bool(may_pool and "pooled" in KERNELS[kernel].epilogues and draw.integers(2))
    return Case(name, kernel, arrays, attributes, joined, choice(draw, 1, *THREADS) if len(first) == 1 else 1)


def pool(draw: Draw, name: str, dtype: Any) -> Case:
    """Draw 2×2 windows with stride 2 or whole images, which have kernels of their own, or any windows."""
    arrays, attributes = drawn(draw, name, dtype)
    unread = Conditions(unread=name == "max_pool" and bool(draw.integers(2)))
    fitted = select_kernel(name, arrays, attributes, np.dtype(dtype).itemsize, unread)
    return Case(name, choice(draw, name, fitted, fitted), arrays, attributes)


def placed(draw: Draw, name: str, dtype: Any) -> Case:
    """Draw a part of a concatenation."""
    part, axis = tuple(whole(draw, 1, most) for most in (9, 9, 5, 40)), whole(draw, 0, 2)
    offset, rest = whole(draw, 0, 3), whole(draw, 0, 3)
    spot = {"axis": axis, "offset": offset, "whole": offset + part[axis + 1] + rest}
    return Case(name, name, (draw.standard_normal(part).astype(dtype),), spot)


def part_of_norm(draw: Draw, name: str, dtype: Any) -> Case:
    """Draw a part of a divided batch normalization."""
    N, C, *cells = (whole(draw, 1, most) for most in (9, 5, 9, 40)[: choice(draw, 2, 4)])

    def some(*shape: int) -> Array:
        return draw.standard_normal(shape).astype(dtype)

    x, dy, mean, gamma, variance = some(N, C, *cells), some(N, C, *cells), some(C), some(C), np.abs(some(C)) + 1
    forward = {"batch_norm_moments": (x,), "batch_norm_statistics": (np.abs(some(N, 2, C)),)}
    backward = {
        "batch_norm_products": (dy, x, mean),
        "batch_norm_coefficients": (some(N, 2, C), gamma, variance),
        "batch_norm_combination": (dy, x, mean, some(3, C)),
    }
    scale = {"batch_norm_scale": (gamma, some(C), mean, variance, choice(draw, None, some(C)))}
    parts: Any = {"batch_norm": forward, "batch_norm_dx": backward, "batch_norm_inference": scale}[name]
    kernel = choice(draw, *parts)
    return Case(name, kernel, parts[kernel], {"cells": math.prod(cells)} if kernel.endswith("coefficients") else {})


def plain(draw: Draw, name: str, dtype: Any) -> Case:
    """Draw an operation's arguments, and what the kernel does in addition."""
    if name == "place":
        return placed(draw, name, dtype)
    if name in ("batch_norm", "batch_norm_dx", "batch_norm_inference") and draw.integers(2):
        return part_of_norm(draw, name, dtype)
    arrays, attributes = drawn(draw, name, dtype)
    if name == "batch_norm_dx" and draw.integers(2):
        return Case(name, "batch_norm_backward", arrays, {})
    x = arrays[0]
    if name == "multiply" and x is not None and x.ndim == 4 and draw.integers(2):  # by one factor per image
        return Case(name, "multiply_images", (x, draw.standard_normal((*x.shape[:2], 1, 1)).astype(dtype)), {})
    steps = {"rectify": True, "capped": 0.7}
    joined = choice(draw, {}, *({step: steps[step]} for step in KERNELS[name].epilogues))
    shared = name == "dropout" or (name in ("dense", "dense_dx") and len(np.asarray(arrays[0])) == 1)
    return Case(name, name, arrays, attributes, joined, choice(draw, *THREADS) if shared else 1)


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
