"""Cross-correlation and its gradients for small groups, in particular depthwise ones, in kernels/depthwise.c."""

from collections.abc import Sequence
from typing import Any

from chainrule.engines.native.calls import in_c
from chainrule.engines.native.kernels.epilogue import (
    NO_EPILOGUE,
    WHOLE_RESULT,
    correlation,
    has_tied_bias,
)
from chainrule.engines.native.kernels.layout import PLAIN_WINDOW, correlate_dw_shape, correlate_dx_shape
from chainrule.engines.native.kernels.registry import Attributes, Conditions, Share, operation
from chainrule.engines.native.kernels.transposing import panels_shape
from chainrule.engines.native.library import WIDTH

MAX_SUMMED = 4  # channels (or filters) per group that are summed
LANES_PER_GROUP = 3  # lanes in this file that take as long as a group in convolution.py


def filters_are_few(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
    """Return whether a cross-correlation of (x, w, b) has small groups and a tied bias."""
    (outs, ins, *_), groups = arrays[1].shape, attributes.get("groups", 1)
    return _are_small(groups, outs, ins, itemsize) and has_tied_bias(arrays)


def channels_are_few(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
    """Return whether an input gradient from (dy, w) has small groups."""
    (outs, ins, *_), groups = arrays[1].shape, attributes.get("groups", 1)
    return _are_small(groups, ins * groups, outs // groups, itemsize)


def gradients_are_few(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
    """Return whether a kernel gradient from (x, dy) has small groups."""
    groups = attributes.get("groups", 1)
    return _are_small(groups, arrays[1].shape[-3], arrays[0].shape[-3] // groups, itemsize)


def _are_small(groups: int, side_by_side: int, summed: int, itemsize: int) -> bool:
    """Return whether there are several groups, each with few channels or filters to sum and few lanes.

    At most `MAX_SUMMED` channels or filters are summed. On average, the vectors have at most `LANES_PER_GROUP` lanes
    per group, including the unused lanes of the last vector.
    """
    lanes = WIDTH // itemsize
    return groups > 1 and summed <= MAX_SUMMED and LANES_PER_GROUP * groups >= -(-side_by_side // lanes) * lanes


def share_vectors(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Return the division of the filters, in whole vectors.

    Even tall images are not divided by rows, because threads would write to the same cache lines.
    """
    lanes = WIDTH // itemsize
    vectors = -(-shape[0] // lanes)
    return Share(("lowest", "highest"), shape[0], lanes, -(-vectors // 2) / vectors)


@operation(panels_shape, part_of="cross_correlate")
@in_c
def pack_lanes(w, packed, lowest=0, highest=-1):
    """Pack a range of filters into vectors with a lane per filter. The first filter, o, starts at element o·taps."""


@correlation(share=share_vectors, fits=filters_are_few, packing="pack_lanes")
@in_c
def correlate_few(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT, packed=False):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's filters of one image.

    See `epilogue.correlation` for the parameters.
    """


@operation(correlate_dx_shape, fits=channels_are_few)
@in_c
def correlate_few_dx(dy, w, dx, window=PLAIN_WINDOW):
    """Compute dx[c, s·q + r] = Σ_{o, d·u ≡ r} w[o, c, u] dy[o, q − d·u // s] on both axes, for phase r.

    s·q + r is a row, or column, of padded dx. The congruence ≡ is modulo the stride s, and d is the dilation.
    """


@operation(correlate_dw_shape, accumulates=True, fits=gradients_are_few)
@in_c
def correlate_few_dw(x, dy, dw, window=PLAIN_WINDOW):
    """Add x ⋆ dy to dw, summed over the samples of a block.

    A vector contains `lanes` filters; lane k is filter first + k, or repeats the last filter. For each filter, its
    upstream gradient and the channels of its group are copied to the lane. The vectors are:

        frame.rows    element p of channel c of the group    at c · plane + cells[p]
        upstream      output q                               at q · lanes
        vectors       weight t of the filter                 at t · lanes; the last tile of taps is filled up
    """
