"""Which function explains which operation."""

from collections.abc import Callable

from chainrule.explain import activations, bias, convolution, dense, dropout, losses, normalization, pooling
from chainrule.explain.record import Made
from chainrule.explain.site import Site

Explainer = Callable[[Site], Made]

ACTIVATIONS = ("sigmoid", "tanh", "arctan", "relu", "leaky_relu", "gelu")

EXPLAINERS: dict[str, Explainer] = {
    "cross_correlate": convolution.cross_correlate,
    "cross_correlate_dx": convolution.cross_correlate_dx,
    "cross_correlate_dw": convolution.cross_correlate_dw,
    "add_bias": bias.add_bias,
    "bias_gradient": bias.bias_gradient,
    "max_pool": pooling.max_pool,
    "max_pool_dx": pooling.max_pool_dx,
    "average_pool": pooling.average_pool,
    "average_pool_dx": pooling.average_pool_dx,
    "dense": dense.dense,
    "dense_dx": dense.dense_dx,
    "dense_dw": dense.dense_dw,
    **dict.fromkeys(ACTIVATIONS, activations.activation),
    **{f"{name}_dx": activations.activation_dx for name in ACTIVATIONS},
    "softmax": activations.softmax,
    "softmax_dx": activations.softmax_dx,
    "dropout": dropout.dropout,
    "batch_norm": normalization.batch_norm,
    "batch_norm_dx": normalization.batch_norm_dx,
    "batch_norm_dw": normalization.batch_norm_dw,
    "running_statistics": normalization.running_statistics,
    **losses.EXPLAINERS,
}
