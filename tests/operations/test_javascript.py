"""The translation of reference functions to JavaScript."""

from types import FunctionType
from typing import Any

import pytest

from chainrule.operations import javascript


def checked(x: Any) -> Any:
    """Return x."""
    check_same("checked", x=x)
    return x


def sorting(x: list[float]) -> list[float]:
    x.sort()
    return x


def printing(x: float) -> float:
    print(x)
    return x


def check_same(name: str, **arrays: Any) -> None:
    """Check nothing."""


@pytest.mark.parametrize("function", [sorting, printing])
def test_an_expression_with_an_effect_is_not_left_out(function: FunctionType) -> None:
    with pytest.raises(NotImplementedError):
        javascript.translate(function, {})


def test_checks_and_docstrings_are_left_out() -> None:
    functions: dict[FunctionType, str] = {}
    javascript.translate(checked, functions)  # pyright: ignore[reportArgumentType]
    (source,) = functions.values()
    assert "check" not in source.replace("checked", "")
    assert "return x;" in source
