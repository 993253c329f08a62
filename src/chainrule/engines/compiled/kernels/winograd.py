"""Cross-correlation with stride 1, and its gradients, with Winograd's algorithms F(4×4, 3×3) and F(2×2, 5×5).

In the equations, p is the padding at the start of an axis, and d is the dilation.
"""

from chainrule.engines.compiled.compiler import kernel
from chainrule.engines.compiled.kernels.choice import forward_fit, input_gradient_fit, kernel_gradient_fit
from chainrule.engines.compiled.kernels.epilogue import NO_EPILOGUE, WHOLE_RESULT, correlation
from chainrule.engines.compiled.kernels.layout import PLAIN_WINDOW, correlate_dw_shape, correlate_dx_shape
from chainrule.engines.compiled.kernels.registry import operation
from chainrule.engines.compiled.kernels.winograd_tiles import (
    correlate_at_points,
    correlate_at_points_dw,
    correlate_at_points_dx,
    share_tiled_rows,
)

IN_3X3 = 3, 4  # weights and results of a tile along each axis
IN_5X5 = 5, 2


@correlation(fits=forward_fit("correlate_winograd"), share=share_tiled_rows, packing="pack_points")
@kernel
def correlate_winograd(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT, packed=False):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    See `epilogue.correlation` for the parameters. `chunk.first` must be a multiple of 4 times the dilation: the
    tiles then do not depend on the division into chunks.
    """
    correlate_at_points(x, w, b, y, window, epilogue, chunk, packed, IN_3X3[1])


@operation(correlate_dx_shape, fits=input_gradient_fit("correlate_winograd_dx"))
@kernel
def correlate_winograd_dx(dy, w, dx, window=PLAIN_WINDOW):
    """Compute dx[c, i] = Σ_{o, u} w[o, c, u] dy[o, i + p − d u], on both axes."""
    correlate_at_points_dx(dy, w, dx, window, *IN_3X3)


@operation(
    correlate_dw_shape,
    accumulates=True,
    fits=kernel_gradient_fit("correlate_winograd_dw"),
)
@kernel
def correlate_winograd_dw(x, dy, dw, window=PLAIN_WINDOW):
    """Add x ⋆ dy to dw, summed over the samples of a block."""
    correlate_at_points_dw(x, dy, dw, window, *IN_3X3)


@correlation(fits=forward_fit("correlate_winograd_5x5"), share=share_tiled_rows, packing="pack_points")
@kernel
def correlate_winograd_5x5(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT, packed=False):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    See `epilogue.correlation` for the parameters. `chunk.first` must be a multiple of 2 times the dilation: the
    tiles then do not depend on the division into chunks.
    """
    correlate_at_points(x, w, b, y, window, epilogue, chunk, packed, IN_5X5[1])


@operation(correlate_dx_shape, fits=input_gradient_fit("correlate_winograd_5x5_dx"))
@kernel
def correlate_winograd_5x5_dx(dy, w, dx, window=PLAIN_WINDOW):
    """Compute dx[c, i] = Σ_{o, u} w[o, c, u] dy[o, i + p − d u], on both axes."""
    correlate_at_points_dx(dy, w, dx, window, *IN_5X5)


@operation(
    correlate_dw_shape,
    accumulates=True,
    fits=kernel_gradient_fit("correlate_winograd_5x5_dw"),
)
@kernel
def correlate_winograd_5x5_dw(x, dy, dw, window=PLAIN_WINDOW):
    """Add x ⋆ dy to dw, summed over the samples of a block."""
    correlate_at_points_dw(x, dy, dw, window, *IN_5X5)
