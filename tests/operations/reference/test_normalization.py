"""Normalization beside a large mean, and of a single value; test_oracles.py compares it with ONNX."""

from functools import partial

import numpy as np
import pytest
from numerical import assert_close, frozen

from chainrule.operations.reference.normalization import (
    batch_norm,
    group_norm,
    running_statistics,
)


@pytest.mark.parametrize(("normalize", "channels"), [(batch_norm, 1), (partial(group_norm, groups=1), 4)])
def test_variance_beside_a_large_mean(normalize, channels):
    """Square after subtracting the mean, so that nothing cancels."""
    x = frozen(1e8 + np.arange(4.0).reshape(-1, channels))
    _, mean, variance = normalize(x, frozen(np.ones(channels)), frozen(np.zeros(channels)))
    assert_close([mean.item() - 1e8, variance.item()], [1.5, 1.25], error=1e-6)


def test_a_single_value_a_channel():
    x = frozen([[3.0, 4.0]])
    y, mean, variance = batch_norm(x, frozen([2.0, 2]), frozen([5.0, 6]))
    np.testing.assert_array_equal(y, [[5, 6]])
    _, moved = running_statistics(mean, variance, frozen([0.0, 0]), frozen([1.0, 1]), count=1)
    np.testing.assert_array_equal(moved, [0.9, 0.9])
