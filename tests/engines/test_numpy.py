"""The NumPy engine beyond its drawn comparisons with the reference: blocks of a batch and huge numbers."""

import numpy as np
import pytest
from engines.operation_cases import CASES
from engines.test_operations import assert_results, call, sweep
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close

from chainrule.engines import numpy as engine
from chainrule.engines.numpy import convolution
from chainrule.operations import reference


@pytest.mark.parametrize("name", ["cross_correlate", "cross_correlate_dx", "cross_correlate_dw"])
@sweep
@given(data=st.data(), room=st.sampled_from([1, 3000]))
def test_blocks_of_samples_equal_the_whole_batch(name: str, room: int, data: st.DataObject) -> None:
    case = data.draw(CASES[name])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "BLOCK_BYTES", room)
        blocks = call(engine, name, case)
    assert_results(blocks, call(engine, name, case))


@pytest.mark.parametrize(("dtype", "huge"), [(np.float32, 1e30), (np.float64, 1e200)])
@pytest.mark.parametrize("name", ["arctan_dx", "gelu", "gelu_dx", "exact_gelu", "exact_gelu_dx"])
def test_powers_of_huge_numbers_do_not_overflow(name: str, dtype: type, huge: float) -> None:
    """The derivative of GELU is 0 or 1 there, that of arctan 0; warnings are errors in these tests."""
    x = np.array([[huge, -huge, 1]], dtype)
    arrays = (np.ones_like(x), x) if name.endswith("_dx") else (x,)
    assert_close(getattr(engine, name)(*arrays), getattr(reference, name)(*arrays))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "exact"), [("categorical_cross_entropy", 0), ("categorical_cross_entropy_dp", -1)])
def test_a_probability_of_exactly_one_is_kept(name: str, exact: int, dtype: type) -> None:
    """Clipping as in binary cross-entropy would lose the last bit, less than any tolerance detects."""
    sure = np.array([[1, 0]], dtype)
    assert getattr(engine, name)(sure, sure).flat[0] == exact
