"""Columns of a data set: values for each sample, such as weights and names."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from chainrule.core.arrays import Array
from chainrule.core.shapes import text
from chainrule.data.sources import as_array
from chainrule.errors import DataError


class ColumnType(NamedTuple):
    """The values that a column may have: letters of kinds of dtypes, their description, and the dtype to convert to."""

    kinds: str
    description: str
    dtype: type[np.float64] | None = None


COLUMNS = {
    "weights": ColumnType("biuf", "numbers", np.float64),
    "names": ColumnType("U", "strings"),
}


def checked_column(name: str, values: ArrayLike, count: int) -> Array:
    """Return a column of samples as an array (count,); DataError for other values."""
    array = as_array(values)
    column = COLUMNS[name]
    if array.dtype.kind not in column.kinds or array.shape != (count,):
        shape = f"{array.dtype} of shape ({text(array.shape)})"
        raise DataError(f"{name}: expected {count} {column.description}, one for each sample; found {shape}")
    return array if column.dtype is None else array.astype(column.dtype)
