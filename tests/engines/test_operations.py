"""Every engine computes what the reference defines.

To test another engine, add it to ENGINES: any object with the operations as attributes.
The number of examples of each operation is EXAMPLES; a longer sweep sets CHAINRULE_EXAMPLES.
"""

import functools
import inspect
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from engines.operation_cases import CASES, Case
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numerical import assert_close
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import chainrule.engines.numpy
from chainrule.engines import loader
from chainrule.engines.compiled.kernels import selection
from chainrule.engines.compiled.kernels.tiles import lanes
from chainrule.engines.protocol import Engine
from chainrule.layers.activations import ELEMENTWISE
from chainrule.layers.activations import EXAMPLES as EXAMPLE_LAYERS
from chainrule.operations import definitions, reference


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
EXAMPLES = int(os.environ.get("CHAINRULE_EXAMPLES", "8"))
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
        is_generated = name in definitions.generated()  # attributes of generated functions have no defaults
        return {one.name: (one.kind, None if is_generated else one.default) for one in parameters}

    assert arguments(ENGINES[engine]) == arguments(reference)


@each_operation
@each_dtype
@sweep
@given(st.data())
def test_equals_the_reference(name: str, dtype: type, data: st.DataObject) -> None:
    case = data.draw(CASES[name]).astype(dtype)
    before = case.with_arrays(np.copy)
    expected = call(reference, name, before)
    for engine in ENGINES.values():
        results = call(engine, name, case)
        for array, untouched in zip(case.arrays, before.arrays, strict=True):
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


@each_engine
@each_dtype
@pytest.mark.parametrize("name", [*(name for name in EXAMPLE_LAYERS if name != "exp"), "softmax", "log_softmax"])
def test_large_activations_are_finite(engine: str, dtype: type, name: str) -> None:
    """Evaluate at ±1000; warnings are errors in these tests."""
    x = np.array([[1000, -1000, 0], [-1000, -999, -1000]], dtype)
    attributes = EXAMPLE_LAYERS[name][0].attributes() if name in ELEMENTWISE else {}
    (y,) = call(ENGINES[engine], name, Case((x,), attributes))
    keeps_x = name in ELEMENTWISE and ELEMENTWISE[name].keeps == "x"
    (dx,) = call(ENGINES[engine], f"{name}_dx", Case((np.ones_like(x), x if keeps_x else y), attributes))
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


@each_engine
@each_dtype
@pytest.mark.parametrize("loss", ["binary_cross_entropy", "categorical_cross_entropy", "softmax_cross_entropy"])
def test_confident_and_wrong_is_finite(engine: str, dtype: type, loss: str) -> None:
    p, t = np.array([[0, 1], [1, 0]], dtype), np.array([[1, 0], [1, 0]], dtype)
    if loss.startswith("softmax"):
        p = 2000 * p - 1000
    for name in (loss, f"{loss}_dp"):
        (result,) = call(ENGINES[engine], name, Case((p, t), {}))
        assert np.isfinite(result).all()


def test_arrays_that_may_not_be_written_to_are_read():
    x, w = np.arange(2.0 * 6 * 6).reshape(1, 2, 6, 6), np.ones((2 * lanes(8), 2, 3, 3))
    expected = reference.cross_correlate(x, w)
    for array in (x, w):
        array.flags.writeable = False
    (found,) = selection.call("cross_correlate", (x, w, None), {})
    assert_close(found, expected)
