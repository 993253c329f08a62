"""Every operation of the page's engine agrees with the reference, on random shapes and options."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from engines.operation_cases import CASES, Case
from hypothesis import HealthCheck, given, settings
from numerical import assert_close
from selection import draws
from web.bridge import call

from chainrule.errors import ShapeError
from chainrule.operations import reference

if TYPE_CHECKING:
    from playwright.sync_api import Page

EXAMPLES = draws(15)
TOLERANCE = 1e-12  # relative to the largest entry of the result, or to 1 if that is larger

collecting = settings(max_examples=EXAMPLES, derandomize=True, suppress_health_check=[*HealthCheck])


def drawn(name: str) -> list[Case]:
    found: list[Case] = []

    @collecting
    @given(CASES[name])
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found


def expected(name: str, case: Case) -> tuple[Any, ...]:
    with np.errstate(all="ignore"):
        results = getattr(reference, name)(*case.arrays, **case.attributes)
    return results if isinstance(results, tuple) else (results,)


def request(name: str, case: Case) -> dict[str, Any]:
    attributes = {key: value for key, value in case.attributes.items() if value is not None}
    return {"name": name, "arrays": list(case.arrays), "attributes": attributes}


@pytest.mark.parametrize("name", reference.__all__)
def test_computes_what_the_reference_defines(modules: "Page", name: str) -> None:
    found = drawn(name)
    answers = call(modules, "run", [request(name, case) for case in found])
    for case, results in zip(found, answers, strict=True):
        assert not isinstance(results, dict), (results, case.attributes)
        for result, wanted in zip(results, expected(name, case), strict=True):
            assert result.shape == wanted.shape
            assert_close(result, wanted, magnitude=1)


def test_every_special_case_is_among_the_random_ones() -> None:
    found = drawn("cross_correlate_dx")
    for key, trivial in {"stride": (1, 1), "dilation": (1, 1), "groups": 1, "flip": False}.items():
        assert any(case.attributes[key] != trivial for case in found), key
    assert any(pair[0] != pair[1] for case in found for pair in case.attributes["padding"])


REFUSED: dict[str, tuple[str, list[Any], dict[str, Any], str]] = {
    "groups": (
        "cross_correlate",
        [np.zeros((1, 3, 4, 4)), np.zeros((2, 1, 2, 2)), None],
        {"groups": 2},
        "cross_correlate: 2 groups do not divide 3 input and 2 output channels",
    ),
    "channels": (
        "cross_correlate",
        [np.zeros((1, 3, 4, 4)), np.zeros((2, 2, 2, 2)), None],
        {},
        "cross_correlate: w 2×2×2×2 in 1 groups reads 2 channels, x has 3",
    ),
    "kernel": (
        "cross_correlate",
        [np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 3, 3)), None],
        {},
        "cross_correlate: kernel 3×3 does not fit the 2×2 input (padding 0)",
    ),
    "dilated": (
        "cross_correlate",
        [np.zeros((1, 1, 4, 4)), np.zeros((1, 1, 3, 3)), None],
        {"dilation": [2, 2]},
        "cross_correlate: kernel 3×3 dilated to 5×5 does not fit the 4×4 input (padding 0)",
    ),
    "axes": (
        "dense",
        [np.zeros((1, 1, 4, 4)), np.zeros((3, 3)), None],
        {},
        "dense: x is 1×1×4×4, expected (N, F_in)",
    ),
    "features": (
        "dense",
        [np.zeros((2, 4)), np.zeros((3, 5)), None],
        {},
        "dense: x 2×4 has 4 features, w 3×5 reads 5",
    ),
    "padding": (
        "max_pool",
        [np.zeros((1, 1, 4, 4))],
        {"window": (2, 2), "padding": ((0, 1), (2, 2))},
        "max_pool: padding ((0, 1), (2, 2)) is not smaller than the 2×2 window",
    ),
    "window": (
        "average_pool",
        [np.zeros((1, 1, 2, 2))],
        {"window": (4, 4), "padding": ((0, 1), (0, 0))},
        "average_pool: window 4×4 does not fit the 2×2 input (padding ((0, 1), (0, 0)))",
    ),
    "shapes": ("relu_dx", [np.zeros((2, 4)), np.zeros((2, 5))], {}, "relu_dx: shapes differ: dy 2×4, y 2×5"),
    "bias": (
        "add_bias",
        [np.zeros((1, 3, 4, 4)), np.zeros(4)],
        {},
        "add_bias: bias 4 does not fit 3×4×4; expected 3 or 3×4×4",
    ),
}


@pytest.mark.parametrize("name", [*REFUSED])
def test_refuses_in_the_words_of_the_reference(modules: "Page", name: str) -> None:
    operation, arrays, attributes, words = REFUSED[name]
    (answer,) = call(modules, "run", [{"name": operation, "arrays": arrays, "attributes": attributes}])
    assert answer == {"error": words}
    with pytest.raises(ShapeError) as refused:
        getattr(reference, operation)(*arrays, **attributes)
    assert str(refused.value) == words
