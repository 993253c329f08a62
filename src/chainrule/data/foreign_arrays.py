"""The conversion of what NumPy does not convert, such as PyTorch tensors, and errors for tables of other values."""

import sys
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, cast

import numpy as np

from chainrule.core.arrays import Array
from chainrule.errors import DataError, quoted


def converted(values: object, error: Exception, differences: str | None) -> Array:
    """Return PyTorch tensors, or lists of them, as an array; bfloat16 becomes float32, without rounding.

    error        the error of NumPy's conversion
    differences  how the shapes of the values differ; None if they do not
    Errors   DataError for other values, such as rows of different lengths and tensors on the device "meta"
    """
    if not isinstance(error, ValueError):  # raised by PyTorch, also for a tensor in a list
        try:
            return np.asarray(_without_tensors(values))
        except (TypeError, RuntimeError):
            pass
    raise DataError(column_problem(values) or f"{quoted(values)}: expected an array: {differences or error}") from None


def column_problem(table: object) -> str | None:
    """Describe the first column of a table that contains other values than numbers, and what to do; None if none does.

    table   DataFrame of pandas or polars, or another value
    """
    names: Sequence[str] = getattr(table, "columns", ())
    if not hasattr(table, "__getitem__"):
        return None
    columns = cast("Mapping[str, object]", table)
    for name in names:
        entries: list[object] = np.asarray(columns[name], np.object_).ravel().tolist()
        for entry in entries:
            if not isinstance(entry, Real | np.bool_):
                advice = "convert the column to numbers, such as 0 and 1 for each text, or leave it out"
                return f"column {name}: expected numbers, found {quoted(entry)}; {advice}"
    return None


def _without_tensors(values: object) -> object:
    """Return values with PyTorch tensors, also those in lists, replaced by arrays."""
    if isinstance(values, list | tuple):
        return [_without_tensors(value) for value in cast("list[object]", values)]
    torch: Any = sys.modules.get("torch")
    if torch is None or not isinstance(values, torch.Tensor):
        return values
    tensor: Any = values
    detached = tensor.detach().cpu()
    if detached.dtype is torch.bfloat16:  # NumPy has no such dtype
        detached = detached.float()
    return detached.numpy()
