"""The pages of the API: every public name of chainrule, from its docstring."""

import importlib
import inspect
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

from docstrings import converted
from sphinx.application import Sphinx

import chainrule

FOLDER = Path("site/api")
TITLES = {"sklearn": "scikit-learn"}


def groups() -> dict[str, list[str]]:
    """Return the full names to document, by the public module or the package that defines them."""
    found: dict[str, list[str]] = {name: [] for name in chainrule.MODULES}
    for place, names in chainrule.public_names().items():
        found.setdefault(place.split(".")[1], []).extend(f"chainrule.{name}" for name in names)
    for group, names in found.items():
        module = _module(group)
        known = [_object(name) for name in names]
        more = [name for name in _public(module) if getattr(module, name) not in known]
        names += [f"{module.__name__}.{name}" for name in more]
    return dict(sorted(found.items()))


def _module(group: str) -> ModuleType:
    """Return the module of a group: a public module, such as `chainrule.losses`, or a package."""
    return importlib.import_module(chainrule.MODULES.get(group, f"chainrule.{group}"))


def _public(module: ModuleType) -> list[str]:
    """Return what a module exports: its `__all__`, or the functions and classes that it defines."""
    stated: list[str] | None = getattr(module, "__all__", None)
    if stated is not None:
        return [name for name in stated if not inspect.ismodule(getattr(module, name))]
    own = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    return [
        name
        for name, value in own.items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__
    ]


def _object(name: str) -> Any:
    found: Any = chainrule
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    return found


def _page(group: str, names: list[str]) -> str:
    module = _module(group)
    title = TITLES.get(group, group.capitalize())
    lines = [title, "=" * len(title), "", f".. py:module:: {module.__name__}", ""]
    lines += converted(inspect.cleandoc(module.__doc__ or "").splitlines())
    for name in names:
        found = _object(name)
        if inspect.isclass(found):
            lines += [f".. autoclass:: {name}", f"   :members: {', '.join(_members(found)) or 'none'}", ""]
            if not _members(found):
                lines[-2:] = [""]
        elif callable(found):
            lines += [f".. autofunction:: {name}", ""]
        else:
            lines += [f".. py:data:: {name}", ""]
    return "\n".join(lines)


def _members(found: type) -> list[str]:
    """Return the public methods that a class adds to those of its bases in this package."""
    bases = {name for base in found.__mro__[1:] if base.__module__.startswith("chainrule") for name in vars(base)}
    return [
        name
        for name, value in vars(found).items()
        if not name.startswith("_")
        and name not in bases
        and (inspect.isfunction(value) or isinstance(value, property | classmethod | staticmethod))
        and inspect.getdoc(getattr(found, name))
    ]


def _write(app: Sphinx) -> None:
    """Write a page for each group, and one that lists them."""
    folder = app.srcdir / FOLDER
    pages = {group: _page(group, names) for group, names in groups().items()}
    contents = ["API", "===", "", *converted(inspect.cleandoc(chainrule.__doc__ or "").splitlines())]
    contents += [
        ".. py:module:: chainrule",
        "",
        ".. toctree::",
        "   :maxdepth: 1",
        "",
        *(f"   {group}" for group in pages),
    ]
    wanted = {f"{group}.rst": text for group, text in pages.items()} | {"index.rst": "\n".join(contents) + "\n"}
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.name not in wanted:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    for name, text in wanted.items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def _convert(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = converted(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before the sources are read, and convert docstrings as they are."""
    app.connect("builder-inited", _write)
    app.connect("autodoc-process-docstring", _convert)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
