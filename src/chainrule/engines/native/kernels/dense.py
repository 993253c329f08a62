"""The dense layer and its gradients, in kernels/dense.c. The equations are in reference/dense.py."""

from chainrule.engines.native.calls import in_c
from chainrule.engines.native.kernels.registry import SHARED_FROM, Attributes, Share, like, operation
from chainrule.engines.native.library import COUNT, WIDTH

SINGLE_TILE_ROWS = 8  # vectors of a row of W in a tile for a single sample; as in dense.c
TILE_COLUMNS = 8 if COUNT == 32 else 6  # rows of W in a tile of its gradient


@operation(lambda arrays, attributes: [(arrays[0].shape[0], arrays[1].shape[0])], shared_from=SHARED_FROM)
@in_c
def dense(x, w, b, y, first=0, last=-1):
    """Compute y[n] = W x[n] + b for all rows of W, or for the rows `first` to `last` − 1 of a thread's chunk."""


def share_columns(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Return the division of the columns of the weights, in whole tiles."""
    return Share(("left", "right"), shape[0], SINGLE_TILE_ROWS * (WIDTH // itemsize))


@operation(
    lambda arrays, attributes: [(arrays[0].shape[0], arrays[1].shape[1])], share=share_columns, shared_from=SHARED_FROM
)
@in_c
def dense_dx(dy, w, dx, left=0, right=-1):
    """Compute dx[n] = Wᵀ dy[n] for all columns of W, or for the columns `left` to `right` − 1 of a thread's chunk."""


def share_rows(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Return the division of the rows of the weights, in whole tiles."""
    return Share(("first", "last"), shape[0], TILE_COLUMNS)


@operation(
    lambda arrays, operands: [(arrays[1].shape[1], arrays[0].shape[1])],
    accumulates=True,
    outer_product=True,
    share=share_rows,
)
@in_c
def dense_dw(x, dy, dw, fresh=False, first=0, last=-1):
    """Add Σ_n dy[n] x[n]ᵀ to dW, or overwrite dW if `fresh`, for the rows `first` to `last` − 1 of a thread's chunk."""


@operation(like(0), flat=("b",))
@in_c
def add_bias(x, b, y):
    """Compute y = x + b, where b has one element per channel, or one per channel and position (untied)."""


@operation(lambda arrays, attributes: [(arrays[0].shape[0], arrays[1].shape[0])])
@in_c
def constant(x, b, y):
    """Write the constants b to every sample of y."""


@operation(
    lambda arrays, attributes: [arrays[0].shape[1:] if attributes.get("untied") else arrays[0].shape[1:2]],
    accumulates=True,
    flat=("db",),
)
@in_c
def bias_gradient(dy, db, untied=False):
    """Add the sum of dy over the samples to db. Unless the bias is untied, also sum over the positions."""
