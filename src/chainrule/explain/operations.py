"""Which function explains which operation."""

from collections.abc import Callable

from chainrule import operations
from chainrule.explain import activations, dropout, equations, losses, normalization, pooling
from chainrule.explain.record import Made
from chainrule.explain.site import Site
from chainrule.layers.activations import ELEMENTWISE

Explainer = Callable[[Site], Made]

EXPLAINERS: dict[str, Explainer] = {
    **dict.fromkeys((name for name, entry in operations.entries().items() if "equation" in entry), equations.explain),
    "max_pool": pooling.max_pool,
    "max_pool_dx": pooling.max_pool_dx,
    "average_pool": pooling.average_pool,
    "average_pool_dx": pooling.average_pool_dx,
    **dict.fromkeys(ELEMENTWISE, activations.activation),
    **{f"{name}_dx": activations.activation_dx for name in ELEMENTWISE},
    "softmax": activations.softmax,
    "softmax_dx": activations.softmax_dx,
    "dropout": dropout.dropout,
    "batch_norm": normalization.batch_norm,
    "batch_norm_dx": normalization.batch_norm_dx,
    "batch_norm_dw": normalization.batch_norm_dw,
    "running_statistics": normalization.running_statistics,
    **losses.EXPLAINERS,
}
