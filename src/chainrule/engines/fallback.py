"""The NumPy engine as the fallback for an engine that cannot be used."""

import sys
from functools import cache

from chainrule.engines.interpreter import ModuleEngine
from chainrule.engines.protocol import Engine
from chainrule.errors import one_line

NAME = "numpy"


@cache
def numpy_engine() -> Engine:
    """Return the NumPy engine, which needs nothing but NumPy and shows every array of a plan."""
    return ModuleEngine(NAME)


def fall_back(reason: str) -> Engine:
    """Return the NumPy engine in place of another one, and print one line on stderr that says why."""
    say_once(f"chainrule: {reason}; the NumPy engine serves instead")
    return numpy_engine()


def first_line(error: BaseException) -> str:
    """Return the first line of a foreign error's message, at most 200 characters."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


@cache
def say_once(line: str) -> None:
    """Write a line to stderr, the first time only."""
    print(one_line(line), file=sys.stderr)
