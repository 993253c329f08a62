"""JAX and its settings, the array type of operations, and functions used by several operations."""

import importlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TypeAlias

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
