"""Padding, cropping, permutation of axes and resampling in JAX. Equations: `reference.geometry`.

Resampling is computed as two matrix products, one for the rows and one for the columns.
"""

import numpy as np

from chainrule.core.shapes import WHOLE_IMAGE, Ends, Lines, Pair, resampling_weights
from chainrule.engines.jax.arrays import Array, jnp


def pad(x: Array, *, before: Ends, after: Ends) -> Array:
    """Compute `reference.pad` with `jnp.pad`."""
    return jnp.pad(x, ((0, 0), *zip(before, after, strict=True)))


def crop(x: Array, *, before: Ends, after: Ends) -> Array:
    """Compute `reference.crop` as a slice."""
    ends = (slice(front, size - back) for size, front, back in zip(x.shape[1:], before, after, strict=True))
    return x[:, *ends]


def permute(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Compute `reference.permute` with `jnp.transpose`."""
    return jnp.transpose(x, (0, *(axis + 1 for axis in axes)))


# ---------------------------------------------------------------------------------------------------------- resampling


def resample(x: Array, *, outputs: Pair, mode: str, lines: Lines = WHOLE_IMAGE) -> Array:
    """Compute `reference.resample` as two matrix products."""
    rows, columns = _matrices(x, x.shape[2:], outputs, mode, lines)
    return jnp.einsum("ih,nchk,jk->ncij", rows, x, columns)


def resample_dx(dy: Array, *, size: Pair, mode: str, lines: Lines = WHOLE_IMAGE) -> Array:
    """Compute `reference.resample_dx` with the transposed matrices."""
    rows, columns = _matrices(dy, size, dy.shape[2:], mode, lines)
    return jnp.einsum("ih,ncij,jk->nchk", rows, dy, columns)


def _matrices(like: Array, size: Pair, outputs: Pair, mode: str, lines: Lines) -> tuple[Array, Array]:
    """Return the resampling weights of the rows, (H', H), and of the columns, (W', W).

    like   array with the dtype of the results
    """
    matrices = [np.zeros((count, cells), like.dtype) for count, cells in zip(outputs, size, strict=True)]
    for matrix, line in zip(matrices, lines, strict=True):
        for i in range(len(matrix)):
            for h, weight in resampling_weights(mode, matrix.shape[1], len(matrix), i, line):
                matrix[i, h] += weight
    return matrices[0], matrices[1]


def broadcast(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Compute `reference.broadcast`."""
    return jnp.broadcast_to(x, (len(x), *shape))


def broadcast_dx(dy: Array, *, shape: tuple[int, ...]) -> Array:
    """Compute `reference.broadcast_dx`."""
    axes = tuple(1 + np.flatnonzero(np.array(shape) != dy.shape[1:]))
    return dy.sum(axis=axes, keepdims=True)


def gather(x: Array, i: Array) -> Array:
    """Compute `reference.gather`."""
    return x[:, _places(i, x.shape[1])]


def gather_dx(dy: Array, i: Array, *, shape: tuple[int]) -> Array:
    """Compute `reference.gather_dx`."""
    return jnp.zeros((len(dy), *shape), dy.dtype).at[:, _places(i, *shape)].add(dy)


def _places(i: Array, size: int) -> Array:
    """Return indices as integers; 0 for those outside 0 … size − 1."""
    return jnp.where((i > 0) & (i < size), i, 0).astype(int)


def concatenate(*parts: Array, axis: int = 0) -> Array:
    """Compute `reference.concatenate`."""
    return jnp.concatenate(parts, axis=axis + 1)
