"""The page's modules as the self-contained file holds them, where no relative address can be fetched.

Modules of the page itself keep one address each and are ordered so that each comes after those it imports. A worker
gets one classic script with everything it needs: in a page opened from disk, Chromium allows a worker neither to
import anything nor to be a module.
"""

import posixpath
import re
from collections.abc import Iterable, Mapping

from chainrule.errors import FormatError

FROM = r'"(?P<name>\.{1,2}/[^"]+)"'
IMPORT = re.compile(rf"""^(?P<before>[ \t]*(?:import\s*|(?:import|export)\b[^;'"`]*?\bfrom\s*)){FROM}""", re.MULTILINE)
IMPORTED = re.compile(rf"^[ \t]*import\s*(?:(?P<what>[^;'\"`]*?)\s*\bfrom\s*)?{FROM};?", re.MULTILINE)
NAMES = re.compile(r"\{(?P<names>[\w\s,$]*)\}")
WHOLE = re.compile(r"\*\s*as\s+(?P<space>[\w$]+)")
DECLARED = re.compile(
    r"^export\s+(?P<what>(?:async\s+)?function\s*\*?|class|const|let)\s+(?P<name>[\w$]+)", re.MULTILINE
)
LISTED = re.compile(r"^export\s*\{(?P<names>[\w\s,$]*)\}\s*;?[ \t]*$", re.MULTILINE)
LEFT = re.compile(r"^[ \t]*(?:import|export)\b.*", re.MULTILINE)
PREFIX = "module:"  # precedes the path of a module where the relative name was


def collect(sources: Mapping[str, str], entries: Iterable[str]) -> dict[str, str]:
    """Return the entries and all that they import, by path; each import refers to a module as `module:PATH`.

    sources   source of every module, by path (engine/tensor.js)
    Errors    FormatError for an import of a missing module and for circular imports
    """
    return {path: _absolute_imports(path, sources[path]) for path in _in_import_order(sources, entries)}


def bundle(sources: Mapping[str, str], entry: str) -> str:
    """Return an entry and all it imports as one classic script; each module becomes a function with its own scope."""
    parts = [_as_function(path, sources[path]) for path in _in_import_order(sources, [entry])]
    return "\n".join(['"use strict";', "const modules = {};", *parts])


def _in_import_order(sources: Mapping[str, str], entries: Iterable[str]) -> list[str]:
    """Return the paths of the entries and of all that they import, each after those it imports."""
    found: dict[str, None] = {}
    for entry in entries:
        _visit(entry, sources, found, [])
    return [*found]


def _visit(path: str, sources: Mapping[str, str], found: dict[str, None], way: list[str]) -> None:
    if path in way:
        raise FormatError(f"modules of the page import each other: {' → '.join([*way[way.index(path) :], path])}")
    if path in found:
        return
    if path not in sources:
        raise FormatError(f"{way[-1] if way else 'the page'} imports {path}, which does not exist")
    for match in IMPORT.finditer(sources[path]):
        _visit(_resolve(path, match["name"]), sources, found, [*way, path])
    found[path] = None


def _absolute_imports(path: str, source: str) -> str:
    return IMPORT.sub(lambda match: f'{match["before"]}"{PREFIX}{_resolve(path, match["name"])}"', source)


def _as_function(path: str, source: str) -> str:
    """Wrap a module in a function that reads its imports from `modules` and stores its exports there."""
    exports = [match["name"] for match in DECLARED.finditer(source)]
    for match in LISTED.finditer(source):
        exports += [_property_alias(name, first=1) for name in _list(match["names"])]
    body = IMPORTED.sub(lambda match: _import_as_constant(path, match), source)
    body = LISTED.sub("", DECLARED.sub(lambda match: f"{match['what']} {match['name']}", body))
    left = LEFT.search(body)
    if left is not None:
        raise FormatError(f"{path}: {left[0].strip()!r}: expected an import or export of names")
    return f'modules["{path}"] = (() => {{\n{body}\nreturn {{ {", ".join(exports)} }};\n}})();'


def _import_as_constant(path: str, match: re.Match[str]) -> str:
    """Turn an import into a constant."""
    what, origin = match["what"], f'modules["{_resolve(path, match["name"])}"]'
    if what is None:
        return ""
    names, whole = NAMES.fullmatch(what), WHOLE.fullmatch(what)
    if names is not None:
        return f"const {{ {', '.join(_property_alias(name) for name in _list(names['names']))} }} = {origin};"
    if whole is not None:
        return f"const {whole['space']} = {origin};"
    raise FormatError(f"{path}: cannot import {what} by itself; expected names in braces")


def _list(names: str) -> list[str]:
    return [name for name in (part.strip() for part in names.split(",")) if name]


def _property_alias(name: str, first: int = 0) -> str:
    """Turn `a as b` into a property of an object: `a: b` in an import (first = 0), `b: a` in an export (first = 1)."""
    words = re.split(r"\s+as\s+", name)
    return name if len(words) == 1 else f"{words[first]}: {words[1 - first]}"


def _resolve(path: str, name: str) -> str:
    """Return the path that a relative name in a module refers to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
