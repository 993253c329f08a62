"""The NumPy engine as the fallback for an engine that cannot be used."""

import sys
from functools import cache

from chainrule.engines.interpreter import ModuleEngine
from chainrule.engines.protocol import Engine
from chainrule.errors import one_line

NAME = "numpy"


@cache
def numpy_engine() -> Engine:
    """Return the NumPy engine, which needs only NumPy and keeps all arrays of a plan accessible."""
    return ModuleEngine(NAME)


def fall_back(reason: str) -> Engine:
    """Return the NumPy engine as the fallback, and print the reason to stderr in one line."""
    say_once(f"chainrule: {reason}; falling back to the NumPy engine")
    return numpy_engine()


def first_line(error: BaseException) -> str:
    """Return the first line of an error message, truncated to 200 characters."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


@cache
def say_once(line: str) -> None:
    """Print a line to stderr unless it has already been printed."""
    print(one_line(line), file=sys.stderr)
