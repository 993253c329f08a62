"""Mistakes planted in correct layers: tables of changes to the source of a class."""

import inspect
import sys
from collections.abc import Iterable

CORRECT = []  # (class, its intended layer)
PLANTED = []  # (class, its intended layer, tensor that is wrong, name of the mistake)


def correct(against):
    """Register a class that implements a layer or loss correctly."""

    def register(source):
        CORRECT.append((source, against))
        return source

    return register


def text_of(source, changes=()):
    """Return the source of a class in which each text of ``changes`` is replaced by the text after it."""
    text = inspect.getsource(source)
    text = text[text.index("class ") :]
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text, f"{source.__name__} does not contain {old!r}"
        text = text.replace(old, new)
    return text


def changed(source, changes):
    """Return a copy of a class with these changes to its source."""
    space = dict(vars(sys.modules[source.__module__]))
    text = text_of(source, changes)
    exec(text, space)
    return space[text.removeprefix("class ").partition(":")[0].partition("(")[0]]


def plant(source, rows: Iterable[tuple], against=None):
    """Register the rows (wrong tensor, name of the mistake, text, its replacement, …) of a correct class.

    against  the intended layer, if not that of the correct class
    """
    intended = against or dict(CORRECT)[source]
    for tensor, name, *changes in rows:
        PLANTED.append((changed(source, changes), intended, tensor, name))


def mistaken(source, mistake):
    """Return the first class made from ``source`` with this mistake."""
    return next(case[0] for case in PLANTED if case[0].__name__ == source.__name__ and case[3] == mistake)
