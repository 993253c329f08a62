"""Local response normalization by hand, by finite differences, and its special cases."""

import numpy as np
import pytest
from numerical import assert_gradient, frozen, normals

from chainrule.operations.reference.normalization import local_response_norm, local_response_norm_dx


def test_by_hand():
    """Three channels and windows of three: s = 1 + (1 + 2²), 1 + (1 + 2² + 4²) and 1 + (2² + 4²)."""
    x = frozen([1.0, 2, 4]).reshape(1, 3, 1, 1)
    options = {"size": 3, "alpha": 3.0, "beta": 1.0, "k": 1.0}
    y = local_response_norm(x, **options)
    np.testing.assert_allclose(y.ravel(), [1 / 6, 2 / 22, 4 / 21], rtol=1e-14)
    dx = local_response_norm_dx(frozen([0.0, 1, 0]).reshape(x.shape), x, **options)
    d = 2 / 22**2
    np.testing.assert_allclose(dx.ravel(), [-2 * d, 1 / 22 - 4 * d, -8 * d], rtol=1e-14)


@pytest.mark.parametrize(("size", "beta"), [(1, 0.75), (3, 0.75), (5, 0.5), (9, 1.3)])
def test_gradients(size, beta):
    x, dy = normals(1, (2, 6, 2, 3), (2, 6, 2, 3))
    options = {"size": size, "alpha": 0.7, "beta": beta, "k": 1.5}
    assert_gradient(lambda x: local_response_norm(x, **options), x, dy, local_response_norm_dx(dy, x, **options))


def test_defaults_and_dtype():
    x, dy = normals(2, (2, 4, 2, 3), (2, 4, 2, 3), dtype=np.float32)
    known = {"alpha": 1e-4, "beta": 0.75, "k": 1.0}
    for found, expected in (
        (local_response_norm(x, size=3), local_response_norm(x, size=3, **known)),
        (local_response_norm_dx(dy, x, size=3), local_response_norm_dx(dy, x, size=3, **known)),
    ):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == np.float32
