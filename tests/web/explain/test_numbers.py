"""Numbers are formatted on the page as in Python, to the last digit."""

import math

import numpy as np
import pytest
from web.bridge import call
from web.pages import Page

from chainrule.explain import notation

EDGES = [0.0, -0.0, 1.0, -1.0, 1e-4, 1e6, 1e5, 999999.5, 999999.4999, 99999.95, 0.5, 1e16, 1e21, 1e22, 123456.5, 2.5e-7]
TIES = [1.000005, 1.0000005, 0.1234565, 12345.65, 123456.5, 1234565.0, 0.00012345649999999, 2**-20, 1 + 2**-21]
SMALL = [5e-324, 2.2250738585072014e-308, 1e-320, 1.7976931348623157e308, 9.9999949e-5, 9.9999951e-5, 0.000099999949999]
ODD = [math.nan, math.inf, -math.inf]


def nasty() -> np.ndarray:
    """Return edge cases, ties, both neighbours of each, and random numbers of every size."""
    random = np.random.default_rng(7)
    known = np.array([*EDGES, *TIES, *SMALL])
    with np.errstate(all="ignore"):
        near = np.concatenate([np.nextafter(known, -np.inf), known, np.nextafter(known, np.inf)])
    sizes = random.standard_normal(3000) * 10.0 ** random.integers(-12, 12, 3000)
    halves = (random.integers(100000, 999999, 2000) + 0.5) * 2.0 ** random.integers(-30, 30, 2000)
    ties = (random.integers(10**5, 10**6, 2000) * 10 + 5) / 10.0 ** random.integers(0, 12, 2000)
    every = np.concatenate([near, sizes, halves, ties, ODD])
    return np.concatenate([every, -every])


@pytest.mark.parametrize("digits", [1, 3, 6, 17])
def test_printed_as_in_python(modules: Page, digits: int) -> None:
    values = nasty()
    one, two = notation.format_number, notation.bracketed
    found = call(modules, "numbers", values, digits)
    assert found == [[one(value, digits), two(value, digits)] for value in values.tolist()]


def test_different_numbers_look_different_as_in_python(modules: Page) -> None:
    values = nasty()
    with np.errstate(all="ignore"):
        others = values * (1 + np.random.default_rng(8).choice([-2, 0, 1e-15, 1e-9, 1e-5, 1e-3], len(values)))
    found = call(modules, "apart", values, others)
    assert found == [
        notation.format_number(*pair)
        for pair in zip(values.tolist(), [3] * len(values), others[:, None].tolist(), strict=True)
    ]


def test_long_rows_are_shortened_alike(modules: Page) -> None:
    for many in (0, 1, 12, 13, 40):
        values = np.arange(many) - 5.5
        for joint in (" + ", ", "):
            assert call(modules, "listed", values, joint) == notation.format_list(values.tolist(), joint)
