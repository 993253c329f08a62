"""Cross-correlation and its gradients for all windows, compiled; see native/kernels/convolution.c.

The equations are in reference/convolution.py.
"""

from chainrule.engines.native.calls import in_c
from chainrule.engines.native.kernels.epilogue import (
    EPILOGUES,
    NO_EPILOGUE,
    WHOLE_RESULT,
    correlation,
    has_tied_bias,
)
from chainrule.engines.native.kernels.layout import PLAIN_WINDOW, correlate_dw_shape, correlate_dx_shape
from chainrule.engines.native.kernels.registry import Attributes, Share, operation, rows_or_filters
from chainrule.engines.native.kernels.row_tiles import filters_per_tile


def share_tiles(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Return the division of a result by rows or by tiles of filters."""
    tile = filters_per_tile(shape[0])
    parts = -(-shape[0] // tile)
    return rows_or_filters(shape, tile, -(-parts // 2) / parts)


@correlation(
    share=share_tiles,
    epilogues={**EPILOGUES, "pooled": has_tied_bias},
)
@in_c
def cross_correlate(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT):
    """Compute y = w ⋆ x + b for every sample of a block. See `epilogue.correlation` for the parameters.

    `epilogue.pooled` requires a tied bias.
    """


@operation(correlate_dx_shape)
@in_c
def cross_correlate_dx(dy, w, dx, window=PLAIN_WINDOW):
    """Compute dx[c, s·i + r] = Σ_{o, u ≡ r} w[o, c, u] dy[o, i − d·u // s], on both axes, for each phase r."""


@operation(correlate_dw_shape, accumulates=True)
@in_c
def cross_correlate_dw(x, dy, dw, window=PLAIN_WINDOW):
    """Add x ⋆ dy to dw, summed over the samples of a block."""
