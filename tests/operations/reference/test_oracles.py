"""Every forward operation with all its attributes, over random arguments, against other libraries (oracles.py)."""

from typing import Any

import numpy as np
import pytest
from engines.operation_cases import CASES, GRADIENTS, Case, parameters
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numerical import assert_close
from operations.reference.oracles import ORACLES, SINGLE
from selection import draws

from chainrule.operations import reference

FORWARD = tuple(name for name in reference.__all__ if not name.endswith(GRADIENTS))


def for_oracles(case: Case, dtype: Any) -> Case:
    """Adapt the case to ONNX: attributes in float32, and images without NaN and −∞, for which it is unspecified."""
    attributes = {
        name: float(np.float32(value)) if isinstance(value, float) else value for name, value in case.attributes.items()
    }
    finite = case.with_arrays(lambda array: np.nan_to_num(array, neginf=-9.0))
    return Case(finite.astype(dtype).arrays, attributes)


def results_of(results: Any) -> tuple[Any, ...]:
    return results if isinstance(results, tuple) else (results,)


def test_every_forward_operation_has_an_oracle() -> None:
    assert set(ORACLES) == set(FORWARD)
    assert len(FORWARD) < len(reference.__all__)


@pytest.mark.parametrize("name", FORWARD)
@settings(max_examples=draws(12), derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_forward_is_that_of_other_libraries(name: str, data: st.DataObject) -> None:
    dtypes = [np.float32] if name in SINGLE else [np.float64, np.float32]
    case = for_oracles(data.draw(CASES[name]), data.draw(st.sampled_from(dtypes)))
    assert set(case.attributes) == set(parameters(name, keyword_only=True))
    ours = results_of(getattr(reference, name)(*case.arrays, **case.attributes))
    expected = results_of(ORACLES[name](*case.arrays, **case.attributes))
    for result, expected_result in zip(ours, expected, strict=True):
        assert (result.shape, result.dtype) == (expected_result.shape, expected_result.dtype)
        assert_close(result, expected_result, magnitude=1)
