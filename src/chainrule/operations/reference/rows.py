"""Rows of predictions (N, K) or (N, K, …): checks, results and indices of the losses."""

from typing import Any

import numpy as np

from chainrule.operations.reference.windows import Array, check_rows, check_same


def row_of(e: tuple[int, ...]) -> tuple[int, ...]:
    """Return the index of an element's row: (n, i, j) for (n, k, i, j)."""
    return (e[0], *e[2:])


def entries_of(row: tuple[int, ...]) -> tuple[Any, ...]:
    """Return the index of all elements of a row: (n, :, i, j) for (n, i, j)."""
    return (row[0], slice(None), *row[1:])


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
