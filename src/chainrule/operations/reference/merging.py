"""Operations that join branches: sums and products of two tensors, broadcasting, and concatenation.

Derived step by step in docs/derivations/merging.md.
"""

import numpy as np

from chainrule.core.shapes import text
from chainrule.errors import ShapeError
from chainrule.operations.reference.windows import Array, check_same, real_part


def add(a: Array, b: Array) -> Array:
    """Add two tensors.

    y[n,c,i,j] = a[n,c,i,j] + b[n,c,i,j]

    Used to join branches, and to sum the parts of a gradient when several layers read the same tensor.

    Shapes   a, b (N, …) the same  →  y like a
    Kept     nothing
    Errors   ShapeError when the shapes differ
    Source   He et al. 2015 eq. 1
    """
    y = _empty_result("add", a, b)
    for index in np.ndindex(a.shape):
        y[index] = a[index] + b[index]
    return y


def add_dx(dy: Array) -> Array:
    """dx[n,c,i,j] = dy[n,c,i,j]

    The gradient is the same for both summands.

    Source   docs/derivations/merging.md
    """
    dx = np.empty_like(dy)
    for index in np.ndindex(dy.shape):
        dx[index] = dy[index]
    return dx


def multiply(a: Array, b: Array) -> Array:
    """Multiply two tensors element by element.

    y[n,c,i,j] = a[n,c,i,j] · b[n,c,i,j]

    The gradients are computed by the same operation: da = dy · b and db = dy · a.

    Shapes   a, b (N, …) the same  →  y like a
    Kept     a, b
    Errors   ShapeError when the shapes differ
    Source   Hu et al. 2017 eq. 4
    """
    y = _empty_result("multiply", a, b)
    for index in np.ndindex(a.shape):
        y[index] = a[index] * b[index]
    return y


def maximum(a: Array, b: Array) -> Array:
    """Take the larger of two tensors, element by element; NaN propagates.

    y[n,c,i,j] = max(a[n,c,i,j], b[n,c,i,j])

    Shapes   a, b (N, …) the same  →  y like a
    Kept     a, b
    Errors   ShapeError when the shapes differ
    Source   Goodfellow et al. 2013; docs/derivations/merging.md
    """
    y = _empty_result("maximum", a, b)
    for index in np.ndindex(a.shape):
        y[index] = b[index] if real_part(a[index]) < real_part(b[index]) or np.isnan(b[index]) else a[index]
    return y


def maximum_dx(dy: Array, x: Array, other: Array) -> Array:
    """dx[n,c,i,j] = dy[n,c,i,j] if x[n,c,i,j] > other[n,c,i,j], dy[n,c,i,j]/2 if x[n,c,i,j] = other[n,c,i,j], else 0

    Equal elements share the gradient, so that the gradients of a and b add up to dy. If one of the two is NaN, both get
    dy. The gradient of x in a minimum is maximum_dx(dy, other, x).

    Source   docs/derivations/merging.md
    """
    check_same("maximum_dx", dy=dy, x=x, other=other)
    dx = np.empty_like(dy)
    for index in np.ndindex(dy.shape):
        if x[index] == other[index]:
            dx[index] = dy[index] / 2
        else:
            dx[index] = 0 if x[index] < other[index] else dy[index]
    return dx


def minimum(a: Array, b: Array) -> Array:
    """Take the smaller of two tensors, element by element; NaN propagates.

    y[n,c,i,j] = min(a[n,c,i,j], b[n,c,i,j])

    Shapes   a, b (N, …) the same  →  y like a
    Kept     a, b
    Errors   ShapeError when the shapes differ
    Source   docs/derivations/merging.md
    """
    y = _empty_result("minimum", a, b)
    for index in np.ndindex(a.shape):
        y[index] = b[index] if real_part(b[index]) < real_part(a[index]) or np.isnan(b[index]) else a[index]
    return y


def where(test: Array, a: Array, b: Array) -> Array:
    """Take one of two tensors, element by element; the other has no effect, even if it is infinite or NaN.

    y[n,c,i,j] = b[n,c,i,j] if test[n,c,i,j] = 0, else a[n,c,i,j]

    Shapes   test, a, b (N, …) the same  →  y like a
    Kept     test
    Errors   ShapeError when the shapes differ
    Source   docs/derivations/merging.md
    """
    check_same("where", test=test, a=a, b=b)
    y = np.empty_like(a)
    for index in np.ndindex(a.shape):
        y[index] = b[index] if test[index] == 0 else a[index]
    return y


def where_da(dy: Array, test: Array) -> Array:
    """da[n,c,i,j] = 0 if test[n,c,i,j] = 0, else dy[n,c,i,j]

    Source   docs/derivations/merging.md
    """
    check_same("where_da", dy=dy, test=test)
    da = np.empty_like(dy)
    for index in np.ndindex(dy.shape):
        da[index] = 0 if test[index] == 0 else dy[index]
    return da


def where_db(dy: Array, test: Array) -> Array:
    """db[n,c,i,j] = dy[n,c,i,j] if test[n,c,i,j] = 0, else 0

    Source   docs/derivations/merging.md
    """
    check_same("where_db", dy=dy, test=test)
    db = np.empty_like(dy)
    for index in np.ndindex(dy.shape):
        db[index] = dy[index] if test[index] == 0 else 0
    return db


def greater(a: Array, b: Array) -> Array:
    """Compute whether each element of a is greater than that of b: 1 or 0; 0 if one of them is NaN.

    y[n,c,i,j] = 1 if a[n,c,i,j] > b[n,c,i,j], else 0

    Shapes   a, b (N, …) the same  →  y like a
    Kept     nothing
    Errors   ShapeError when the shapes differ
    Source   docs/derivations/merging.md
    """
    y = _empty_result("greater", a, b)
    for index in np.ndindex(a.shape):
        y[index] = 1 if real_part(a[index]) > real_part(b[index]) else 0
    return y


def equal(a: Array, b: Array) -> Array:
    """Compute whether each element of a equals that of b: 1 or 0; 0 if one of them is NaN.

    y[n,c,i,j] = 1 if a[n,c,i,j] = b[n,c,i,j], else 0

    Shapes   a, b (N, …) the same  →  y like a
    Kept     nothing
    Errors   ShapeError when the shapes differ
    Source   docs/derivations/merging.md
    """
    y = _empty_result("equal", a, b)
    for index in np.ndindex(a.shape):
        y[index] = a[index] == b[index]
    return y


def expand_positions(x: Array, *, size: tuple[int, ...]) -> Array:
    """Repeat the value of each channel at every position.

    y[n,c,i,j] = x[n,c]

    Shapes   x (N, C), size (H, W)  →  y (N, C, H, W)
    Kept     nothing
    Errors   ShapeError when x has other axes
    Source   Hu et al. 2017 eq. 4
    """
    _check_axes("expand_positions", "x", x, 2)
    y = np.empty((*x.shape, *size), x.dtype)
    for n, c, i, j in np.ndindex(y.shape):
        y[n, c, i, j] = x[n, c]
    return y


def expand_positions_dx(dy: Array) -> Array:
    """dx[n,c] = Σ_{i,j} dy[n,c,i,j]

    Source   docs/derivations/merging.md
    """
    _check_axes("expand_positions_dx", "dy", dy, 4)
    dx = np.zeros(dy.shape[:2], dy.dtype)
    for n, c, i, j in np.ndindex(dy.shape):
        dx[n, c] += dy[n, c, i, j]
    return dx


def expand_channels(x: Array, *, channels: int) -> Array:
    """Repeat a single-channel image in every channel.

    y[n,c,i,j] = x[n,i,j]

    Shapes   x (N, H, W)  →  y (N, channels, H, W)
    Kept     nothing
    Errors   ShapeError when x has other axes
    Source   Woo et al. 2018 eq. 2
    """
    _check_axes("expand_channels", "x", x, 3)
    y = np.empty((len(x), channels, *x.shape[1:]), x.dtype)
    for n, c, i, j in np.ndindex(y.shape):
        y[n, c, i, j] = x[n, i, j]
    return y


def expand_channels_dx(dy: Array) -> Array:
    """dx[n,i,j] = Σ_{c} dy[n,c,i,j]

    Source   docs/derivations/merging.md
    """
    _check_axes("expand_channels_dx", "dy", dy, 4)
    dx = np.zeros((len(dy), *dy.shape[2:]), dy.dtype)
    for n, c, i, j in np.ndindex(dy.shape):
        dx[n, i, j] += dy[n, c, i, j]
    return dx


def concatenate(*parts: Array, axis: int = 0) -> Array:
    """Concatenate tensors along an axis of the sample.

    y[n,c,i,j] = x_k[n,c − o_k,i,j]        along the channels: o_k ≤ c < o_k + C_k, o_k = C_1 + … + C_(k−1)

    The gradient of each tensor is the corresponding slice of dy.

    Shapes   x_k (N, C_k, H, W), equal except along the axis  →  y (N, C_1 + C_2 + …, H, W)
    Kept     nothing
    Errors   ShapeError when other axes differ
    Source   Szegedy et al. 2014 section 4
    """
    first = parts[0].shape
    if any(part.ndim != len(first) or _without(part.shape, axis) != _without(first, axis) for part in parts):
        shapes = ", ".join(text(part.shape) for part in parts)
        raise ShapeError(f"concatenate: {shapes} differ along an axis other than {axis}")
    shape = [*first]
    shape[axis + 1] = sum(part.shape[axis + 1] for part in parts)
    y = np.empty(shape, np.result_type(*parts))
    offset = 0
    for part in parts:
        for index in np.ndindex(part.shape):
            place = [*index]
            place[axis + 1] += offset
            y[tuple(place)] = part[index]
        offset += part.shape[axis + 1]
    return y


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """Return a shape with one axis of the sample removed."""
    return shape[: axis + 1] + shape[axis + 2 :]


def _empty_result(operation: str, a: Array, b: Array) -> Array:
    """Check that the shapes are equal, and return an empty array of this shape and the common dtype."""
    check_same(operation, a=a, b=b)
    return np.empty(a.shape, np.result_type(a, b))


def _check_axes(name: str, own: str, x: Array, axes: int) -> None:
    if x.ndim != axes:
        raise ShapeError(f"{name}: {own} is {text(x.shape) or 'a single number'}; expected {axes} axes")
