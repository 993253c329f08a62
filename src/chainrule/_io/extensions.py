"""Extensions: what other installed packages declare for chainrule as entry points, by group and name.

Only packages that are installed for this Python are read, and an extension is imported when its name is used.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from chainrule.errors import OptionError, one_line

ENGINES = "chainrule.engines"  # functions without arguments that return an engine


@cache
def declared(group: str) -> Mapping[str, list[EntryPoint]]:
    """Return the entry points of a group by name, sorted; several if packages declare the same name."""
    points = dict[str, list[EntryPoint]]()
    for point in sorted(entry_points(group=group)):
        points.setdefault(point.name, []).append(point)
    return points


def load(group: str, name: str) -> Any:
    """Import and return an extension.

    name     one of those `declared`
    Errors   OptionError with the name of the package if it cannot be imported, or if several packages declare it
    """
    points = declared(group)[name]
    packages = {point.dist.name if point.dist else point.module for point in points}
    if len(packages) > 1:
        raise OptionError(f"the packages {' and '.join(sorted(packages))} both declare {name!r}; uninstall one of them")
    try:
        return points[0].load()
    except Exception as error:  # a broken package may raise anything
        reason = one_line(f"{type(error).__name__}: {error}")
        raise OptionError(f"{name!r} of the package {packages.pop()} cannot be imported: {reason}") from error
