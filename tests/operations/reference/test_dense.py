"""The fully connected layer: by hand, ONNX Runtime, and finite differences."""

import numpy as np
import pytest
from numerical import assert_gradient, frozen, normals

from chainrule.errors import ShapeError
from chainrule.operations.reference import dense
from chainrule.operations.reference.dense import bias_gradient, dense_dw, dense_dx


def test_by_hand():
    x = frozen([[1.0, 2, 3]])
    w = frozen([[1.0, 0, -1], [2, 1, 0]])
    dy = frozen([[10.0, 100]])
    np.testing.assert_array_equal(dense(x, w, frozen([0.5, -0.5])), [[-1.5, 3.5]])
    np.testing.assert_array_equal(dense_dx(dy, w), [[210, 100, -10]])  # Wᵀ dy
    np.testing.assert_array_equal(dense_dw(x, dy), [[10, 20, 30], [100, 200, 300]])  # dy xᵀ


def test_gradients():
    x, w, b, dy = normals(1, (3, 4), (2, 4), (2,), (3, 2))
    assert_gradient(lambda x: dense(x, w, b), x, dy, dense_dx(dy, w))
    assert_gradient(lambda w: dense(x, w, b), w, dy, dense_dw(x, dy))
    assert_gradient(lambda b: dense(x, w, b), b, dy, bias_gradient(dy))


def test_adjoint_identities():
    x, w, dy = normals(2, (5, 7), (3, 7), (5, 3))
    inner = np.sum(dense(x, w) * dy)
    np.testing.assert_allclose([np.sum(x * dense_dx(dy, w)), np.sum(w * dense_dw(x, dy))], inner, rtol=1e-12)


def test_onnx_runtime(onnx):
    x, w, b = normals(3, (5, 7), (3, 7), (3,))
    np.testing.assert_allclose(dense(x, w, b), onnx("Gemm", x, w, b, transB=1), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtype_stays(dtype):
    x, w, b, dy = normals(4, (3, 4), (2, 4), (2,), (3, 2), dtype=dtype)
    assert {a.dtype for a in (dense(x, w, b), dense_dx(dy, w), dense_dw(x, dy))} == {np.dtype(dtype)}


def test_errors_quote_the_sizes():
    x, w, dy = normals(5, (3, 4), (2, 5), (3, 3))
    with pytest.raises(ShapeError, match="dense: x 3×4 has 4 features, w 2×5 reads 5"):
        dense(x, w)
    with pytest.raises(ShapeError, match="dense_dx: dy 3×3 has 3 features, w 2×5 2"):
        dense_dx(dy, w)
    with pytest.raises(ShapeError, match="dense_dw: x 3×4 has 3 samples, dy 2×3 2"):
        dense_dw(x, dy[:2])
    with pytest.raises(ShapeError, match=r"x is 3×2×2, expected \(N, F_in\)"):
        dense(x.reshape(3, 2, 2), w)
    with pytest.raises(ShapeError, match="bias 3 does not fit 2; expected 2 or 2"):
        dense(x, w[:, :4], frozen(np.ones(3)))
