"""Cross-correlation by rows of outputs whose sums go directly to the result, in kernels/direct_rows.c."""

from chainrule.engines.native.calls import in_c
from chainrule.engines.native.kernels.choice import forward_fit
from chainrule.engines.native.kernels.epilogue import (
    NO_EPILOGUE,
    WHOLE_RESULT,
    correlation,
)
from chainrule.engines.native.kernels.layout import (
    PLAIN_WINDOW,
)
from chainrule.engines.native.kernels.registry import (
    Attributes,
    Share,
    lanes,
    operation,
    rows_or_filters,
)
from chainrule.engines.native.kernels.row_tiles import (
    filters_per_tile,
)
from chainrule.engines.native.kernels.transposing import panels_shape


def share_rows(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Return the division of a result by rows or by tiles of filters. Rows shorter than a vector are not divided."""
    tile = filters_per_tile(shape[0])
    parts = -(-shape[0] // tile)
    half = -(-parts // 2) / parts
    if shape[-1] < lanes(itemsize):
        return Share(("lowest", "highest"), shape[0], tile, half)
    return rows_or_filters(shape, tile, half)


@operation(panels_shape, part_of="cross_correlate")
@in_c
def pack_tiles(w, packed, lowest=0, highest=-1):
    """Pack a range of filters in the order of the tiles. The first filter, o, starts at element o·taps."""


@correlation(
    fits=forward_fit("correlate_rows"),
    share=share_rows,
    packing="pack_tiles",
)
@in_c
def correlate_rows(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT, packed=False):
    """Compute y = w ⋆ x + b; see `epilogue.correlation` for the parameters."""
