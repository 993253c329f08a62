"""Calls to a learner's code, and conversion of arguments and results."""

import dis
import inspect
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import CodeType
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import text
from chainrule.custom.names import NAMES
from chainrule.errors import StudentError, UnwrittenError

Array: TypeAlias = NDArray[Any]


class InterfaceError(StudentError):
    """Code in a form that the checker cannot call or read. This says nothing about its results."""


UNWRITTEN = "{} is not written yet"
EARLIER = "earlier "  # prefix for arrays from earlier calls, in the list of overwritten arrays
EMPTY_BODY_OPCODES = ("RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE", "CACHE")  # opcodes of `pass`


def call(label: str, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    """Call a learner's function and return its result. Its arguments may have any names, such as label.

    label    name of the function, for messages

    Errors   StudentError, with message and line number, for any error in the function; UnwrittenError if its body is
             empty or raises NotImplementedError; InterfaceError if it takes other arguments
    """
    try:
        with np.errstate(all="ignore"):  # results that are not finite are reported instead of NumPy's warnings
            result = function(*arguments, **named)
    except StudentError:
        raise
    except (Exception, SystemExit) as error:
        message = describe_error(label, error)
        if isinstance(error, NotImplementedError):
            raise UnwrittenError(f"{UNWRITTEN.format(label)}: {message}") from error
        if not _frames(error) and isinstance(error, TypeError):
            kind = InterfaceError
        else:
            kind = StudentError
        raise kind(f"{message}{_shapes(function, arguments, named)}") from error
    if result is None and _is_empty(function):
        raise UnwrittenError(f"{label} returned None: it is not written yet")
    return result


def _shapes(function: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]) -> str:
    """Describe the shapes of a call's array arguments, for a message: "; shapes: x 5×7, w 1×7"."""
    names = [name for name, _ in defaults(function) or ()]
    values = {**dict(zip(names, arguments, strict=False)), **named}
    shown = list[str]()
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            shown.append(f"{name} {text(cast('Array', value).shape) or '()'}")
    if not shown:
        return ""
    return "; shapes: " + ", ".join(shown)


def code_of(function: object) -> CodeType | None:
    """Return the bytecode of a function or method; None for other callables."""
    return getattr(getattr(function, "__func__", function), "__code__", None)


def _is_empty(function: object) -> bool:
    """Return whether a function's body is empty, such as `pass`."""
    code = code_of(function)
    return code is not None and all(step.opname in EMPTY_BODY_OPCODES for step in dis.get_instructions(code))


def with_advice(message: str) -> str:
    """Return an error's message, followed by what to write instead of a name that was removed."""
    for word, advice in NAMES.removed.items():
        if word in message:
            return f"{message}: {advice}"
    return message


def describe_error(label: str, error: BaseException) -> str:
    """Return an error's message with the line number of the innermost call in the learner's file."""
    message = with_advice(" ".join(f"{type(error).__name__}: {error}".split()))
    frames = _frames(error)
    if not frames:
        return f"{label} cannot be called: {message}"
    innermost = frames[0]
    for frame in frames:
        if frame.filename == frames[0].filename:
            innermost = frame
    return f"{label}: {message} (line {innermost.lineno} of {Path(innermost.filename).name})"


def is_theirs(error: BaseException) -> bool:
    """Return whether an error arose in code outside this package."""
    return bool(_frames(error))


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Return the calls that led to an error, outside this package."""
    package = str(Path(__file__).parent)
    return [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(package)]


def array(value: Any, what: str) -> Array:
    """Convert numbers to a new real or complex array; integers and booleans become float64.

    what     beginning of the error message, such as "conv.forward returned"
    Errors   StudentError for values that are not numbers
    """
    if value is None:
        raise StudentError(f"{what} None: is a return missing?")
    try:
        converted = np.array(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise StudentError(f"{what} not an array of numbers: {error}") from None
    if converted.dtype.kind not in "fciub":
        raise StudentError(f"{what} not an array of numbers but {type(value).__name__}")
    if converted.dtype.kind in "fc":
        return converted
    return converted.astype(np.float64)


def is_numeric(value: object) -> bool:
    """Return whether a value can be converted to an array of numbers. Booleans and strings are not numbers."""
    if value is None or isinstance(value, bool | str):
        return False
    try:
        return np.asarray(value).dtype.kind in "fciu"
    except (ValueError, TypeError, RuntimeError):
        return False


def copy_for_call(values: Array, strided: bool) -> Array:
    """Copy an array to pass it to a learner's code.

    strided   whether the copy is noncontiguous in memory
    """
    if not strided or not values.ndim:
        return np.array(values)
    copy = np.zeros((*values.shape[:-1], 2 * values.shape[-1]), values.dtype)[..., ::2]
    copy[...] = values
    return copy


def overwritten(passed: Mapping[str, tuple[object, Array]]) -> tuple[str, ...]:
    """Return the names of arrays that have changed.

    passed   pairs (array, copy made before the call), by name
    """
    names = list[str]()
    for name, (value, before) in passed.items():
        if not isinstance(value, np.ndarray):
            continue
        now = cast("Array", value)
        # Comparing with NaN equal to NaN takes longer, and is rarely needed.
        if not np.array_equal(now, before) and not same(before, now):
            names.append(name)
    return tuple(names)


def same(value: Array, other: Array | None) -> bool:
    """Return whether two arrays are equal. NaN equals NaN."""
    return other is not None and np.array_equal(value, other, equal_nan=value.dtype.kind in "fc")


class OverwriteDetector:
    """Detects that a learner's code overwrites arrays that the caller still needs.

    The arrays are arguments and results of the last calls. Each is compared with a copy. A change is reported once.
    """

    def __init__(self) -> None:
        self._arrays = dict[str, tuple[object, Array]]()

    def after_forward(self, passed: Mapping[str, tuple[object, Array]], returned: Any) -> tuple[str, ...]:
        """Return the names of arrays that a call of forward has overwritten.

        The names of arrays from earlier calls have the prefix "earlier ".

        passed     pairs (array passed to the call, copy made before the call), by name
        returned   the returned y, before conversion
        """
        overwritten_earlier = overwritten(self._arrays)
        changed = overwritten(passed)
        arrays = dict[str, tuple[object, Array]]()
        for name, pair in passed.items():
            if name not in changed:
                arrays[name] = pair
        arrays |= _returned_array("y", returned, passed)
        if "dx" in self._arrays and "dx" not in overwritten_earlier:
            arrays["dx"] = self._arrays["dx"]
        self._arrays = arrays
        return (*changed, *(f"{EARLIER}{name}" for name in overwritten_earlier))

    def after_backward(self, passed: Mapping[str, tuple[object, Array]], returned: object) -> tuple[str, ...]:
        """Return the names of arrays that a call of backward has overwritten; see `after_forward`.

        returned   the returned dx, before conversion
        """
        changed = list(overwritten({**self._arrays, **passed}))
        for name in (*changed, "dx"):
            self._arrays.pop(name, None)
        self._arrays |= _returned_array("dx", returned, passed)
        if "dx" in changed:
            changed[changed.index("dx")] = f"{EARLIER}dx"
        return tuple(changed)


def _returned_array(
    name: str, returned: object, passed: Mapping[str, tuple[object, Array]]
) -> dict[str, tuple[object, Array]]:
    """Return {name: (result, copy)}, or {} if the result is not an array or is one of the passed arrays."""
    if not isinstance(returned, np.ndarray) or any(returned is now for now, _ in passed.values()):
        return {}
    return {name: (returned, np.array(cast("Array", returned)))}


def defaults(function: Callable[..., Any]) -> list[tuple[str, Any]] | None:
    """Return the names of a function's positional parameters and their defaults (or `NO_DEFAULT`), in order.

    None if they are unknown, because the function has no signature or accepts any number of arguments.
    """
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return None
    positional = list[tuple[str, Any]]()
    for parameter in signature.parameters.values():
        if parameter.kind == parameter.VAR_POSITIONAL:
            return None
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            positional.append((parameter.name, parameter.default))
    return positional


NO_DEFAULT: Any = inspect.Parameter.empty
