"""Formatting of numbers."""

import math
from decimal import Decimal

import numpy as np

from chainrule.explain.formulas import enough_digits
from chainrule.explain.notation import as_printed, bracketed, format_list, format_number


def test_numbers_have_three_digits_unless_they_are_whole():
    values = (1 / 3, -0.0123456, 1.23456e-7, 1234.56, 1.0038, -2.9982, 1234.0, 1234567.0)
    expected = ["0.333", "−0.0123", "1.23e−7", "1234.6", "1.00", "−3.00", "1234", "1.23e6"]
    assert [format_number(value) for value in values] == expected
    odd = (0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324)
    assert [format_number(value, 6) for value in odd] == ["0", "0", "NaN", "∞", "−∞", "4.94066e−324"]


def test_a_printed_number_shows_how_far_it_is_rounded():
    """The value is within half a unit of the last printed digit, and equal to the number without zeros at its end."""
    generator = np.random.default_rng(1)
    values = generator.normal(size=4000) * 10.0 ** generator.integers(-12, 12, 4000)
    near = generator.integers(1, 999, 4000) / 10.0 ** generator.integers(0, 6, 4000) * (1 + 1e-5 * generator.normal())
    ties = generator.integers(-(10**6), 10**6, 4000) + 0.5
    for value, digits in zip([*values, *near, *ties], generator.integers(1, 9, 12000).tolist(), strict=True):
        text = format_number(value, digits).replace("−", "-")
        printed, is_whole = Decimal(text), value.is_integer() and abs(value) < 10**6
        unit = Decimal(1).scaleb(int(printed.as_tuple().exponent))
        assert 2 * abs(Decimal(value) - printed) <= unit
        assert abs(printed) >= abs(value) or 2 * abs(Decimal(value) - printed) < unit  # ties away from 0
        assert ("e" in text) == (not is_whole and printed.adjusted() not in range(-4, 6))
        if not is_whole:
            assert "." in text or "e" in text
            assert len(printed.as_tuple().digits) >= digits or float(text) == value
        assert float(text) != value or "." not in text or text.split("e")[0][-1] != "0"


def test_equations_hold_for_the_printed_numbers_although_their_operands_nearly_cancel():
    generator = np.random.default_rng(2)
    for size in 10.0 ** generator.uniform(-9, 0, 200):
        first, second = 1 + size, float(generator.normal())
        values = [first, 1.0, first * second, second]
        tree = ["+", ["log", "a"], ["·", ["−", "a", "b"], ["−", "c", "d"]]]
        result = np.log(first) + (first - 1) * (first * second - second)
        shown = format_number(result)
        digits = enough_digits(tree, [first, *values], 3, shown)
        a, b, c, d = (as_printed(value, digits) for value in values)
        assert format_number(np.log(a) + (a - b) * (c - d)) == shown


def test_numbers_that_differ_look_different():
    assert format_number(0.123456, 3, [0.123444]) == "0.1235"
    assert format_number(0.123456, 3, [0.2, 0.1234, 0.123456]) == "0.1235"
    assert format_number(0.99996, 3, [1.0]) == "0.99996"
    assert format_number(0.3, 3, [0.1 + 0.2]) == "0.3"  # a rounding error does not count
    assert bracketed(-2.0001, 3, [-2.0]) == "(−2.0001)"
    assert format_number(-1.0006, 3, [1.0]) == "−1.001"  # −1/0.9994
    assert format_number(-0.3, 3, [0.3]) == "−0.3"


def test_negative_numbers_of_equations_are_in_brackets_and_long_lists_are_shortened():
    assert (bracketed(-0.5), bracketed(0.5), bracketed(1e-7)) == ("(−0.5)", "0.5", "1e−7")
    assert format_list([1, -2], " + ") == "1 + (−2)"
    assert format_list([1, -2], ", ") == "1, −2"
    assert format_list(list(range(12)), ", ") == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"
    assert format_list(list(range(20)), ", ") == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …, 19"
