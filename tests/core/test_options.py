"""Values of options: which conform to an annotation, and what they are converted to."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from chainrule.core.options import checked
from chainrule.core.words import checked_options
from chainrule.errors import OptionError

ACCEPTED: list[tuple[Any, Any, Any]] = [  # annotation, value, converted value
    (int, 3, 3),
    (int, np.int64(3), 3),
    (int, np.array(3), 3),
    (float, 3, 3),
    (float, np.float32(0.5), 0.5),
    (float | None, None, None),
    (bool, np.True_, True),
    (str, np.str_("x"), "x"),
    (bool | str, "untied", "untied"),
    (tuple[int, ...], [1, np.int64(2)], (1, 2)),
    (tuple[int, ...], np.array([1, 2]), (1, 2)),
    (tuple[int, int] | None, [1, 2], (1, 2)),
    (str | list[str] | None, ["a", "b"], ("a", "b")),
    (int | tuple[tuple[str, float], ...], [["a", 1], ("b", 0.5)], (("a", 1), ("b", 0.5))),
    (Mapping[str, float], {"a": 1.0}, {"a": 1.0}),
    (Mapping[str, Any], {"a": object}, {"a": object}),
]
REFUSED: list[tuple[Any, tuple[Any, ...]]] = [
    (int, (1.5, 2.0, "1", True, None, [1], object(), np.float64(1), np.array([1]))),
    (float, ("1", True, None, 1j, math.nan, math.inf, 10**400, np.float64("nan"), (0.5,))),
    (bool, (0, 1, "yes", None, np.int64(1))),
    (str, (1, None, b"x", ["x"], np.array(["x"]))),
    (tuple[int, ...], (1, "12", (1.5,), [None], np.array([0.5]), {1: 2})),
    (tuple[int, int], ((1,), (1, 2, 3), ())),
    (int | tuple[tuple[str, float], ...], ((1,), ("a", 1), (("a",),))),
    (Mapping[str, float], ([("a", 1)], {1: 1.0}, {"a": "1"}, None)),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), ACCEPTED)
def test_values_that_conform_are_converted(annotation: Any, value: Any, expected: Any) -> None:
    converted = checked("F", "option", value, annotation)
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(("annotation", "values"), REFUSED)
def test_other_values_are_refused(annotation: Any, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(OptionError, match=r"^F: option .*: expected "):
            checked("F", "option", value, annotation)


def test_functions_check_positional_values_and_keywords() -> None:
    @checked_options
    def function(count: int, rate: "float | None" = None, data: "np.ndarray | None" = None) -> tuple[Any, ...]:
        return count, rate, data

    assert function(np.int64(2), rate=np.float64(0.5)) == (2, 0.5, None)
    assert function(1, None, 5)[2] == 5  # pyright: ignore[reportArgumentType] - arrays are not checked here
    for arguments, options in (((1.5,), {}), ((1, "x"), {}), ((1,), {"rate": math.nan})):
        with pytest.raises(OptionError, match=r"^function: "):
            function(*arguments, **options)
