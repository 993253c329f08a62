"""Padding, cropping and permutation: worked by hand, by NumPy, and as each other's transpose."""

import numpy as np
import pytest
from engines.operation_cases import CASES, Case
from hypothesis import given, settings
from numerical import assert_gradient, frozen, normals

from chainrule.core.shapes import inverse_permutation
from chainrule.operations.reference.geometry import crop, pad, permute

sweep = settings(max_examples=60, derandomize=True)


def test_a_worked_example():
    x = frozen(np.array([[[1.0, 2], [3, 4]]]))
    padded = pad(x, before=(1, 0), after=(0, 2))
    np.testing.assert_array_equal(padded, [[[0, 0, 0, 0], [1, 2, 0, 0], [3, 4, 0, 0]]])
    np.testing.assert_array_equal(crop(padded, before=(2, 1), after=(0, 1)), [[[4, 0]]])


def test_channels_are_an_axis_like_any_other():
    (x,) = normals(1, (2, 5, 3, 4))
    np.testing.assert_array_equal(crop(x, before=(1, 0, 0), after=(2, 0, 0)), x[:, 1:3])
    np.testing.assert_array_equal(pad(x, before=(0, 0, 0), after=(2, 0, 0))[:, 5:], np.zeros((2, 2, 3, 4)))


@sweep
@given(CASES["pad"])
def test_padding_is_numpys(case: Case):
    (x,), ends = case.arrays, case.attributes
    width = [(0, 0), *zip(ends["before"], ends["after"], strict=True)]
    np.testing.assert_array_equal(pad(x, **ends), np.pad(x, width))


@sweep
@given(CASES["pad"])
def test_cropping_undoes_padding_and_is_its_transpose(case: Case):
    """⟨pad x, y⟩ = ⟨x, crop y⟩."""
    (x,), ends = case.arrays, case.attributes
    padded = pad(x, **ends)
    np.testing.assert_array_equal(crop(padded, **ends), x)
    (y,) = normals(2, padded.shape)
    np.testing.assert_allclose(np.vdot(padded, y), np.vdot(x, crop(y, **ends)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("forward", "backward"), [(pad, crop), (crop, pad)])
def test_each_is_the_gradient_of_the_other(forward, backward):
    ends = {"before": (1, 0, 2), "after": (0, 1, 1)}
    x, *_ = normals(3, (2, 3, 3, 4))
    (dy,) = normals(4, forward(x, **ends).shape)
    assert_gradient(lambda x: forward(x, **ends), x, dy, backward(dy, **ends))


@sweep
@given(CASES["permute"])
def test_permutation_is_numpys_and_its_inverse_undoes_it(case: Case):
    (x,), axes = case.arrays, case.attributes["axes"]
    y = permute(x, axes=axes)
    np.testing.assert_array_equal(y, np.transpose(x, (0, *(1 + np.array(axes)))))
    np.testing.assert_array_equal(permute(y, axes=inverse_permutation(axes)), x)


def test_channels_are_shuffled_by_a_permutation():
    """Two groups of three channels: one of each group in turn."""
    x = frozen(np.arange(6.0).reshape(1, 2, 3))
    np.testing.assert_array_equal(permute(x, axes=(1, 0)).reshape(-1), [0, 3, 1, 4, 2, 5])


def test_the_gradient_of_a_permutation():
    x, dy = normals(6, (2, 3, 4, 2), (2, 2, 3, 4))
    assert_gradient(lambda x: permute(x, axes=(2, 0, 1)), x, dy, permute(dy, axes=(1, 2, 0)))


@pytest.mark.parametrize("operation", [pad, crop])
def test_nan_and_infinity_stay_where_they_are(operation):
    x = frozen(np.array([[np.nan, 1, -np.inf, np.inf]]))
    y = operation(x, before=(1,), after=(0,))
    np.testing.assert_array_equal(y[0, -3:], [1, -np.inf, np.inf])
    assert np.isnan(y).any() == (operation is pad)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("operation", [pad, crop])
def test_dtype_stays(operation, dtype):
    (x,) = normals(5, (2, 5), dtype=dtype)
    assert operation(x, before=(1,), after=(2,)).dtype == dtype
