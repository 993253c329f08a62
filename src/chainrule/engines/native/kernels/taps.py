"""Cross-correlation and its gradients tap by tap, with vectors of filters; see native/kernels/taps.c."""

from chainrule.engines.native.calls import in_c
from chainrule.engines.native.kernels.choice import forward_fit, input_gradient_fit, kernel_gradient_fit
from chainrule.engines.native.kernels.epilogue import NO_EPILOGUE, WHOLE_RESULT, correlation
from chainrule.engines.native.kernels.filters import share_filters
from chainrule.engines.native.kernels.layout import PLAIN_WINDOW, correlate_dw_shape, correlate_dx_shape
from chainrule.engines.native.kernels.registry import operation
from chainrule.engines.native.kernels.transposing import panels_shape


@operation(panels_shape, part_of="cross_correlate")
@in_c
def pack_taps(w, packed, lowest=0, highest=-1):
    """Pack a range of filters into panels as `pack_panels` does, but in the order of the taps, not of the channels."""


@correlation(fits=forward_fit("correlate_taps"), share=share_filters, packing="pack_taps")
@in_c
def correlate_taps(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT, packed=False):
    """Compute y = w ⋆ x + b for every sample of a block. See `epilogue.correlation` for the parameters."""


@operation(correlate_dx_shape, fits=input_gradient_fit("correlate_taps_dx"))
@in_c
def correlate_taps_dx(dy, w, dx, window=PLAIN_WINDOW):
    """Compute dx[c, p] = Σ_(u, v) Σ_o w[o, c, u, v] dy[o, q], where output q reads element p under tap (u, v)."""


@operation(correlate_dw_shape, accumulates=True, fits=kernel_gradient_fit("correlate_taps_dw"))
@in_c
def correlate_taps_dw(x, dy, dw, window=PLAIN_WINDOW):
    """Add Σ_(p, q) x[c, p] dy[o, q] to dw[o, c, u, v], over the pairs (p, q) of tap (u, v)."""
