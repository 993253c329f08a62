"""Group normalization and local response normalization, compiled. The equations are in reference/normalization.py.

The values of one group in one sample are contiguous, and form a row. Parts of a row are summed in the precision of the
arrays, and these sums are added in float64 (see `row_sums.py`). If a channel has a single element, every element of a
row has a different γ and β; otherwise they are constant over a channel.
"""

from collections.abc import Sequence
from typing import Any

from chainrule.engines.native.calls import in_c
from chainrule.engines.native.kernels.registry import Attributes, Shapes, like, operation


def _with_statistics(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shapes of y, mean and variance."""
    x = arrays[0]
    return [x.shape, *[(x.shape[0], attributes.get("groups", 1))] * 2]


def _of_parameters(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shapes of dγ and dβ."""
    channels = arrays[0].shape[1]
    return [(channels // attributes.get("groups", 1) if attributes.get("shared") else channels,)] * 2


@operation(_with_statistics)
@in_c
def group_norm(x, gamma, beta, y, mean, variance, groups=1, shared=False, epsilon=1e-5):
    """Compute mean, variance and y, one group of one sample at a time.

    shared  whether all groups have the same γ and β
    """


@operation(like(1))
@in_c
def group_norm_dx(dy, x, gamma, mean, variance, dx, groups=1, shared=False, epsilon=1e-5):
    """Compute dx = (γ dy − mean γ dy − x̂ mean(γ dy x̂))/√(σ² + ε). Means are over a group of one sample."""


@operation(_of_parameters, accumulates=True)
@in_c
def group_norm_dw(dy, x, mean, variance, dgamma, dbeta, groups=1, shared=False, epsilon=1e-5):
    """Add Σ dy x̂ to dγ and Σ dy to dβ. The samples of the block are summed in float64.

    Channel d of group g has the parameters with index k + d: those of its group or, if `shared`, those of all groups.
    A channel of one element needs no sum over elements.
    """


@operation(like(0))
@in_c
def local_response_norm(x, y, size=1, alpha=1e-4, beta=0.75, k=1.0):
    """Compute y = x s^−β, where s = k + α/size Σ x² over a window of `size` channels."""


@operation(like(0))
@in_c
def local_response_norm_dx(dy, x, dx, size=1, alpha=1e-4, beta=0.75, k=1.0):
    """Compute dx = dy s^−β − 2αβ/size · x Σ dy x s^(−β−1) over the window of channels.

    The first term is stored in dx, and the summands dy x s^(−β−1) of all channels in `products`. Then the sums over
    windows are subtracted.
    """
