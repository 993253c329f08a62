"""The exceptions of chainrule: one small family, each a single readable line."""

import re

MOST_LETTERS = 300
# control characters, breaks of lines and paragraphs, overrides of direction, halves of surrogate pairs
HARMFUL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class ChainruleError(Exception):
    """Base of every error of this library; the command prints its text and exits with 2.

    The text is one line of at most 300 printable letters, whatever names of files and values are quoted in it.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


class ShapeError(ChainruleError, ValueError):
    """Sizes that do not fit together: a kernel larger than its image, channels that do not match."""


class OptionError(ChainruleError, ValueError):
    """An option out of its range, or a name that nobody knows."""


class DataError(ChainruleError):
    """Data that cannot be used: missing, empty, damaged, or labelled outside its classes."""


class FormatError(ChainruleError):
    """A file that is not what it should be: a truncated IDX file, a checkpoint with a wrong checksum."""


class RunError(ChainruleError):
    """A run folder that cannot be used: not writable, already holding a run, or of another model."""


class StudentError(ChainruleError):
    """A learner's own layer that cannot be used: no forward, a result of the wrong kind, an exception inside it."""


class NotFiniteError(ChainruleError, ArithmeticError):
    """A loss or a gradient became infinite or not a number; the parameters were left as they were."""


class EngineError(ChainruleError):
    """A compiled program that would not compute what its plan says: a mistake of this library, found in time."""


def one_of(what: str, given: object, known: list[str] | tuple[str, ...]) -> OptionError:
    """The error for a name that is not known: quotes it and lists those that are."""
    return OptionError(f"unknown {what} {quoted(given)}; known: {', '.join(known)}")


def printable(text: str) -> str:
    """Return text with what breaks a line, moves a cursor, turns the direction of writing or is no Unicode escaped."""
    return HARMFUL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def one_line(text: str, most: int = MOST_LETTERS) -> str:
    """Return text as one printable line of at most ``most`` letters; a longer one loses its middle."""
    if len(text) > 4 * most:  # most of it is never looked at
        text = f"{text[: 2 * most]} … {text[-2 * most :]}"
    line = printable(text)
    if len(line) <= most:
        return line
    head = 2 * most // 3
    return f"{line[:head]} … {line[head + 3 - most :]}"


def quoted(value: object, most: int = 60) -> str:
    """Return what Python calls a value, cut to at most ``most`` letters; never fails, however large the value is."""
    if isinstance(value, int) and value.bit_length() > 4 * most:
        return f"a whole number of {value.bit_length()} bits"
    try:
        text = repr(value)
    except Exception:  # a foreign object's own code
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 1]}…"
