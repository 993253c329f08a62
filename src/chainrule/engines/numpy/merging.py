"""Where branches meet, in NumPy. Equations: `chainrule.operations.reference.merging`."""

import numpy as np

from chainrule.engines.numpy.arrays import Array


def add(a: Array, b: Array) -> Array:
    """Compute `reference.add`."""
    return np.add(a, b, order="C")


def add_dx(dy: Array) -> Array:
    """Compute `reference.add_dx`."""
    return np.array(dy, order="C")


def multiply(a: Array, b: Array) -> Array:
    """Compute `reference.multiply`."""
    return np.multiply(a, b, order="C")


def expand_positions(x: Array, *, size: tuple[int, ...]) -> Array:
    """Compute `reference.expand_positions`."""
    return np.array(np.broadcast_to(x[:, :, None, None], (*x.shape, *size)), order="C")


def expand_positions_dx(dy: Array) -> Array:
    """Compute `reference.expand_positions_dx`."""
    return np.ascontiguousarray(dy.sum(axis=(2, 3)))


def expand_channels(x: Array, *, channels: int) -> Array:
    """Compute `reference.expand_channels`."""
    return np.ascontiguousarray(np.repeat(x[:, None], channels, axis=1))


def expand_channels_dx(dy: Array) -> Array:
    """Compute `reference.expand_channels_dx`."""
    return np.ascontiguousarray(dy.sum(axis=1))


def concatenate(*parts: Array, axis: int = 0) -> Array:
    """Compute `reference.concatenate`."""
    return np.ascontiguousarray(np.concatenate(parts, axis=axis + 1))
