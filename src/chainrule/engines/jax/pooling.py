"""Pooling in JAX with XLA's window reductions. Equations: `reference.pooling`."""

import numpy as np

from chainrule.core.shapes import NO_PADDING, Padding, Pair
from chainrule.engines.jax.arrays import Array, jnp, lax
from chainrule.engines.numpy.arrays import divisors

PADDING_INDEX = np.iinfo(np.int32).max  # index assigned to padding


def max_pool(
    x: Array, *, window: Pair, stride: Pair | None = None, padding: Padding = NO_PADDING
) -> tuple[Array, Array]:
    """Compute `reference.max_pool` as a reduction of elements paired with their flat indices.

    Of two elements, NaN takes precedence, then the larger value, then the smaller index. The result therefore does not
    depend on the order of the reduction.
    """
    cells = jnp.broadcast_to(jnp.arange(x.shape[2] * x.shape[3], dtype=jnp.int32).reshape(x.shape[2:]), x.shape)
    empty = jnp.asarray(-jnp.inf, x.dtype), jnp.int32(PADDING_INDEX)
    y, winner = lax.reduce_window(
        (x, cells), empty, _winner, (1, 1, *window), (1, 1, *(stride or window)), [(0, 0), (0, 0), *padding]
    )
    return y, winner


def max_pool_dx(dy: Array, winner: Array, *, size: Pair) -> Array:
    """Compute `reference.max_pool_dx` as one scatter-add to the flat indices of the winners."""
    planes = dy.shape[0] * dy.shape[1]
    outputs = dy.shape[2] * dy.shape[3]
    rows = jnp.arange(planes)[:, None]
    dx = jnp.zeros((planes, size[0] * size[1]), dy.dtype)
    dx = dx.at[rows, winner.reshape(planes, outputs)].add(dy.reshape(planes, outputs), mode="promise_in_bounds")
    return dx.reshape(*dy.shape[:2], *size)


def average_pool(
    x: Array,
    *,
    window: Pair,
    stride: Pair | None = None,
    padding: Padding = NO_PADDING,
    divisor: str = "cells",
) -> Array:
    """Compute `reference.average_pool` as window sums, each divided by its divisor."""
    stride = stride or window
    around = [(0, 0), (0, 0), *padding]
    sums = lax.reduce_window(x, _zero(x), lax.add, (1, 1, *window), (1, 1, *stride), around)
    return sums / divisors(x.shape[2:], sums.shape[2:], window, stride, padding, divisor).astype(x.dtype)


def average_pool_dx(
    dy: Array,
    *,
    size: Pair,
    window: Pair,
    stride: Pair | None = None,
    padding: Padding = NO_PADDING,
    divisor: str = "cells",
) -> Array:
    """Compute `reference.average_pool_dx` as window sums of dy, which is first divided by the divisors and dilated."""
    stride = stride or window
    shares = dy / divisors(size, dy.shape[2:], window, stride, padding, divisor).astype(dy.dtype)
    around: list[Pair] = [(0, 0), (0, 0)]
    for axis in (0, 1):
        last = stride[axis] * (dy.shape[2 + axis] - 1)
        before = padding[axis][0]
        around.append((window[axis] - 1 - before, size[axis] - 1 - last + before))
    spread = lax.pad(
        shares, _zero(dy), [(*ends, apart - 1) for ends, apart in zip(around, (1, 1, *stride), strict=True)]
    )
    return lax.reduce_window(spread, _zero(dy), lax.add, (1, 1, *window), (1, 1, 1, 1), "VALID")


def _winner(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
    """Return the winner of two (value, flat index) pairs. Padding never wins against an element."""
    x, index = first
    other_x, other_index = second
    is_nan = x != x
    other_is_nan = other_x != other_x
    equal = (x == other_x) | (is_nan & other_is_nan)
    padding = index == PADDING_INDEX
    other_padding = other_index == PADDING_INDEX
    larger = (x > other_x) | (is_nan & ~other_is_nan) | (equal & (index < other_index))
    wins = ~padding & (larger | other_padding)
    return jnp.where(wins, x, other_x), jnp.where(wins, index, other_index)


def _zero(x: Array) -> Array:
    return jnp.zeros((), x.dtype)
