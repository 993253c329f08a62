"""What holds for every operation, for drawn shapes and attributes: its gradient, its dtypes, its default attributes.

The derivative in a drawn direction v is computed by a complex step, Im f(x + ih·v)/h, which is exact to rounding; or,
for operations that take real numbers only, by a central difference.
"""

import inspect
from typing import Any

import numpy as np
import pytest
from engines.operation_cases import CASES, Case
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import frozen
from numpy.typing import NDArray
from selection import draws

from chainrule.core.shapes import inverse_permutation
from chainrule.layers.kinds import EXAMPLES
from chainrule.operations import reference

sweep = settings(max_examples=draws(13), derandomize=True)
REAL = ("max_pool", *EXAMPLES)  # operations that may have kinks, and compare their inputs
RESULTS = {
    "max_pool": ("y", "winner"),
    "batch_norm": ("y", "mean", "variance"),
    "group_norm": ("y", "mean", "variance"),
}

IMAGES = [name for name in reference.__all__ if f"{name}_dx" in reference.__all__ and name not in ("add", "maximum")]


def parameters_of(name: str) -> list[str]:
    """Return the names of an operation's parameters, without the bias, which has a gradient of its own."""
    return [argument for argument in arguments_of(name) if argument not in ("x", "b")]


def arguments_of(name: str) -> list[str]:
    parameters = inspect.signature(getattr(reference, name)).parameters.values()
    return [item.name for item in parameters if item.kind is not inspect.Parameter.KEYWORD_ONLY]


# operation, argument, gradient with respect to it
GRADIENTS = [
    *((name, "x", f"{name}_dx") for name in IMAGES),
    *(
        (name, argument, f"{name}_dw")
        for name in reference.__all__
        if f"{name}_dw" in reference.__all__
        for argument in parameters_of(name)
    ),
    *((name, "b", "bias_gradient") for name in ("cross_correlate", "dense", "add_bias")),
    *(("add", "a", "add_dx"), ("add", "b", "add_dx")),
    *((name, argument, "maximum_dx") for name in ("maximum", "minimum") for argument in "ab"),
    *(("dropout", "x", "dropout"), ("pad", "x", "crop"), ("crop", "x", "pad"), ("permute", "x", "permute")),
]


def by_name(name: str, case: Case) -> dict[str, Any]:
    """Return the arrays of a case by the operation's parameters, read-only: an operation that modifies them raises."""
    return {name: None if x is None else frozen(x) for name, x in zip(arguments_of(name), case.arrays, strict=True)}


def derived(name: str, arrays: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that gradients have in addition to the operation's."""
    image = {"size": arrays["x"].shape[2:]} if "x" in arrays and name != "local_response_norm" else {}
    kernel = {"kernel": arrays["w"].shape[2:]} if "w" in arrays else {}
    bias = arrays.get("b")
    return {**image, **kernel, "untied": bias is not None and bias.ndim > 1}


def gradient_of(gradient: str, argument: str, known: dict[str, Any]) -> NDArray[Any]:
    """Call a gradient with those of the known values that it takes by name."""
    function = getattr(reference, gradient)
    if gradient in ("dropout", "crop", "pad", "permute"):  # operations on dy
        known = {**known, "x": known["dy"]}
    if gradient == "permute":
        known["axes"] = inverse_permutation(known["axes"])
    result = function(**{name: known[name] for name in inspect.signature(function).parameters})
    return result[parameters_of(gradient.removesuffix("_dw")).index(argument)] if isinstance(result, tuple) else result


@pytest.mark.parametrize(("name", "argument", "gradient"), GRADIENTS)
@settings(sweep, max_examples=draws(8))
@given(data=st.data())
def test_gradients_are_derivatives(name: str, argument: str, gradient: str, data: st.DataObject) -> None:
    case = data.draw(CASES[name].filter(lambda case: argument != "b" or case.arrays[-1] is not None))
    arrays, draw = by_name(name, case), np.random.default_rng(1)
    if name in REAL:  # drawn again: a step must not cross a kink
        arrays["x"] = frozen(draw.standard_normal(arrays["x"].shape))
    if gradient == "maximum_dx":
        arrays[argument] = frozen(draw.standard_normal(arrays[argument].shape))

    def results(value: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        actual = getattr(reference, name)(*{**arrays, argument: value}.values(), **case.attributes)
        return actual if isinstance(actual, tuple) else (actual,)

    start = arrays[argument]
    kept = dict(zip(RESULTS.get(name, ("y",)), map(frozen, results(start)), strict=True))
    dy, direction = frozen(draw.standard_normal(kept["y"].shape)), draw.standard_normal(start.shape)
    if name in REAL:
        change = (results(start + 1e-6 * direction)[0] - results(start - 1e-6 * direction)[0]) / 2e-6
    else:
        change = np.imag(results(start + 1e-30j * direction)[0]) / 1e-30
    known = {**derived(name, arrays), **arrays, **case.attributes, **kept, "dy": dy}
    if gradient == "maximum_dx":
        pair = (known[argument], known["b" if argument == "a" else "a"])
        known["x"], known["other"] = pair if name == "maximum" else pair[::-1]
    actual = gradient_of(gradient, argument, known)
    assert actual.shape == start.shape
    scale = max(1.0, float(np.abs(dy * change).sum()))
    assert abs(np.vdot(actual, direction) - np.vdot(dy, change)) < scale * (1e-6 if name in REAL else 1e-11)


@pytest.mark.parametrize("name", reference.__all__)
@settings(max_examples=draws(5), derandomize=True)
@given(data=st.data())
def test_dtypes_stay(name: str, data: st.DataObject) -> None:
    drawn = data.draw(CASES[name])
    for dtype in (np.float32, np.float64):
        case = drawn.astype(dtype)
        results = getattr(reference, name)(*case.arrays, **case.attributes)
        floats = [each for each in (results if isinstance(results, tuple) else (results,)) if each.dtype != np.int32]
        assert {result.dtype for result in floats} == {np.dtype(dtype)}


@pytest.mark.parametrize(
    ("names", "defaults"),
    [
        (
            ["cross_correlate", "cross_correlate_dx", "cross_correlate_dw"],
            {"stride": (1, 1), "groups": 1, "flip": False},
        ),
        (["average_pool", "average_pool_dx"], {"padding": ((0, 0), (0, 0)), "divisor": "cells"}),
        (["batch_norm", "batch_norm_dx", "batch_norm_dw", "batch_norm_inference"], {"epsilon": 1e-5}),
        (["group_norm", "group_norm_dx", "group_norm_dw"], {"epsilon": 1e-5, "shared": False}),
        (["local_response_norm", "local_response_norm_dx"], {"alpha": 1e-4, "beta": 0.75, "k": 1.0}),
        (["running_statistics"], {"momentum": 0.1}),
        (["leaky_relu", "leaky_relu_dx"], {"slope": 0.01}),
    ],
)
def test_defaults(names: list[str], defaults: dict[str, Any]) -> None:
    for name in names:
        parameters = inspect.signature(getattr(reference, name)).parameters
        assert {key: parameters[key].default for key in defaults} == defaults
