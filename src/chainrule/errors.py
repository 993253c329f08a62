"""The exceptions of chainrule. Every message is a single printable line."""

import re
import unicodedata
from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

MIN_SIMILARITY = 0.75  # of a name that is suggested instead of an unknown one, from 0 to 1
MAX_CHARACTERS = 300  # maximum length of a message
# Control characters, characters without width, line and paragraph separators, bidirectional overrides, lone surrogates.
# The joiners of Persian, of the scripts of India and of emoji are kept after a character beyond ASCII.
HARMFUL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]|(?<![^\x00-\x7f])[\u200c\u200d]"
)


class ChainruleError(Exception):
    """Base class of all errors raised by this library. Commands print the message and exit with status 2.

    The message is one line of at most 300 printable characters, even if it quotes file names and values.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


class ShapeError(ChainruleError, ValueError):
    """Shapes do not match: for example, a kernel is larger than the image."""


class OptionError(ChainruleError, ValueError):
    """An invalid option: a value out of range, or an unknown name."""


class DataError(ChainruleError):
    """Unusable data: missing, empty or damaged data, or labels outside the range of classes."""


class SampleError(DataError):
    """An unusable sample.

    number    number of the sample among those that were checked together; the message contains "sample NUMBER"
    """

    def __init__(self, message: str, number: int = 0) -> None:
        super().__init__(message)
        self.number = int(number)

    def renamed(self, name: str) -> "SampleError":
        """Return the error with another name of the sample, such as the path of its file."""
        return SampleError(str(self.args[0]).replace(f"sample {self.number}", name, 1), self.number)


class FormatError(ChainruleError):
    """An invalid file, such as a truncated IDX file or a checkpoint with a wrong checksum."""


class RunError(ChainruleError):
    """An unusable run folder: it is not writable, is in use, or contains another model."""


class StudentError(ChainruleError):
    """An error in custom code: a missing method, a result of the wrong type or shape, or an exception."""


class UnwrittenError(StudentError):
    """A learner's function has not been written yet: it is empty, raises NotImplementedError, or returns None."""


class NotFiniteError(ChainruleError, ArithmeticError):
    """A loss, a gradient or a parameter is infinite or NaN."""


class OutOfMemoryError(ChainruleError, MemoryError):
    """There is not enough memory for an array. The message contains its size and advice."""


class FileTooLargeError(DataError, OutOfMemoryError):
    """The contents of a file do not fit into memory."""


class PrecisionWarning(RuntimeWarning):
    """Results may be less precise than their dtype allows: an input is much larger than all training inputs."""


class InputUnitWarning(UserWarning):
    """Inputs are presumably in another unit than the training data, such as 0 … 1 instead of 0 … 255."""


class ChannelOrderWarning(UserWarning):
    """An input shape is presumably (H, W, C), but the axes are (C, H, W)."""


class AmbiguousNameWarning(UserWarning):
    """A name refers to a built-in data set and to a folder; the data set is used."""


class EngineError(ChainruleError):
    """A compiled program does not match its plan. This is a bug in the library. Nothing has been computed."""


def explain_memory_errors(action: str, advice: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that converts every MemoryError in a function to an `OutOfMemoryError`.

    If decorated functions call each other, the outermost one determines the message.

    action   what the function does, for the message: "training"
    advice   advice to the user: "use a smaller batch_size"
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except MemoryError as error:
                cause = error.__cause__ if isinstance(error, OutOfMemoryError) and error.__cause__ else error
                detail = str(cause).strip().rstrip(".") or "unable to allocate an array"  # NumPy's message has the size
                raise OutOfMemoryError(f"out of memory while {action}: {detail}; {advice}") from cause

        return call

    return decorate


def unknown_name(what: str, value: object, names: list[str] | tuple[str, ...]) -> OptionError:
    """Return the error for an unknown name, with a list of the known names.

    what   what is named: "optimizer"
    """
    hint = ""  # first, because a long list of names is cut
    if isinstance(value, str):
        for similar in get_close_matches(value, names, 1, MIN_SIMILARITY):
            hint = f"did you mean {similar}? "
    return OptionError(f"unknown {what} {quoted(value)}; {hint}known: {', '.join(names)}")


def printable(text: str) -> str:
    """Escape line breaks, control characters, bidirectional overrides and characters without width in a text."""
    return HARMFUL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def printable_name(text: str) -> str:
    """Return a name as a printable text, in Unicode normal form C: the names of one text in other forms are equal."""
    return printable(unicodedata.normalize("NFC", text))


def one_line(text: str, most: int = MAX_CHARACTERS) -> str:
    """Return a text as one printable line, shortened in the middle to at most ``most`` characters."""
    if len(text) > 4 * most:  # do not escape characters that are cut anyway
        text = f"{text[: 2 * most]} … {text[-2 * most :]}"
    line = printable(text)
    if len(line) <= most:
        return line
    head = 2 * most // 3
    return f"{line[:head]} … {line[head + 3 - most :]}"


def quoted(value: object, most: int = 60) -> str:
    """Return the repr of a value, truncated to ``most`` characters. This never raises an exception."""
    if isinstance(value, int) and value.bit_length() > 4 * most:
        return f"an integer of {value.bit_length()} bits"
    try:
        text = repr(value)
    except Exception:  # repr may run the user's code
        text = f"a {type(value).__name__}"
    if len(text) <= most:
        return text
    return f"{text[: most - 1]}…"
