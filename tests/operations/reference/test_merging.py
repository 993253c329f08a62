"""Where branches meet: a residual block by hand, NumPy, finite differences."""

from functools import partial

import numpy as np
import pytest
from numerical import assert_gradient, frozen, normals

from chainrule.errors import ShapeError
from chainrule.operations import reference

SHAPE = (2, 3, 4, 5)


def test_a_residual_block_by_hand():
    """y = x + 3x at x = (1, 2) with dy = (−1, 2): dx = 4 dy, of which the shortcut brings a quarter."""
    x, dy = frozen([[1.0, 2.0]]), frozen([[-1.0, 2.0]])
    np.testing.assert_array_equal(reference.add(x, 3 * x), [[4, 8]])
    parts = reference.add_dx(dy), 3 * reference.add_dx(dy)
    np.testing.assert_array_equal(reference.add(*parts), [[-4, 8]])


@pytest.mark.parametrize("shape", [SHAPE, (4, 3), (2, 3, 5)])
def test_gradients_by_numbers(shape):
    a, b, dy = normals(1, shape, shape, shape)
    for mine in (lambda a: reference.add(a, b), lambda a: reference.add(b, a)):
        assert_gradient(mine, a, dy, reference.add_dx(dy))
    assert_gradient(lambda a: reference.multiply(a, b), a, dy, reference.multiply(dy, b))
    assert_gradient(lambda b: reference.multiply(a, b), b, dy, reference.multiply(dy, a))
    for function, gradient in (
        (reference.maximum, lambda x, other: reference.maximum_dx(dy, x, other)),
        (reference.minimum, lambda x, other: reference.maximum_dx(dy, other, x)),
    ):
        assert_gradient(partial(function, b), a, dy, gradient(a, b), smooth=False)
        assert_gradient(partial(function, a), b, dy, gradient(b, a), smooth=False)


def test_equal_elements_share_the_gradient():
    dy, x = frozen([[6.0, 8.0]]), frozen([[1.0, np.nan]])
    np.testing.assert_array_equal(reference.maximum_dx(dy, x, x), [[3, 8]])
    np.testing.assert_array_equal(reference.maximum_dx(dy, x, frozen([[1.0, 0.0]])), [[3, 8]])


def test_gradients_of_what_is_repeated_by_numbers():
    gate, image, dy = normals(2, SHAPE[:2], (2, 4, 5), SHAPE)
    repeated = reference.expand_positions(gate, size=SHAPE[2:])
    np.testing.assert_array_equal(repeated, np.broadcast_to(gate[:, :, None, None], SHAPE))
    found = reference.expand_positions_dx(dy)
    assert_gradient(lambda x: reference.expand_positions(x, size=SHAPE[2:]), gate, dy, found)
    repeated = reference.expand_channels(image, channels=3)
    np.testing.assert_array_equal(repeated, np.broadcast_to(image[:, None], SHAPE))
    assert_gradient(lambda x: reference.expand_channels(x, channels=3), image, dy, reference.expand_channels_dx(dy))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_concatenation_by_numpy(axis):
    shapes = [[*SHAPE], [*SHAPE], [*SHAPE]]
    for number, shape in enumerate(shapes, 1):
        shape[axis + 1] = number
    parts = normals(3, *map(tuple, shapes))
    np.testing.assert_array_equal(reference.concatenate(*parts, axis=axis), np.concatenate(parts, axis=axis + 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtype_stays(dtype):
    a, b = normals(4, SHAPE, SHAPE, dtype=dtype)
    np.testing.assert_array_equal(reference.add(a, b), a + b, strict=True)
    np.testing.assert_array_equal(reference.multiply(a, b), a * b, strict=True)
    assert (
        reference.maximum(a, b).dtype == reference.minimum(a, b).dtype == reference.maximum_dx(a, a, b).dtype == dtype
    )
    assert reference.concatenate(a, b).dtype == dtype


def test_other_shapes_are_refused():
    a, b = normals(5, (2, 3, 4, 5), (2, 3, 4, 6))
    for operation in (reference.add, reference.multiply, reference.maximum, reference.minimum):
        with pytest.raises(ShapeError, match="2×3×4×5 and 2×3×4×6 differ"):
            operation(a, b)
    with pytest.raises(ShapeError, match="other than 0"):
        reference.concatenate(a, b)
    with pytest.raises(ShapeError, match="x is 2×3×4×5; expected 2 axes"):
        reference.expand_positions(a, size=(2, 2))
    with pytest.raises(ShapeError, match="dy is 2×3; expected 4 axes"):
        reference.expand_channels_dx(a[:, :, 0, 0])
