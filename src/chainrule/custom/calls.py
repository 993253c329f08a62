"""Calls into a learner's code, and conversion of their arguments and results.

`backward` returns dx alone, dx with gradients in order, or dx with a dictionary of them.
"""

import dis
import inspect
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import text
from chainrule.errors import StudentError, UnwrittenError

Array: TypeAlias = NDArray[Any]

UNWRITTEN = "{} is not written yet"
EARLIER = "earlier "  # before the names of arrays that belong to earlier calls
OPTION = "option "  # before the names of options
NOTHING = ("RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE", "CACHE")  # of the body `pass`


def call(label: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Return the result of a learner's function; any error in it becomes a StudentError with its message and line.

    UnwrittenError if its body is empty or raises NotImplementedError.
    """
    try:
        result = function(*arguments, **named)
    except StudentError:
        raise
    except NotImplementedError as error:
        raise UnwrittenError(f"{UNWRITTEN.format(label)}: {_describe_error(label, error)}") from error
    except (Exception, SystemExit) as error:
        raise StudentError(f"{_describe_error(label, error)}{_shapes(function, arguments, named)}") from error
    if result is None and _is_empty(function):
        raise UnwrittenError(f"{label} returned None: it is not written yet")
    return result


def _shapes(function: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]) -> str:
    """Return the shapes of the arrays in a call by the names of its arguments: "; shapes: x 5×7, w 1×7"."""
    names = [name for name, _ in defaults(function) or ()]
    given = {**dict(zip(names, arguments, strict=False)), **named}
    shown = {name: text(cast("Array", value).shape) for name, value in given.items() if isinstance(value, np.ndarray)}
    return "; shapes: " + ", ".join(f"{name} {shape or '()'}" for name, shape in shown.items()) if shown else ""


def is_unwritten(function: Any) -> bool:
    """Return whether the body of a function does nothing, such as `pass`, or raises NotImplementedError somewhere."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return _is_empty(function) or (code is not None and NotImplementedError.__name__ in code.co_names)


def _is_empty(function: Any) -> bool:
    """Return whether the body of a function does nothing, such as `pass`."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return code is not None and all(step.opname in NOTHING for step in dis.get_instructions(code))


def _describe_error(label: str, error: BaseException) -> str:
    """Return the message of an error, with the innermost line in the file of the learner's function."""
    message = " ".join(f"{type(error).__name__}: {error}".split())
    house = str(Path(__file__).parent)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(house)]
    if not frames:
        return f"{label} cannot be called: {message}"
    own = [frame for frame in frames if frame.filename == frames[0].filename]
    return f"{label}: {message} (line {own[-1].lineno} of {Path(own[-1].filename).name})"


def array(value: Any, what: str) -> Array:
    """Return a copy of numbers as a real or complex array; StudentError, which begins with ``what``, for the rest."""
    if value is None:
        hint = ": is its return missing?" if what.endswith("returned") else ""
        raise StudentError(f"{what} None{hint}")
    try:
        found = np.array(value)
    except (ValueError, TypeError) as error:
        raise StudentError(f"{what} no array of numbers: {error}") from None
    if found.dtype.kind not in "fciub":
        raise StudentError(f"{what} no array of numbers but {type(value).__name__}")
    return found if found.dtype.kind in "fc" else found.astype(np.float64)


def is_numeric(value: Any) -> bool:
    """Return whether `array` accepts a value; booleans are left out."""
    if value is None or isinstance(value, bool | str):
        return False
    try:
        return np.asarray(value).dtype.kind in "fciu"
    except (ValueError, TypeError):
        return False


def copy_for_call(values: Array, strided: bool) -> Array:
    """Return a copy for a learner's code, on request not contiguous in memory."""
    if not strided or not values.ndim:
        return np.array(values)
    given = np.zeros((*values.shape[:-1], 2 * values.shape[-1]), values.dtype)[..., ::2]
    given[...] = values
    return given


def overwritten(handed: Mapping[str, tuple[Any, Array]]) -> tuple[str, ...]:
    """Return the names of the arrays that have changed, given (array now, copy from before) by name."""
    return tuple(
        name
        for name, (now, was) in handed.items()
        if isinstance(now, np.ndarray) and not np.array_equal(cast("Array", now), was, equal_nan=was.dtype.kind in "fc")
    )


class Loans:
    """The arrays that the caller still needs: passed to a learner's code by the last calls, or returned by them.

    Each is held with a copy from before, under its name; a change is reported once.
    """

    def __init__(self) -> None:
        self._lent: dict[str, tuple[Any, Array]] = {}

    def forward(self, lent: Mapping[str, tuple[Any, Array]], returned: Any) -> tuple[str, ...]:
        """Return the names of the arrays that a call of forward has overwritten, its own or of earlier calls.

        lent       the arrays passed to it
        returned   y as it came
        """
        old = overwritten(self._lent)
        changed = overwritten(lent)
        y = _held("y", returned, lent)
        dx = {name: one for name, one in self._lent.items() if name == "dx" and name not in old}
        self._lent = {**{name: one for name, one in lent.items() if name not in changed}, **y, **dx}
        return (*changed, *(f"{EARLIER}{name}" for name in old))

    def backward(self, lent: Mapping[str, tuple[Any, Array]], returned: Any) -> tuple[str, ...]:
        """Return the names of the arrays that a call of backward has overwritten; its arguments are those of forward.

        returned   dx as it came
        """
        changed = overwritten({**self._lent, **lent})
        self._lent = {name: one for name, one in self._lent.items() if name not in (*changed, "dx")}
        self._lent |= _held("dx", returned, lent)
        return tuple(f"{EARLIER}dx" if name == "dx" else name for name in changed)


def _held(name: str, returned: Any, lent: Mapping[str, tuple[Any, Array]]) -> dict[str, tuple[Any, Array]]:
    """Return a result with a copy, under its name; nothing if it is no array, or one of those passed in."""
    if not isinstance(returned, np.ndarray) or any(returned is now for now, _ in lent.values()):
        return {}
    return {name: (returned, np.array(cast("Array", returned)))}


def defaults(function: Callable[..., Any]) -> list[tuple[str, Any]] | None:
    """Return the positional parameters of a function with their defaults, or `NO_DEFAULT`; None if unknown."""
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return None
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = list(signature.parameters.values())
    if any(parameter.kind == inspect.Parameter.VAR_POSITIONAL for parameter in found):
        return None
    return [(parameter.name, parameter.default) for parameter in found if parameter.kind in by_place]


NO_DEFAULT: Any = inspect.Parameter.empty


def split_results(result: Any, label: str, names: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
    """Return dx, and the gradients returned with it by name.

    names   parameters of plain functions, in the order of their gradients
    """
    if isinstance(result, Mapping):
        entries = _named_entries(result, label)
        if "dx" not in entries:
            raise StudentError(f"{label} returned a dictionary without 'dx': {', '.join(entries) or 'empty'}")
        return entries.pop("dx"), entries
    parts = list(cast("tuple[Any, ...]", result)) if isinstance(result, tuple | list) else list[Any]()
    if len(parts) == 2 and isinstance(parts[1], Mapping):
        return parts[0], _named_entries(parts[1], label)
    if names and len(parts) == 1 + len(names):
        return parts[0], {f"d{name}": gradient for name, gradient in zip(names, parts[1:], strict=True)}
    if isinstance(result, tuple):
        expected = ", ".join(["dx", *(f"d{name}" for name in names)])
        raise StudentError(f"{label} returned {len(parts)} values; expected {expected}, or dx and a dictionary")
    return cast("Any", result), {}


def _named_entries(given: Any, label: str) -> dict[str, Any]:
    entries = dict(cast("Mapping[Any, Any]", given))
    for key in entries:
        if not isinstance(key, str):
            raise StudentError(f"{label} returned a dictionary with the key {key!r}; expected names such as 'dw'")
    return entries
