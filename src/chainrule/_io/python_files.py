"""Import of a user's Python file as a module, which may belong to a package."""

import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from chainrule._io.trust import import_folders, is_trusted
from chainrule.errors import StudentError

RELATIVE_IMPORT = re.compile(r"^[ \t]*from[ \t]+(\.+)", re.M)


class _Package:
    """An import finder for the package that contains a file, if any. Nothing else in the folder above it is found."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return the spec of the package, with or without a file __init__.py; None for other names."""
        if self._folder is None or name != self._folder.name:
            return None
        file = self._folder / "__init__.py"
        spec = ModuleSpec(name, None)
        if file.is_file():
            spec = importlib.util.spec_from_file_location(name, file)
        if spec is not None:
            spec.submodule_search_locations = [str(self._folder)]
        return spec


def load(path: Path) -> ModuleType:
    """Run a Python file and return its module. The file can import modules from its own folder and its own package.

    Errors   StudentError, with the line number, if the file raises an error
    """
    if not path.is_file():
        raise StudentError(f"{path}: no such file")
    folders = import_folders(path)
    try:
        name, package = _module_name(path.resolve())
        with _search(folders, package, "." in name):
            return _run(name, path)
    except (Exception, SystemExit) as error:
        note = "; its folder is not searched, since other users may add files to it" * (not folders)
        raise StudentError(f"{path.name} cannot be imported: {describe(error, path)}{note}") from None


def _module_name(path: Path) -> tuple[str, Path | None]:
    """Return the name of a file's module, and the folder of its top-level package or None.

    The name includes the packages if the file uses relative imports. A package is a folder with a file __init__.py, or
    one that a relative import refers to. Folders that other users may write to are no packages.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    levels = max(map(len, RELATIVE_IMPORT.findall(text)), default=0)
    most = len(path.parents) - 1
    depth = levels
    for folder in path.parents[:depth]:
        if not is_trusted(folder, path):
            raise ImportError(f"a relative import uses the folder {folder}, and other users may add files to it")
    while depth < most and _is_package(path.parents[depth], path):
        depth += 1
    top = path.parents[min(depth, most)]
    names = path.relative_to(top).with_suffix("").parts
    return ".".join(names) if levels else f"learner_{path.stem}", top / names[0] if depth else None


def _is_package(folder: Path, file: Path) -> bool:
    init = folder / "__init__.py"
    return init.is_file() and is_trusted(init, file) and is_trusted(folder, file)


def _run(name: str, path: Path) -> ModuleType:
    sys.modules.pop(name, None)
    if "." in name:
        importlib.import_module(name.rpartition(".")[0])  # the packages, for relative imports
    if name in sys.modules:  # the package imports the file
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def _search(folders: list[str], package: Path | None, first: bool) -> Generator[None]:
    """Search these folders first for imported modules, and find the package, first of all or if there is no other."""
    finder: Any = _Package(package)
    sys.path[:0] = folders
    sys.meta_path.insert(len(sys.meta_path) * (not first), finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for folder in folders:
            if folder in sys.path:
                sys.path.remove(folder)


def describe(error: BaseException, path: Path) -> str:
    """Describe an error in one line: type, message, and the line number of the innermost call within the file."""
    if isinstance(error, SyntaxError):
        text = error.msg
        lines = [error.lineno]
    else:
        frames = traceback.extract_tb(error.__traceback__)
        text = error
        lines = [frame.lineno for frame in frames if Path(frame.filename) == path]
    message = " ".join(f"{type(error).__name__}: {text}".split())
    return f"{message} (line {lines[-1]})" if lines and lines[-1] else message
