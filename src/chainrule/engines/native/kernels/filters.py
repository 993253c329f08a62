"""Cross-correlation and its kernel gradient with vectors of filters; see native/kernels/filters.c."""

from chainrule.engines.native.calls import in_c
from chainrule.engines.native.kernels.choice import forward_fit, kernel_gradient_fit
from chainrule.engines.native.kernels.epilogue import (
    EPILOGUES,
    NO_EPILOGUE,
    WHOLE_RESULT,
    correlation,
    has_no_factors,
)
from chainrule.engines.native.kernels.layout import PLAIN_WINDOW, correlate_dw_shape
from chainrule.engines.native.kernels.registry import Attributes, Share, lanes, operation, rows_or_filters
from chainrule.engines.native.kernels.row_tiles import FILTER_COLUMNS

TRANSPOSITION_COST = 9  # outputs that take as long as transposing the weights


def share_filters(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Return the division of a result by rows or by vectors of filters.

    If rows are divided, each thread transposes all weights, which takes as long as `TRANSPOSITION_COST` outputs.
    """
    (height, width), vector = shape[-2:], lanes(itemsize)
    vectors = -(-shape[0] // vector)
    rows = (_in_tiles(-(-height // 2) * width) + TRANSPOSITION_COST) / (_in_tiles(height * width) + TRANSPOSITION_COST)
    return rows_or_filters(shape, vector, -(-vectors // 2) / vectors, rows)


def _in_tiles(outputs: int) -> int:
    """Return a number of outputs rounded up to whole tiles."""
    return -(-outputs // FILTER_COLUMNS) * FILTER_COLUMNS


@correlation(
    fits=forward_fit("correlate_filters"),
    share=share_filters,
    epilogues={**EPILOGUES, "pooled": has_no_factors},
    packing="pack_panels",
)
@in_c
def correlate_filters(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT, packed=False):
    """Compute y = w ⋆ x + b for every sample of a block. See `epilogue.correlation` for the parameters.

    With `epilogue.pooled`, the four results of a window are not stored.
    """


@operation(
    correlate_dw_shape,
    accumulates=True,
    fits=kernel_gradient_fit("correlate_filters_dw"),
)
@in_c
def correlate_filters_dw(x, dy, dw, window=PLAIN_WINDOW):
    """Add x ⋆ dy to dw, summed over the samples of a block."""
