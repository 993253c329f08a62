"""The exceptions of chainrule: one small family, each a single readable line."""


class ChainruleError(Exception):
    """What every error of this library is; the command prints its text and exits with 2."""


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


def one_of(what: str, given: object, known: list[str] | tuple[str, ...]) -> OptionError:
    """The error for a name that is not known: quotes it and lists those that are."""
    return OptionError(f"unknown {what} {given!r}; known: {', '.join(known)}")
