"""Every engine computes what the reference defines.

To test another engine, add it to ENGINES: any object with the operations as attributes.
The number of examples of each operation is EXAMPLES; `make operations` draws more.
"""

import functools
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from engines.operation_cases import CASES, Case
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numerical import assert_close, frozen
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from selection import draws

import chainrule.engines.numpy
from chainrule.engines import loader
from chainrule.engines.protocol import Engine
from chainrule.operations import reference


def as_functions(engine: Engine) -> SimpleNamespace:
    """Return an engine's operations as functions with the signatures of the reference."""

    def function(name: str) -> Callable[..., Any]:
        @functools.wraps(getattr(reference, name))
        def operation(*arrays: Any, **attributes: Any) -> Any:
            results = engine.run(name, arrays, attributes)
            return results if len(results) > 1 else results[0]

        return operation

    return SimpleNamespace(**{name: function(name) for name in reference.__all__})


ENGINES: dict[str, Any] = {
    "numpy": chainrule.engines.numpy,
    "compiled": as_functions(loader.find("compiled")),
}
EXAMPLES = draws(8)
DTYPES = np.float64, np.float32

sweep = settings(max_examples=EXAMPLES, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
glance = settings(sweep, max_examples=1 + EXAMPLES // 5)
each_engine = pytest.mark.parametrize("engine", list(ENGINES))
each_operation = pytest.mark.parametrize("name", reference.__all__)
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float64", "float32"])


def call(operations: Any, name: str, case: Case) -> tuple[NDArray[Any], ...]:
    """Return the results of an operation as a tuple."""
    results = getattr(operations, name)(*case.arrays, **case.attributes)
    return results if isinstance(results, tuple) else (results,)


def assert_results(results: tuple[NDArray[Any], ...], expected: tuple[NDArray[Any], ...]) -> None:
    """Check equal shapes and dtypes, and entries that differ by rounding only."""
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        assert (result.shape, result.dtype) == (wanted.shape, wanted.dtype)
        assert_close(result, wanted, 150, magnitude=1)


def test_every_operation_has_cases() -> None:
    assert set(CASES) == set(reference.__all__)


@each_engine
@each_operation
def test_same_arguments_as_the_reference(engine: str, name: str) -> None:
    def arguments(operations: Any) -> dict[str, tuple[Any, ...]]:
        parameters = inspect.signature(getattr(operations, name)).parameters.values()
        return {item.name: (item.kind, item.default) for item in parameters}

    assert arguments(ENGINES[engine]) == arguments(reference)


@each_operation
@each_dtype
@sweep
@given(st.data())
def test_equals_the_reference(name: str, dtype: type, data: st.DataObject) -> None:
    before = data.draw(CASES[name]).astype(dtype)
    case = before.with_arrays(frozen)
    expected = call(reference, name, before)
    for engine in ENGINES.values():
        results = call(engine, name, case)
        for array, untouched in zip(case.arrays, before.arrays, strict=True):  # compiled code can write to both
            assert_array_equal(array, untouched)
        assert all(result.flags.c_contiguous for result in results)
        assert not any(
            np.may_share_memory(result, array) for result in results for array in case.arrays if array is not None
        )
        assert_results(results, expected)


def strided(array: NDArray[Any]) -> NDArray[Any]:
    """Return every second cell of each axis of a larger array."""
    room = np.full([2 * size for size in array.shape], 7, array.dtype)
    view = room[(slice(None, None, 2),) * array.ndim]
    view[...] = array
    return view


def reversed_(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view with negative strides on all axes."""
    turn = (slice(None, None, -1),) * array.ndim
    return array[turn].copy()[turn]


def transposed(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view with the channel axis innermost, a transpose of (N, H, W, C)."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1) if array.ndim > 1 else array


# One test for all layouts and engines: hypothesis nests the settings of a test with every parametrized item, and some
# hundred items reach Python's recursion limit.
@each_operation
@glance
@given(st.data())
def test_layout_in_memory_does_not_matter(name: str, data: st.DataObject) -> None:
    case = data.draw(CASES[name])
    for engine in ENGINES.values():
        expected = call(engine, name, case)
        for layout in (strided, reversed_, np.asfortranarray, transposed):
            results = call(engine, name, case.with_arrays(layout))
            assert all(result.flags.c_contiguous for result in results)
            assert_results(results, expected)
