"""Activations: extreme inputs, and NaN, which losses pass on, too.

test_oracles.py compares them with other libraries, test_gradients.py with finite differences, and test_formulas.py with
their equations, also at kinks.
"""

from typing import Any

import numpy as np
import pytest
from engines.operation_cases import LOSSES, Case, for_gradients, gradient_case
from numerical import assert_close, frozen

from chainrule.layers.kinds import EXAMPLES
from chainrule.operations import reference

FAR = [-1e30, -1000.0, -100.0, -20.0, -1.0, -1e-8, 0.0, 1e-8, 1.0, 20.0, 100.0, 1000.0, 1e30]

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def forward_and_backward(name: str, dy: Any, *arrays: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the result and the gradient of an operation, with the attributes of the layer's first example."""
    case = Case(arrays, EXAMPLES[name][0].attributes() if name in EXAMPLES else {})
    y = getattr(reference, name)(*arrays, **case.attributes)
    gradient = f"{name}_dp" if name in LOSSES else f"{name}_dx"
    call = gradient_case(gradient, {**for_gradients(name, case, (y,), dy), "batch": 1})
    return y, getattr(reference, gradient)(*call.arrays, **call.attributes)


@each_dtype
@pytest.mark.parametrize("name", [*EXAMPLES, "softmax"])
def test_far_ends_are_finite_and_in_silence(name: str, dtype: type) -> None:
    """Give no warning (an error here) and no NaN for the largest inputs."""
    x, dy = frozen([FAR], dtype), frozen([[3] * len(FAR)], dtype)
    for result in forward_and_backward(name, dy, x):
        assert result.dtype == dtype
        assert name == "exp" or np.isfinite(result).all()


@each_dtype
@pytest.mark.parametrize("name", ["sigmoid", "softplus"])
def test_small_tails_are_kept(name: str, dtype: type) -> None:
    x = frozen([-80.0, -40.0], dtype)
    assert_close(getattr(reference, name)(x), np.exp([-80.0, -40.0]))


@pytest.mark.parametrize("name", [*EXAMPLES, "softmax", "log_softmax", "prelu", *LOSSES])
def test_nan_passes_through(name: str) -> None:
    x, ones = frozen([[np.nan, 1.0, -1.0], [0.2, 0.3, 0.5]]), np.ones((2, 3))
    others = {"prelu": [ones[0]]}.get(name, [ones] if name in LOSSES else [])
    y, dx = forward_and_backward(name, frozen([[np.nan, 1.0, 1.0], [1.0, 1.0, 1.0]]), x, *others)
    assert np.isnan(y.flat[0])
    assert np.isnan(dx[0, 0])
    assert np.isfinite([*y[1:].flat, *dx[1]]).all()
