"""Every forward operation with all its attributes, over random arguments, against ONNX (oracles.py)."""

import inspect
from typing import Any

import numpy as np
import pytest
from engines.operation_cases import CASES, Case
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numerical import assert_close
from operations.reference.oracles import ORACLES
from selection import draws

from chainrule.operations import reference

GRADIENTS = ("_dx", "_dw", "_dp", "bias_gradient")
FORWARD = tuple(name for name in reference.__all__ if not name.endswith(GRADIENTS))
EXAMPLES = draws(12)

sweep = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def for_onnx(case: Case, dtype: Any) -> Case:
    """Adapt the case to ONNX: attributes in float32, and images without NaN and −∞, for which it is unspecified.

    Both sides use the adapted case; NaN and −∞ have tests of their own.
    """
    attributes = {
        name: float(np.float32(value)) if isinstance(value, float) else value for name, value in case.attributes.items()
    }
    finite = case.with_arrays(lambda a: np.nan_to_num(a, neginf=-9.0) if a.dtype.kind == "f" else a)
    return Case(finite.astype(dtype).arrays, attributes)


def results_of(found: Any) -> tuple[Any, ...]:
    return tuple(found) if isinstance(found, tuple | list) else (found,)


def test_every_forward_operation_has_an_oracle() -> None:
    assert set(ORACLES) == set(FORWARD)
    assert len(FORWARD) < len(reference.__all__)


@pytest.mark.parametrize("name", FORWARD)
@given(st.data())
@settings(max_examples=1, derandomize=True)
def test_cases_have_every_attribute(name: str, data: st.DataObject) -> None:
    parameters = inspect.signature(getattr(reference, name)).parameters.values()
    attributes = {item.name for item in parameters if item.kind is inspect.Parameter.KEYWORD_ONLY}
    assert set(data.draw(CASES[name]).attributes) == attributes


@pytest.mark.parametrize("name", FORWARD)
@sweep
@given(data=st.data())
def test_forward_is_that_of_onnx(name: str, onnx: Any, data: st.DataObject) -> None:
    oracle = ORACLES[name]
    case = for_onnx(data.draw(CASES[name]), np.float32 if oracle.single else np.float64)
    ours = results_of(getattr(reference, name)(*case.arrays, **case.attributes))
    expected = results_of(oracle.compute(onnx, *case.arrays, **case.attributes))
    for result, wanted in zip(ours, expected, strict=True):
        assert (result.shape, result.dtype) == (wanted.shape, wanted.dtype)
        assert_close(result, wanted, magnitude=1)
