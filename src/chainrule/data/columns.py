"""Columns of a data set: values for each sample, such as weights and groups."""

from typing import Any

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.shapes import text
from chainrule.data.sources import as_array
from chainrule.errors import DataError

COLUMNS = {  # kinds of dtypes
    "weights": ("biuf", "numbers"),
    "groups": ("biuUS", "whole numbers or strings"),
    "names": ("U", "strings"),
}


def checked_column(name: str, values: Any, count: int) -> Array:
    """Return the groups or the weights of samples as an array (count,); DataError for other values."""
    array = as_array(values)
    kinds, expected = COLUMNS[name]
    if array.dtype.kind not in kinds or array.shape != (count,):
        shape = f"{array.dtype} of shape ({text(array.shape)})"
        raise DataError(f"{name}: expected {count} {expected}, one for each sample; found {shape}")
    return array.astype(np.float64) if name == "weights" else array
