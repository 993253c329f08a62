"""Sphinx extension: write the API pages, with every public name of chainrule and its docstring."""

import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from api_pages import METHODS, METHODS_TITLE, PAGES, Page
from docstrings import to_rst
from generated import write_files
from signatures import as_written
from sphinx.application import Sphinx

import chainrule

FOLDER = Path("site/api")
LINES = re.compile(r'(?P<start><span class="sig-paren">\(</span>\s*)<dl>(?P<lines>.*?)</dl>', re.S)


def _object(name: str) -> Any:
    """Return the object with a full name such as `chainrule.losses.find` or `chainrule.explain.trace.Trace`."""
    value: Any = chainrule
    for part in name.split(".")[1:]:
        if inspect.ismodule(value) and not hasattr(value, part):
            importlib.import_module(f"{value.__name__}.{part}")
        value = getattr(value, part)
    return value


@cache
def _documented() -> frozenset[type]:
    """Return all classes on the pages."""
    names = (name for page in PAGES.values() for section in page.sections.values() for name in section)
    values = (_object(f"chainrule.{name}") for name in names)
    return frozenset(value for value in values if inspect.isclass(value))


def _page(group: str, page: Page) -> str:
    """Return the reStructuredText of a page."""
    lines = [page.title, "=" * len(page.title), "", page.sentence, ""]
    if page.example:
        lines += [".. code-block:: python", "", textwrap.indent(textwrap.dedent(page.example).strip(), "   "), ""]
    if group in chainrule.MODULES:
        lines += [f".. py:module:: chainrule.{group}", ""]
    for title, names in page.sections.items():
        lines += [title, "-" * len(title), ""] if title else []
        for name in names:
            lines += _entry(f"chainrule.{name}")
    return "\n".join(lines)


def _entry(name: str) -> Iterator[str]:
    """Yield the lines of a name."""
    value = _object(name)
    if inspect.isclass(value):
        yield from (f".. autoclass:: {name}", "")
        is_alias = value.__name__ != name.rpartition(".")[2]
        for title, members in [] if is_alias else _members(value):
            yield from (f"   .. rubric:: {title}", "") if title else ()
            for member in members:
                yield from (textwrap.indent(line, "   ") for line in _member(name, value, member))
    elif callable(value):
        yield from (f".. autofunction:: {name}", "")
    else:
        texts = ", ".join(f"``{getattr(item, 'name', item)}``" for item in value)
        module, _, own_name = name.rpartition(".")
        yield from (f".. py:data:: {own_name}", f"   :module: {module}", "", f"   {texts}", "")


def _member(name: str, cls: type, member: str) -> list[str]:
    """Return the lines of a method or a property."""
    value = inspect.getattr_static(cls, member)
    if not isinstance(value, property):
        return [f".. automethod:: {name}.{member}", ""]
    signature = as_written(value.fget, bound=True)
    types = [f"   :type: {signature[1]}"] if signature and signature[1] else []
    text = "\n".join(to_rst(inspect.cleandoc(value.__doc__ or "").splitlines()))
    return [f".. py:property:: {member}", *types, "", textwrap.indent(text, "   "), ""]


def _members(cls: type) -> list[tuple[str, list[str]]]:
    """Return the documented public methods and properties of a class, by the title of their section.

    Those of a base class that has an entry are documented there.
    """
    documented = {name for base in cls.__mro__[1:] if base in _documented() for name in vars(base)}
    names: list[str] = []
    for base in cls.__mro__:
        if not base.__module__.startswith("chainrule") or (base is not cls and base in _documented()):
            continue
        for name, value in vars(base).items():
            is_member = inspect.isfunction(value) or isinstance(value, property | classmethod | staticmethod)
            is_known = name in documented or name in names
            if is_member and not is_known and not name.startswith("_") and inspect.getdoc(getattr(cls, name)):
                names.append(name)
    if not issubclass(cls, chainrule.Sequential | chainrule.Graph):
        return [("", names)]
    sections = [(title, listed.split()) for title, listed in METHODS.items()]
    known = {name for _, listed in sections for name in listed}
    return [*sections, (METHODS_TITLE, sorted({*names} - known))]


def _write_pages(app: Sphinx) -> None:
    """Write all pages and a list of them."""
    entries = "\n".join(f"   {group}: {page.sentence}" for group, page in PAGES.items())
    heading = "API\n===\n\nEvery public name of ``chainrule``, by topic.\n\n.. py:module:: chainrule\n"
    index = f"{heading}\n.. entries::\n\n{entries}\n"
    files = {"index.rst": index} | {f"{group}.rst": _page(group, page) for group, page in PAGES.items()}
    write_files(app.srcdir / FOLDER, files)


def _convert_docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Convert a docstring. The methods of `Graph` are those of `Sequential`: keep the first sentence, and link."""
    if name.startswith("chainrule.Graph."):
        first, _, _ = " ".join(lines).partition(". ")
        method = name.removeprefix("chainrule.Graph.")
        lines[:] = [*to_rst([f"{first.rstrip('.')}."]), f"See :py:meth:`chainrule.Sequential.{method}`."]
    else:
        lines[:] = to_rst(lines)


def _write_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, arguments: str | None, result: str | None
) -> tuple[str | None, str | None] | None:
    return as_written(obj, bound=what == "method") if what in ("class", "exception", "function", "method") else None


def _list_parameters(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Write the lines of a long signature as a list: Sphinx writes a list of definitions without terms."""
    if "body" in context:
        context["body"] = LINES.sub(_as_list, context["body"])


def _as_list(match: re.Match[str]) -> str:
    items = match["lines"].replace("<dd>", "<li>").replace("</dd>", "</li>")
    return f'{match["start"]}<ul class="parameters">{items}</ul>'


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the events: write the pages before the sources are read, and convert docstrings and signatures."""
    app.connect("builder-inited", _write_pages)
    app.connect("autodoc-process-docstring", _convert_docstring)
    app.connect("autodoc-process-signature", _write_signature)
    app.connect("html-page-context", _list_parameters)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
