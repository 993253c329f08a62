"""Columns of a data set: values for each sample, such as weights and groups."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import text
from chainrule.data.sources import differing_shapes
from chainrule.errors import DataError, quoted

COLUMNS = {"weights": ("biuf", "numbers"), "groups": ("biuUS", "whole numbers or strings")}  # kinds of dtypes


def as_array(values: Any) -> NDArray[Any]:
    """Return values as an array; DataError for rows of different lengths."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise DataError(f"{quoted(values)}: expected an array: {differing_shapes(values) or error}") from None


def checked_column(name: str, values: Any, count: int) -> NDArray[Any]:
    """Return the groups or the weights of samples as an array (count,); DataError for other values."""
    array, (kinds, expected) = as_array(values), COLUMNS[name]
    if array.dtype.kind not in kinds or array.shape != (count,):
        found = f"{array.dtype} of shape ({text(array.shape)})"
        raise DataError(f"{name}: expected {count} {expected}, one for each sample; found {found}")
    return array.astype(np.float64) if name == "weights" else array
