"""Rows of predictions (N, K) or (N, K, …): checks, results and indices of the losses."""

from collections.abc import Iterator

import numpy as np

from chainrule.operations.reference.windows import Array, check_rows, check_same


def elements(p: Array) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Iterate over the elements of p: the index (n, i, j) of the row, and that of the element, (n, k, i, j)."""
    for n, k, *ij in np.ndindex(p.shape):
        yield (n, *ij), (n, k, *ij)


def row_sums(p: Array) -> Array:
    """Return the sum of each row."""
    total = np.zeros((p.shape[0], *p.shape[2:]), p.dtype)
    for row, e in elements(p):
        total[row] += p[e]
    return total


def check_prediction(operation: str, p: Array, t: Array) -> None:
    """Raise ShapeError unless predictions consist of rows, and targets have their shape."""
    check_rows(operation, "p", p)
    check_same(operation, p=p, t=t)


def one_per_row(operation: str, p: Array, t: Array) -> Array:
    """Check the shapes and return one zero per row."""
    check_prediction(operation, p, t)
    return np.zeros((p.shape[0], *p.shape[2:]), p.dtype)


def empty_gradient(operation: str, p: Array, t: Array, batch: int | None) -> tuple[Array, int]:
    """Check the shapes, and return an empty array for the gradient and the number of rows for the mean."""
    check_prediction(operation, p, t)
    return np.empty_like(p), p.size // p.shape[1] if batch is None else batch
