"""Values of options: which conform to an annotation, and what they are converted to."""

import copy
import importlib
import inspect
import math
import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypedDict, Unpack

import numpy as np
import pytest

from chainrule.core.options import checked, checked_options
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


class Further(TypedDict, total=False):
    rate: float
    layer: np.ndarray


def trained(x: Any, y: Any = None, *, epochs: int = 1, **options: Unpack[Further]) -> tuple[Any, ...]:
    return x, y, epochs, options


def open_call(x: Any, **options: Any) -> tuple[Any, ...]:
    return x, options


def test_further_options_are_checked_and_the_signature_stays() -> None:
    """Options that a function takes by ``**options: Unpack[…]`` have the types that are stated."""
    call: Any = checked_options(trained)
    assert inspect.signature(call) == inspect.signature(trained)
    assert call(1, 2, rate=np.float32(0.5), layer="any") == (1, 2, 1, {"rate": 0.5, "layer": "any"})
    assert call.__name__ == "trained"
    for options in ({"rate": "fast"}, {"rate": math.nan}, {"speed": 1}, {"epochs": 1.5}):
        with pytest.raises(OptionError, match=r"^trained"):
            call(1, **options)
    assert checked_options(open_call)(1, speed=3) == (1, {"speed": 3})


def test_calls_with_too_few_or_too_many_values_are_refused() -> None:
    @checked_options
    def limited(first: int, second: int, third: int = 3, *, named: int = 4) -> tuple[int, ...]:
        return first, second, third, named

    @checked_options
    def unlimited(*values: int, named: int = 4) -> tuple[int, ...]:
        return *values, named

    assert limited(1, 2) == limited(1, second=2) == limited(second=2, first=1) == (1, 2, 3, 4)
    assert limited(1, 2, 5, named=6) == (1, 2, 5, 6)
    assert unlimited(1, 2, 3, 4, 5) == (1, 2, 3, 4, 5, 4)
    calls: dict[str, Callable[[], Any]] = {
        "'second'": lambda: limited(1),  # pyright: ignore[reportCallIssue]
        "'first'": lambda: limited(second=1),  # pyright: ignore[reportCallIssue]
        "named": lambda: limited(1, 2, 3, 4),  # pyright: ignore[reportCallIssue]
        "first, second, third": lambda: limited(1, 2, 3, 4),  # pyright: ignore[reportCallIssue]
        "other": lambda: limited(1, 2, other=3),  # pyright: ignore[reportCallIssue]
    }
    for words, call in calls.items():
        with pytest.raises(OptionError, match=words) as caught:
            call()
        assert "limited" in str(caught.value)
    with pytest.raises((OptionError, TypeError), match="multiple values"):
        limited(1, 2, first=3)  # pyright: ignore[reportCallIssue]


@checked_options
@dataclass
class Box:
    """A class with options."""

    size: int
    label: str = "box"
    shared: ClassVar[int] = 1


def test_options_of_a_class_are_checked() -> None:
    box = Box(np.int64(3), label="b")  # pyright: ignore[reportArgumentType]
    assert (type(box.size), box.label) == (int, "b")
    assert [*inspect.signature(Box).parameters] == ["size", "label"]
    assert copy.copy(box) == pickle.loads(pickle.dumps(box)) == box
    for options in ({"size": 1.5}, {"size": 1, "label": 2}, {}, {"size": 1, "sise": 2}):
        with pytest.raises(OptionError, match="Box"):
            Box(**options)  # pyright: ignore


def test_names_of_a_package_are_imported_when_they_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lazy_package"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from chainrule.core.lazy_methods import module_attributes\n"
        "__getattr__, __dir__ = module_attributes(__name__, {'first': 'one two', 'second': ''})\n"
    )
    (package / "first.py").write_text("one, two, hidden = 1, 2, 3\n")
    (package / "second.py").write_text("__all__ = ['three']\nthree, hidden = 3, 4\n")
    monkeypatch.syspath_prepend(tmp_path)
    package: Any = importlib.import_module("lazy_package")
    try:
        assert "lazy_package.first" not in sys.modules
        assert package.two == 2
        assert "lazy_package.second" not in sys.modules
        assert (package.three, package.one) == (3, 1)
        assert {"one", "two", "three"} <= {*dir(package)}
        assert sorted(package.__all__) == ["one", "three", "two"]
        for name in ("hidden", "thre", "first_of_all"):
            with pytest.raises(AttributeError, match=name):
                getattr(package, name)
    finally:
        for name in [name for name in sys.modules if name.startswith("lazy_package")]:
            del sys.modules[name]
