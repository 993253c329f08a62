"""Calls into a learner's code, and what comes back from them."""

import inspect
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import StudentError

Array: TypeAlias = NDArray[Any]


def call(label: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a learner's function; whatever goes wrong in it is a StudentError with its message and line."""
    try:
        return function(*arguments)
    except StudentError:
        raise
    except (Exception, SystemExit) as error:
        raise StudentError(_told(label, error)) from error


def _told(label: str, error: BaseException) -> str:
    """What went wrong, and the deepest line of the file in which the learner's function stands."""
    message = " ".join(f"{type(error).__name__}: {error}".split())
    house = str(Path(__file__).parent)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(house)]
    if not frames:
        return f"{label} cannot be called: {message}"
    own = [frame for frame in frames if frame.filename == frames[0].filename]
    return f"{label}: {message} (line {own[-1].lineno} of {Path(own[-1].filename).name})"


def array(value: Any, what: str) -> Array:
    """A copy of numbers as an array of floats or complex numbers, or a StudentError that begins with ``what``."""
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


def numeric(value: Any) -> bool:
    """Whether `array` would take it, truth values left out."""
    if value is None or isinstance(value, bool | str):
        return False
    try:
        return np.asarray(value).dtype.kind in "fciu"
    except (ValueError, TypeError):
        return False


def handed(values: Array, strided: bool) -> Array:
    """A copy to hand to a learner's code; with gaps in memory on request."""
    if not strided or not values.ndim:
        return np.array(values)
    room = np.zeros((*values.shape[:-1], 2 * values.shape[-1]), values.dtype)
    given = room[..., ::2]
    given[...] = values
    return given


def overwritten(handed: Mapping[str, tuple[Any, Array]]) -> tuple[str, ...]:
    """Which arrays are no longer what they were: (as it is now, as it was) by name."""
    return tuple(
        name
        for name, (now, was) in handed.items()
        if isinstance(now, np.ndarray) and not np.array_equal(cast("Array", now), was, equal_nan=was.dtype.kind in "fc")
    )


def defaults(function: Callable[..., Any]) -> list[tuple[str, Any]] | None:
    """The names that a function takes by position and their default values (`NO_DEFAULT`); None where it cannot say."""
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
