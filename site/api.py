"""Sphinx extension: write the API pages, with every public name of chainrule and its docstring."""

import importlib
import inspect
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

from docstrings import to_rst
from sphinx.application import Sphinx

import chainrule

FOLDER = Path("site/api")
TITLES = {"sklearn": "scikit-learn"}


def groups() -> dict[str, list[str]]:
    """Return the full names to document, grouped by public module or by the package that defines them."""
    names_by_group: dict[str, list[str]] = {name: [] for name in chainrule.MODULES}
    for defining_module, names in chainrule.public_names().items():
        group = defining_module.split(".")[1]
        names_by_group.setdefault(group, []).extend(f"chainrule.{name}" for name in names)
    for group, full_names in names_by_group.items():
        module = _module(group)
        documented = [_object(name) for name in full_names]
        additional = [name for name in _public(module) if getattr(module, name) not in documented]
        full_names += [f"{module.__name__}.{name}" for name in additional]
    return dict(sorted(names_by_group.items()))


def _module(group: str) -> ModuleType:
    """Return the module of a group: a public module such as `chainrule.losses`, or a package."""
    return importlib.import_module(chainrule.MODULES.get(group, f"chainrule.{group}"))


def _public(module: ModuleType) -> list[str]:
    """Return the names that a module exports: its `__all__`, or the functions and classes defined in it."""
    exported: list[str] | None = getattr(module, "__all__", None)
    if exported is not None:
        return [name for name in exported if not inspect.ismodule(getattr(module, name))]
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    return [
        name
        for name, value in public.items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__
    ]


def _object(name: str) -> Any:
    """Return the object with a full name such as `chainrule.losses.Loss`."""
    value: Any = chainrule
    for part in name.split(".")[1:]:
        value = getattr(value, part)
    return value


def _page(group: str, names: list[str]) -> str:
    """Return the reStructuredText of the page of a group."""
    module = _module(group)
    title = TITLES.get(group, group.capitalize())
    lines = [title, "=" * len(title), "", f".. py:module:: {module.__name__}", ""]
    lines += to_rst(inspect.cleandoc(module.__doc__ or "").splitlines())
    for name in names:
        value = _object(name)
        if inspect.isclass(value):
            lines += [f".. autoclass:: {name}", f"   :members: {', '.join(_members(value)) or 'none'}", ""]
            if not _members(value):
                lines[-2:] = [""]
        elif callable(value):
            lines += [f".. autofunction:: {name}", ""]
        else:
            lines += [f".. py:data:: {name}", ""]
    return "\n".join(lines)


def _members(cls: type) -> list[str]:
    """Return the documented public methods and properties of a class that its bases in this package do not define."""
    bases = {name for base in cls.__mro__[1:] if base.__module__.startswith("chainrule") for name in vars(base)}
    return [
        name
        for name, value in vars(cls).items()
        if not name.startswith("_")
        and name not in bases
        and (inspect.isfunction(value) or isinstance(value, property | classmethod | staticmethod))
        and inspect.getdoc(getattr(cls, name))
    ]


def _write_pages(app: Sphinx) -> None:
    """Write a page for each group and an index page; delete old pages and leave unchanged ones untouched."""
    folder = app.srcdir / FOLDER
    pages = {group: _page(group, names) for group, names in groups().items()}
    contents = ["API", "===", "", *to_rst(inspect.cleandoc(chainrule.__doc__ or "").splitlines())]
    contents += [
        ".. py:module:: chainrule",
        "",
        ".. toctree::",
        "   :maxdepth: 1",
        "",
        *(f"   {group}" for group in pages),
    ]
    files = {f"{group}.rst": text for group, text in pages.items()} | {"index.rst": "\n".join(contents) + "\n"}
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.name not in files:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    for name, text in files.items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def _convert_docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = to_rst(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the events: write the pages before the sources are read, and convert docstrings."""
    app.connect("builder-inited", _write_pages)
    app.connect("autodoc-process-docstring", _convert_docstring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
