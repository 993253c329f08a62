"""Every gradient is the derivative of its operation, for drawn shapes and attributes.

The derivative in a drawn direction v is computed by a complex step, Im f(x + ih·v)/h, which is exact to rounding; or,
for operations that take real numbers only, by a central difference.
"""

from typing import Any

import numpy as np
import pytest
from engines.operation_cases import CASES, LOSSES, for_gradients, gradient_case, parameters
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import frozen
from numpy.typing import NDArray
from selection import draws

from chainrule.layers.kinds import EXAMPLES
from chainrule.network.losses import OF_PROBABILITIES
from chainrule.network.tasks import OF_RATES
from chainrule.operations import reference

KINKED = ("maximum_dx", "mean_absolute_error_dp", "quantile_dp")
REAL = ("max_pool", *EXAMPLES)  # operations that may have kinks, and compare their inputs
DERIVATIVES = [  # operation, argument, gradient with respect to it
    *((name, "x", f"{name}_dx") for name in reference.__all__ if name not in ("add", "maximum")),
    *(
        (name, argument, f"{name}_dw")
        for name in reference.__all__
        for argument in parameters(name)
        if argument not in ("x", "b")
    ),
    *((name, "b", "bias_gradient") for name in ("cross_correlate", "dense", "add_bias")),
    *(("add", "a", "add_dx"), ("add", "b", "add_dx")),
    *((name, argument, "maximum_dx") for name in ("maximum", "minimum") for argument in "ab"),
    *(("where", "a", "where_da"), ("where", "b", "where_db")),
    *(("dropout", "x", "dropout"), ("pad", "x", "crop"), ("crop", "x", "pad"), ("permute", "x", "permute")),
    *((name, "p", f"{name}_dp") for name in LOSSES),
]


def results_of(name: str, arrays: dict[str, Any], attributes: dict[str, Any]) -> tuple[NDArray[Any], ...]:
    results = getattr(reference, name)(*arrays.values(), **attributes)
    return results if isinstance(results, tuple) else (results,)


@pytest.mark.parametrize(("name", "argument", "gradient"), [row for row in DERIVATIVES if row[2] in reference.__all__])
@settings(max_examples=draws(8), derandomize=True)
@given(data=st.data())
def test_gradients_are_derivatives(name: str, argument: str, gradient: str, data: st.DataObject) -> None:
    """Compare ⟨dx, v⟩ with ⟨dy, change of y along v⟩; losses with the change of their mean."""
    case = data.draw(CASES[name].filter(lambda case: argument != "b" or case.arrays[-1] is not None))
    case, draw = case.with_arrays(lambda array: frozen(np.nan_to_num(array, neginf=-9.0))), np.random.default_rng(1)
    arrays = dict(zip(parameters(name), case.arrays, strict=True))
    start = arrays[argument]
    if name in REAL or gradient in KINKED:  # a step must not cross a kink
        start = draw.standard_normal(start.shape)
    if name in (*OF_PROBABILITIES, *OF_RATES):
        start = draw.uniform(0.1, 0.9, start.shape)

    def along(step: Any) -> NDArray[Any]:
        moved = {**arrays, argument: start + step * direction}
        if name == "where":  # both choices have the type of the result
            moved |= {choice: moved[choice].astype(moved[argument].dtype) for choice in "ab"}
        return results_of(name, moved, case.attributes)[0]

    arrays[argument] = frozen(start)
    kept, direction = tuple(map(frozen, results_of(name, arrays, case.attributes))), draw.standard_normal(start.shape)
    dy = frozen(draw.standard_normal(kept[0].shape))
    change = (along(1e-6) - along(-1e-6)) / 2e-6 if name in REAL else np.imag(along(1e-30j)) / 1e-30
    if gradient.endswith("_dp"):
        dy = frozen(np.full(kept[0].shape, 1 / kept[0].size))
    case = type(case)(tuple(arrays.values()), case.attributes)
    known = {**for_gradients(name, case, kept, dy), "batch": None}
    if (name, argument) in (("maximum", "b"), ("minimum", "a")):
        known["x"], known["other"] = known["other"], known["x"]
    call = gradient_case(gradient, known)
    actual = getattr(reference, gradient)(*call.arrays, **call.attributes)
    if isinstance(actual, tuple):
        actual = actual[[name for name in arrays if name not in ("x", "b")].index(argument)]
    assert actual.shape == start.shape
    scale = max(1.0, float(np.abs(dy * change).sum()))
    assert abs(np.vdot(actual, direction) - np.vdot(dy, change)) < scale * (1e-6 if name in REAL else 1e-11)


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=draws(5), derandomize=True)
@given(data=st.data())
def test_gradients_of_the_parts_of_a_batch_add_up(name: str, data: st.DataObject) -> None:
    p, t = data.draw(CASES[name]).arrays
    gradient, rows = getattr(reference, f"{name}_dp"), getattr(reference, name)(p, t).size
    parts = [gradient(p[part], t[part], batch=rows) for part in (slice(1), slice(1, None)) if len(p[part])]
    np.testing.assert_array_equal(np.concatenate(parts), gradient(p, t))
