"""JAX itself and its settings, the type of arguments and results of operations, and what several of them need."""

import importlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TypeAlias

jax: Any = importlib.import_module("jax")  # of whose types pyright knows a part
jnp: Any = importlib.import_module("jax.numpy")
lax: Any = importlib.import_module("jax.lax")
sharding: Any = importlib.import_module("jax.sharding")

Array: TypeAlias = Any  # a jax.Array, or what stands for one while a program is traced


def spread_bias(b: Array, axes: int) -> Array:
    """Return a view of b that broadcasts over the batch (untied) or over batch and positions (tied)."""
    return b.reshape(b.shape + (1,) * (axes - 1 - b.ndim))


def channel_axes(x: Array) -> tuple[int, ...]:
    """Return all axes but that of the channels."""
    return (0, *range(2, x.ndim))


@contextmanager
def settings() -> Generator[None]:
    """Allow 64-bit numbers and demand products in full precision, in this thread and context only.

    Products of float32 would otherwise be rounded to 10 or 7 bits on GPUs and TPUs.
    """
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        yield
