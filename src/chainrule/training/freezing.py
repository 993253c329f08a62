"""Frozen parameters: those that training does not change."""

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

from chainrule.errors import OptionError


def frozen_names(names: Sequence[str], layout: Mapping[str, tuple[int, int]], option: str = "freeze") -> frozenset[str]:
    """Return the names of the parameters that are frozen.

    names    parameters (conv1.w), layers (conv1), patterns for layers (conv*), or parameters in all layers (beta)
    layout   parameter name → range of its indices (first, last) in the flat buffer, in order; ``last`` is excluded
    option   name of the option, for the error
    Errors   OptionError for a name that matches no parameter
    """
    frozen = set[str]()
    for pattern in names:
        is_known = False
        for name in layout:
            if _is_selected(name, pattern):
                is_known = True
                frozen.add(name)
        if not is_known:
            raise OptionError(f"{option}: no parameter is named {pattern!r}; there are {', '.join(layout)}")
    return frozenset(frozen)


def ranges(layout: Mapping[str, tuple[int, int]], frozen: Collection[str]) -> tuple[list[slice], list[slice]]:
    """Return the ranges of the flat buffer with trained and with frozen parameters, in order.

    Neighbors are joined: fewer ranges mean fewer updates.
    """
    trained = list[slice]()
    kept = list[slice]()
    for name, (first, last) in layout.items():
        parts = kept if name in frozen else trained
        if parts and parts[-1].stop == first:
            first = parts.pop().start
        parts.append(slice(first, last))
    return trained, kept


def _is_selected(name: str, pattern: str) -> bool:
    """Return whether a pattern matches the name of a parameter, its layer or its short name (conv1.w, conv1, w)."""
    layer, _, short_name = name.rpartition(".")
    return any(fnmatchcase(spelling, pattern) for spelling in (name, layer, short_name))
