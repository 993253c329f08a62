"""The exceptions of chainrule: one small family, whose texts are single printable lines."""

import re
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

MAX_CHARACTERS = 300
# control characters, line and paragraph separators, bidirectional overrides, lone surrogates
HARMFUL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class ChainruleError(Exception):
    """Base class of every error of this library; a command prints its text and exits with 2.

    The text is one line of at most 300 printable characters, whatever file names and values it quotes.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


class ShapeError(ChainruleError, ValueError):
    """Sizes that do not fit together: a kernel larger than its image, channels that do not match."""


class OptionError(ChainruleError, ValueError):
    """An option out of range, or an unknown name."""


class DataError(ChainruleError):
    """Data that cannot be used: missing, empty, damaged, or labelled outside its classes."""


class FormatError(ChainruleError):
    """A file that is not what it should be: a truncated IDX file, a checkpoint with a wrong checksum."""


class ChangedError(FormatError):
    """Files of a run folder that are no longer what the run wrote.

    what   the files, and what happened to them
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; --accept-changes uses it anyway")
        self.what = what


class RunError(ChainruleError):
    """A run folder that cannot be used: not writable, already in use, or of another model."""


class StudentError(ChainruleError):
    """A learner's code that cannot be used: no forward, a result of the wrong type, an exception inside it."""


class UnwrittenError(StudentError):
    """A learner's function that is still empty, raises NotImplementedError, or returns None in place of its results."""


class NotFiniteError(ChainruleError, ArithmeticError):
    """A loss or a gradient became infinite or not a number; the parameters were left as they were."""


class OutOfMemoryError(ChainruleError, MemoryError):
    """There is not enough memory for an array; the text says for which, and what to do."""


class FileTooLargeError(DataError, OutOfMemoryError):
    """A file whose content does not fit into memory."""


class PrecisionWarning(RuntimeWarning):
    """A result may be less exact than its dtype allows: an input is far larger than those seen in training."""


class EngineError(ChainruleError):
    """A compiled program that does not match its plan: a bug in this library, caught before anything was computed."""


def explain_memory_errors(action: str, advice: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function so that any MemoryError in it becomes an `OutOfMemoryError` in one line.

    Of several decorated functions, the outermost words the error.

    action   what the function does: "training"
    advice   what the user can do: "use a smaller batch_size"
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except MemoryError as error:
                cause = error.__cause__ if isinstance(error, OutOfMemoryError) and error.__cause__ else error
                detail = str(cause).strip().rstrip(".") or "unable to allocate an array"  # NumPy's has size and shape
                raise OutOfMemoryError(f"out of memory while {action}: {detail}; {advice}") from cause

        return call

    return decorate


def unknown_name(what: str, given: object, known: list[str] | tuple[str, ...]) -> OptionError:
    """Return the error for an unknown name, which quotes it and lists the known ones."""
    return OptionError(f"unknown {what} {quoted(given)}; known: {', '.join(known)}")


def printable(text: str) -> str:
    """Escape line breaks, control characters, bidirectional overrides and lone surrogates in a text."""
    return HARMFUL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def one_line(text: str, most: int = MAX_CHARACTERS) -> str:
    """Return a text as one printable line of at most ``most`` characters; a longer one is cut in its middle."""
    if len(text) > 4 * most:  # do not escape what is cut anyway
        text = f"{text[: 2 * most]} … {text[-2 * most :]}"
    line = printable(text)
    if len(line) <= most:
        return line
    head = 2 * most // 3
    return f"{line[:head]} … {line[head + 3 - most :]}"


def quoted(value: object, most: int = 60) -> str:
    """Return the repr of a value, cut to at most ``most`` characters; never raises, however large the value is."""
    if isinstance(value, int) and value.bit_length() > 4 * most:
        return f"a whole number of {value.bit_length()} bits"
    try:
        text = repr(value)
    except Exception:  # repr runs the object's own code
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 1]}…"
