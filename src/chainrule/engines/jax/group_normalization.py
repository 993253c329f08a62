"""Group normalization, in JAX: every group at once. Equations: `chainrule.operations.reference.group_normalization`."""

import math

from chainrule.engines.jax.arrays import Array, jnp, spread_bias


def group_norm(
    x: Array, gamma: Array, beta: Array, *, groups: int, shared: bool = False, epsilon: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Compute `reference.group_norm` in two passes over x: the mean, then the variance of x − mean."""
    rows = _rows(x, groups)
    mean = rows.mean(axis=2)
    variance = jnp.square(rows - mean[:, :, None]).mean(axis=2)
    y = _normalized(x, mean, variance, groups, epsilon).reshape(x.shape)
    return y * _spread(gamma, x) + _spread(beta, x), mean, variance


def group_norm_dx(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    *,
    groups: int,
    shared: bool = False,
    epsilon: float = 1e-5,
) -> Array:
    """Compute `reference.group_norm_dx` from the means of γ dy and γ dy x̂ over each group."""
    normal, scaled = _normalized(x, mean, variance, groups, epsilon), _rows(dy * _spread(gamma, x), groups)
    tilt, shift = (scaled * normal).mean(axis=2, keepdims=True), scaled.mean(axis=2, keepdims=True)
    return ((scaled - shift - normal * tilt) / jnp.sqrt(variance + epsilon)[:, :, None]).reshape(x.shape)


def group_norm_dw(
    dy: Array, x: Array, mean: Array, variance: Array, *, groups: int, shared: bool = False, epsilon: float = 1e-5
) -> tuple[Array, Array]:
    """Compute `reference.group_norm_dw` as two reductions."""
    count, channels = x.shape[:2]
    cells = math.prod(x.shape[2:])
    shape = (count, groups, channels // groups, cells) if shared else (count, 1, channels, cells)
    normal, upstream = _normalized(x, mean, variance, groups, epsilon).reshape(shape), dy.reshape(shape)
    return (upstream * normal).sum(axis=(0, 1, 3)), upstream.sum(axis=(0, 1, 3))


def _rows(x: Array, groups: int) -> Array:
    """Return x with the values of each group of a sample in a row, (N, groups, M)."""
    return x.reshape(len(x), groups, math.prod(x.shape[1:]) // groups)


def _spread(values: Array, x: Array) -> Array:
    """Return the value of each channel, repeated where groups share them, to broadcast over x."""
    return spread_bias(jnp.tile(values, x.shape[1] // len(values)), x.ndim)


def _normalized(x: Array, mean: Array, variance: Array, groups: int, epsilon: float) -> Array:
    return (_rows(x, groups) - mean[:, :, None]) / jnp.sqrt(variance + epsilon)[:, :, None]
