"""Operations that join branches: sums and products of two tensors, broadcasting, and concatenation.

Derived step by step in docs/derivations/merging.md.
"""

import numpy as np

from chainrule.core.shapes import is_repeatable, text
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


def broadcast(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Repeat every sample along its axes of size 1.

    y[n,m] = x[n,k] where k[a] = 0 for every axis a of size 1 in x, and k[a] = m[a] for the others

    m and k are indices of elements within a sample.

    Shapes   x (N, …), with 1 or the size in `shape` along each axis  →  y (N, *shape)
    Kept     nothing
    Errors   ShapeError when x cannot be repeated to the shape
    Source   ONNX Expand; numpy.broadcast_to
    """
    _check_repeatable("broadcast", x.shape[1:], shape)
    y = np.empty((len(x), *shape), x.dtype)
    for n, *m in np.ndindex(y.shape):
        y[n, *m] = x[n, *_repeated(m, x.shape[1:])]
    return y


def broadcast_dx(dy: Array, *, shape: tuple[int, ...]) -> Array:
    """dx[n,k] = Σ_{m} dy[n,m], over all elements m of a sample that repeat the element k

    ``shape`` is the shape of a sample of x.

    Source   docs/derivations/merging.md
    """
    _check_repeatable("broadcast_dx", shape, dy.shape[1:])
    dx = np.zeros((len(dy), *shape), dy.dtype)
    for n, *m in np.ndindex(dy.shape):
        dx[n, *_repeated(m, shape)] += dy[n, *m]
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


def _check_repeatable(name: str, shape: tuple[int, ...], whole: tuple[int, ...]) -> None:
    if not is_repeatable(shape, whole):
        raise ShapeError(f"{name}: {text(shape)} cannot be repeated to {text(whole)}")


def _repeated(m: list[int], shape: tuple[int, ...]) -> list[int]:
    """Return the indices of the element that is repeated at m: 0 along axes of size 1."""
    return [min(index, size - 1) for index, size in zip(m, shape, strict=True)]
