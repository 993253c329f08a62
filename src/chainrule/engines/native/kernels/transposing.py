"""Packing of filters into panels, in kernels/transposing.c.

A panel contains a few vectors of rows of a matrix, transposed, so that a tile reads it from start to end.
"""

import math
from collections.abc import Sequence
from typing import Any

from chainrule.engines.native.calls import in_c
from chainrule.engines.native.kernels.registry import Attributes, Shapes, operation

MAX_LANES = 16  # lanes of any vector
TILE_ROWS = 2  # vectors of a panel, and of a tile that reads it


def panels_shape(arrays: Sequence[Any], _: Attributes) -> Shapes:
    """Return the number of elements of the panels of weights, and of a block that is written after the last panel."""
    filters, *sizes = arrays[0].shape
    return [(-(-filters // MAX_LANES) * MAX_LANES * math.prod(sizes) + TILE_ROWS * MAX_LANES**2,)]


@operation(panels_shape, part_of="cross_correlate")
@in_c
def pack_panels(w, packed, lowest=0, highest=-1):
    """Pack a range of filters into panels. The first filter, o, starts at element o·columns.

    The following ranges must be packed later, since elements after the last panel are overwritten.
    """
