"""Formatting of numbers."""

import math

import numpy as np
import pytest

from chainrule.explain.notation import bracketed, format_list, format_number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1 / 3, "0.333333"),
        (123456.7, "123457"),
        (999999.4, "999999"),
        (999999.5, "1e6"),
        (1234565.0, "1.23457e6"),  # a tie rounds away from 0, where %g rounds to even
        (-1234565.0, "−1.23457e6"),
        (0.00009999996, "0.0001"),
        (0.0000999999, "9.99999e−5"),
        (1.5e-7, "1.5e−7"),
        (-1e-300, "−1e−300"),
        (5e-324, "4.94066e−324"),
        (1.7976931348623157e308, "1.79769e308"),
        (math.nan, "NaN"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_one_number(value, text):
    assert format_number(value, 6) == text


def test_many_numbers_as_python_rounds_them():
    generator = np.random.default_rng(1)
    for value in generator.normal(size=4000) * 10.0 ** generator.integers(-12, 12, 4000):
        text = format_number(float(value), 6).replace("−", "-")
        assert float(text) == float(f"{value:.6g}")
        assert ("e" in text) == (not 1e-4 <= abs(float(f"{value:.6g}")) < 1e6)
        assert not text.endswith(".")
        assert len(text.split("e")[0].replace("-", "").replace(".", "").lstrip("0")) <= 6


def test_three_digits_by_default():
    assert [format_number(value) for value in (1 / 3, -0.0123456, 1.23456e-7, 1234.5)] == [
        "0.333",
        "−0.0123",
        "1.23e−7",
        "1230",
    ]
    assert format_number(0.1, 17) == "0.10000000000000001"


def test_whole_numbers_are_exact():
    assert [format_number(value) for value in (1234.0, -56789.0, 1234567.0)] == ["1234", "−56789", "1.23e6"]


def test_numbers_that_differ_look_different():
    assert format_number(0.123456, 3, [0.123444]) == "0.1235"
    assert format_number(0.123456, 3, [0.2, 0.1234, 0.123456]) == "0.1235"
    assert format_number(0.99996, 3, [1.0]) == "0.99996"
    assert format_number(0.3, 3, [0.1 + 0.2]) == "0.3"  # a rounding error does not count
    assert bracketed(-2.0001, 3, [-2.0]) == "(−2.0001)"
    assert format_number(-1.0006, 3, [1.0]) == "−1.001"  # −1/0.9994
    assert format_number(-0.3, 3, [0.3]) == "−0.3"


def test_in_equations():
    assert (bracketed(-0.5), bracketed(0.5), bracketed(1e-7)) == ("(−0.5)", "0.5", "1e−7")
    assert format_list([1, -2], " + ") == "1 + (−2)"
    assert format_list([1, -2], ", ") == "1, −2"
    assert format_list(list(range(12)), ", ") == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"
    assert format_list(list(range(20)), ", ") == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …, 19"
