"""Where branches meet, in JAX. Equations: `chainrule.operations.reference.merging`."""

from chainrule.engines.jax.arrays import Array, jnp


def add(a: Array, b: Array) -> Array:
    """Compute `reference.add`."""
    return a + b


def add_dx(dy: Array) -> Array:
    """Compute `reference.add_dx`."""
    return dy


def multiply(a: Array, b: Array) -> Array:
    """Compute `reference.multiply`."""
    return a * b


def expand_positions(x: Array, *, size: tuple[int, ...]) -> Array:
    """Compute `reference.expand_positions`."""
    return jnp.broadcast_to(x[:, :, None, None], (*x.shape, *size))


def expand_positions_dx(dy: Array) -> Array:
    """Compute `reference.expand_positions_dx`."""
    return dy.sum(axis=(2, 3))


def expand_channels(x: Array, *, channels: int) -> Array:
    """Compute `reference.expand_channels`."""
    return jnp.repeat(x[:, None], channels, axis=1)


def expand_channels_dx(dy: Array) -> Array:
    """Compute `reference.expand_channels_dx`."""
    return dy.sum(axis=1)


def concatenate(*parts: Array, axis: int = 0) -> Array:
    """Compute `reference.concatenate`."""
    return jnp.concatenate(parts, axis=axis + 1)
