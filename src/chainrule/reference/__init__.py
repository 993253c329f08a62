"""The definition of every operation: its equation as literal loops, with which every engine is compared.

Any dtype: float32 and float64, and complex numbers where the mathematics allows it (for complex-step derivatives).
Slow on purpose; engines do the actual computation.
"""

from chainrule.reference.activations import (
    arctan,
    arctan_dx,
    gelu,
    gelu_dx,
    leaky_relu,
    leaky_relu_dx,
    relu,
    relu_dx,
    sigmoid,
    sigmoid_dx,
    softmax,
    softmax_dx,
    tanh,
    tanh_dx,
)
from chainrule.reference.bias import add_bias, bias_gradient
from chainrule.reference.convolution import cross_correlate, cross_correlate_dw, cross_correlate_dx
from chainrule.reference.dense import dense, dense_dw, dense_dx
from chainrule.reference.dropout import dropout
from chainrule.reference.losses import (
    absolute_error,
    binary_cross_entropy,
    binary_cross_entropy_dp,
    categorical_cross_entropy,
    categorical_cross_entropy_dp,
    correct,
    correct_labels,
    half_squared_error,
    half_squared_error_dp,
    mean_squared_error,
    mean_squared_error_dp,
    softmax_cross_entropy,
    softmax_cross_entropy_dp,
)
from chainrule.reference.normalization import (
    batch_norm,
    batch_norm_dw,
    batch_norm_dx,
    batch_norm_inference,
    running_statistics,
)
from chainrule.reference.pooling import average_pool, average_pool_dx, max_pool, max_pool_dx
from chainrule.reference.updates import adam_update, momentum_update, rmsprop_update, sgd_update

__all__ = [
    "absolute_error",
    "adam_update",
    "add_bias",
    "arctan",
    "arctan_dx",
    "average_pool",
    "average_pool_dx",
    "batch_norm",
    "batch_norm_dw",
    "batch_norm_dx",
    "batch_norm_inference",
    "bias_gradient",
    "binary_cross_entropy",
    "binary_cross_entropy_dp",
    "categorical_cross_entropy",
    "categorical_cross_entropy_dp",
    "correct",
    "correct_labels",
    "cross_correlate",
    "cross_correlate_dw",
    "cross_correlate_dx",
    "dense",
    "dense_dw",
    "dense_dx",
    "dropout",
    "gelu",
    "gelu_dx",
    "half_squared_error",
    "half_squared_error_dp",
    "leaky_relu",
    "leaky_relu_dx",
    "max_pool",
    "max_pool_dx",
    "mean_squared_error",
    "mean_squared_error_dp",
    "momentum_update",
    "relu",
    "relu_dx",
    "rmsprop_update",
    "running_statistics",
    "sgd_update",
    "sigmoid",
    "sigmoid_dx",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_dp",
    "softmax_dx",
    "tanh",
    "tanh_dx",
]
