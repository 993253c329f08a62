"""Cross-correlation and its gradients in JAX, and the dense layer.

Equations: `reference.convolution` and `reference.dense`.

The gradients of a cross-correlation with stride s and dilation d are cross-correlations, too. For dx, the rotated
kernel, dilated by d, slides over dy, dilated by s. For dw, the array dy, dilated by s, slides over x in steps of
d; the sums run over samples instead of channels.
"""

from typing import Any

from chainrule.core.shapes import NO_PADDING, Padding, Pair
from chainrule.engines.jax.arrays import Array, channel_axes, jnp, lax
from chainrule.engines.numpy.arrays import spread_bias

ONE: Pair = (1, 1)


def cross_correlate(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Pair = ONE,
    padding: Padding = NO_PADDING,
    dilation: Pair = ONE,
    groups: int = 1,
    flip: bool = False,
) -> Array:
    """Compute `reference.cross_correlate` with XLA's convolution, which does not flip the kernel."""
    y = _convolve(x, _rotated(w, flip), stride, padding, rhs_dilation=dilation, feature_group_count=groups)
    return y if b is None else y + spread_bias(b, 4)


def cross_correlate_dx(
    dy: Array,
    w: Array,
    *,
    size: Pair,
    stride: Pair = ONE,
    padding: Padding = NO_PADDING,
    dilation: Pair = ONE,
    groups: int = 1,
    flip: bool = False,
) -> Array:
    """Compute `reference.cross_correlate_dx`. Padding extends dx to its full size; negative padding crops it."""
    C_out, C_group, *kernel = w.shape
    rotated = _rotated(w, not flip).reshape(groups, C_out // groups, C_group, *kernel).swapaxes(1, 2)
    conv_padding: list[Pair] = []
    for axis in (0, 1):
        reach = dilation[axis] * (kernel[axis] - 1)
        before = padding[axis][0]
        last = stride[axis] * (dy.shape[2 + axis] - 1)
        conv_padding.append((reach - before, size[axis] - 1 - last + before))
    return _convolve(
        dy,
        rotated.reshape(groups * C_group, C_out // groups, *kernel),
        ONE,
        conv_padding,
        lhs_dilation=stride,
        rhs_dilation=dilation,
        feature_group_count=groups,
    )


def cross_correlate_dw(
    x: Array,
    dy: Array,
    *,
    kernel: Pair,
    stride: Pair = ONE,
    padding: Padding = NO_PADDING,
    dilation: Pair = ONE,
    groups: int = 1,
    flip: bool = False,
) -> Array:
    """Compute `reference.cross_correlate_dw`. Padding extends dw to its full size; negative padding crops it."""
    conv_padding: list[Pair] = []
    for axis in (0, 1):
        reach = dilation[axis] * (kernel[axis] - 1)
        before = padding[axis][0]
        last = stride[axis] * (dy.shape[2 + axis] - 1)
        conv_padding.append((before, reach + last + 1 - x.shape[2 + axis] - before))
    dw = _convolve(
        x,
        dy,
        dilation,
        conv_padding,
        rhs_dilation=stride,
        dimension_numbers=("CNHW", "IOHW", "CNHW"),
        batch_group_count=groups,
    )
    return _rotated(dw, flip)


def _convolve(*arguments: Any, **options: Any) -> Array:
    """Compute XLA's convolution. In float64, a barrier prevents fusion with subsequent operations.

    On GPUs, XLA fuses a multiplication by a constant, such as the factor 4/3 of dropout, into cuDNN's convolution and
    rounds the constant to float32. In JAX 0.11.2, this caused relative errors of 3·10⁻⁸ in gradients.
    """
    y = lax.conv_general_dilated(*arguments, **options)
    return lax.optimization_barrier(y) if y.dtype == jnp.float64 else y


def _rotated(w: Array, flip: bool) -> Array:
    """Return the kernel, rotated by 180° if `flip`."""
    return w[:, :, ::-1, ::-1] if flip else w


def dense(x: Array, w: Array, b: Array | None = None) -> Array:
    """Compute `reference.dense` as one matrix product for the whole batch."""
    return x @ w.T if b is None else x @ w.T + b


def add_bias(x: Array, b: Array) -> Array:
    """Compute `reference.add_bias` by broadcasting."""
    return x + spread_bias(b, x.ndim)


def constant(x: Array, b: Array) -> Array:
    """Compute `reference.constant` as copies."""
    return jnp.tile(b, (len(x), 1))


def bias_gradient(dy: Array, *, untied: bool = False) -> Array:
    """Compute `reference.bias_gradient` as one reduction over all axes along which the bias is broadcast."""
    return dy.sum(axis=0 if untied else channel_axes(dy))
