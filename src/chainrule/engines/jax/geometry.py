"""Padding, cropping and permutation of axes, in JAX. Equations: `reference.geometry`."""

from chainrule.core.shapes import Ends
from chainrule.engines.jax.arrays import Array, jnp


def pad(x: Array, *, before: Ends, after: Ends) -> Array:
    """Compute `reference.pad` by one call."""
    return jnp.pad(x, ((0, 0), *zip(before, after, strict=True)))


def crop(x: Array, *, before: Ends, after: Ends) -> Array:
    """Compute `reference.crop` as a slice."""
    ends = (slice(front, size - back) for size, front, back in zip(x.shape[1:], before, after, strict=True))
    return x[:, *ends]


def permute(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Compute `reference.permute` by one call."""
    return jnp.transpose(x, (0, *(axis + 1 for axis in axes)))
