"""JAX and its settings, the array type of operations, and functions used by several operations."""

import importlib
import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TypeAlias

from chainrule.engines.numpy.arrays import spread_bias as spread_bias

jax: Any = importlib.import_module("jax")  # Any, because JAX's types are incomplete for pyright
jnp: Any = importlib.import_module("jax.numpy")
lax: Any = importlib.import_module("jax.lax")
sharding: Any = importlib.import_module("jax.sharding")

Array: TypeAlias = Any  # a jax.Array, or a tracer


def channel_axes(x: Array) -> tuple[int, ...]:
    """Return all axes except the channel axis."""
    return (0, *range(2, x.ndim))


@contextmanager
def settings() -> Generator[None]:
    """Enable 64-bit numbers and full-precision products within the context, in this thread only.

    By default, the factors of float32 products are rounded to 10 bits on GPUs and to 7 bits on TPUs.
    """
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        yield


def logistic(x: Array) -> Array:
    """Return σ(x) = 1/(1 + e^−x)."""
    return jax.nn.sigmoid(x)


def normal_density(x: Array) -> Array:
    """Return φ(x), the density of the standard normal distribution."""
    return jnp.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def normal_distribution(x: Array) -> Array:
    """Return Φ(x), the cumulative distribution function."""
    return jax.scipy.special.ndtr(x)


def masked(values: Array, zero: Array) -> Array:
    """Return `values`, with 0 where `zero` is true."""
    return jnp.where(zero, 0, values)


def select(test: Array, values: Any, others: Any) -> Array:
    """Return `values` where `test` is true and `others` elsewhere."""
    return jnp.where(test, values, others)
