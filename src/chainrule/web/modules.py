"""The modules of the page in an order in which each comes after those it imports, for the self-contained file."""

import posixpath
import re
from collections.abc import Iterable, Mapping

from chainrule.errors import FormatError

IMPORT = re.compile(
    r"""^(?P<before>\s*(?:import\s*|(?:import|export)\b[^;'"`]*?\bfrom\s*))"(?P<name>\.{1,2}/[^"]+)\"""", re.MULTILINE
)
PREFIX = "module:"  # before the path of a module, in the place of the relative name it was imported by


def collected(sources: Mapping[str, str], entries: Iterable[str]) -> dict[str, str]:
    """The entries and all that they import, by path; every import names a module as `module:PATH`.

    sources   of all modules, by path (engine/tensor.js)
    Errors    FormatError for an import of what is not there, and for modules that import each other in a ring
    """
    found: dict[str, str] = {}
    for entry in entries:
        _visit(entry, sources, found, [])
    return found


def _visit(path: str, sources: Mapping[str, str], found: dict[str, str], way: list[str]) -> None:
    if path in way:
        raise FormatError(f"modules of the page import each other: {' → '.join([*way[way.index(path) :], path])}")
    if path in found:
        return
    if path not in sources:
        raise FormatError(f"{way[-1] if way else 'the page'} imports {path}, which is not there")
    source = sources[path]
    for name in imported(path, source):
        _visit(name, sources, found, [*way, path])
    found[path] = IMPORT.sub(lambda match: f'{match["before"]}"{PREFIX}{_resolved(path, match["name"])}"', source)


def imported(path: str, source: str) -> list[str]:
    """The paths of the modules that one imports, in order."""
    return [_resolved(path, match["name"]) for match in IMPORT.finditer(source)]


def _resolved(path: str, name: str) -> str:
    """The path that a relative name in a module means."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
