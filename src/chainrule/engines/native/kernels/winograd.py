"""Cross-correlation with stride 1, and its gradients, with Winograd's algorithms, in kernels/winograd.c."""

from collections.abc import Sequence
from typing import Any

from chainrule.engines.native.calls import in_c
from chainrule.engines.native.kernels.choice import forward_fit, input_gradient_fit, kernel_gradient_fit
from chainrule.engines.native.kernels.epilogue import NO_EPILOGUE, WHOLE_RESULT, correlation
from chainrule.engines.native.kernels.layout import (
    PLAIN_WINDOW,
    conflict_free_stride,
    correlate_dw_shape,
    correlate_dx_shape,
)
from chainrule.engines.native.kernels.registry import Attributes, Shapes, Share, lanes, operation, rows_or_filters
from chainrule.engines.native.kernels.transposing import MAX_LANES

POINTS = 36


def share_tiled_rows(shape: tuple[int, ...], itemsize: int, attributes: Attributes) -> Share:
    """Return the division of a result by rows of tiles or by vectors of filters."""
    vector = lanes(itemsize)
    vectors = -(-shape[0] // vector)
    return rows_or_filters(
        shape, vector, -(-vectors // 2) / vectors, tile_height=4 * attributes.get("dilation", (1, 1))[0]
    )


def points_shape(arrays: Sequence[Any], _: Attributes) -> Shapes:
    """Return the number of elements of the weights at the points."""
    filters, channels = arrays[0].shape[:2]
    return [(POINTS * conflict_free_stride(channels * -(-filters // MAX_LANES) * MAX_LANES),)]


@operation(points_shape, part_of="cross_correlate")
@in_c
def pack_points(w, packed, window=PLAIN_WINDOW, lowest=0, highest=-1):
    """Transform a range of filters. The first filter, o, starts at element o·channels of each point's matrix."""


@correlation(fits=forward_fit("correlate_winograd"), share=share_tiled_rows, packing="pack_points")
@in_c
def correlate_winograd(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT, packed=False):
    """Compute y = w ⋆ x + b for kernels of 3×3; see `epilogue.correlation` for the parameters.

    `chunk.first` must be a multiple of 4 times the dilation: the tiles then do not depend on the division into chunks.
    """


@operation(correlate_dx_shape, fits=input_gradient_fit("correlate_winograd_dx"))
@in_c
def correlate_winograd_dx(dy, w, dx, window=PLAIN_WINDOW):
    """Compute dx[c, i] = Σ_{o, u} w[o, c, u] dy[o, i + p − d u], on both axes, for kernels of 3×3."""


@operation(correlate_dw_shape, accumulates=True, fits=kernel_gradient_fit("correlate_winograd_dw"))
@in_c
def correlate_winograd_dw(x, dy, dw, window=PLAIN_WINDOW):
    """Add x ⋆ dy to dw, summed over the samples of a block, for kernels of 3×3."""


@correlation(fits=forward_fit("correlate_winograd_5x5"), share=share_tiled_rows, packing="pack_points")
@in_c
def correlate_winograd_5x5(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT, packed=False):
    """Compute y = w ⋆ x + b for kernels of 5×5, as `correlate_winograd` does."""


@operation(correlate_dx_shape, fits=input_gradient_fit("correlate_winograd_5x5_dx"))
@in_c
def correlate_winograd_5x5_dx(dy, w, dx, window=PLAIN_WINDOW):
    """Compute dx[c, i] = Σ_{o, u} w[o, c, u] dy[o, i + p − d u], on both axes, for kernels of 5×5."""


@operation(correlate_dw_shape, accumulates=True, fits=kernel_gradient_fit("correlate_winograd_5x5_dw"))
@in_c
def correlate_winograd_5x5_dw(x, dy, dw, window=PLAIN_WINDOW):
    """Add x ⋆ dy to dw, summed over the samples of a block, for kernels of 5×5."""
