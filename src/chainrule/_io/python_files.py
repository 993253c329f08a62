"""Import of a user's Python file as a module, which may belong to a package."""

import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from chainrule.errors import StudentError

MAX_PARENTS = 4  # number of parent folders that are searched for imported packages
RELATIVE_IMPORT = re.compile(r"^[ \t]*from[ \t]+(\.+)", re.M)


def load(path: Path) -> ModuleType:
    """Run a Python file and return its module. The file can import modules from its folder.

    Relative imports refer to the file's own package. Imported packages that Python does not find are searched in the
    parent folders.

    Errors   StudentError, with the line number, if the file raises an error
    """
    if not path.is_file():
        raise StudentError(f"{path}: no such file")
    name, top = _module_name(path.resolve())
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StudentError(f"{path}: not a Python file")
    folders = [path.resolve().parent, *([top] if top else [])]
    while True:
        module = importlib.util.module_from_spec(spec)
        sys.modules.pop(spec.name, None)
        try:
            with _search_path(folders):
                _import_parents(name)
                if spec.name in sys.modules:  # the package imports the file
                    return sys.modules[spec.name]
                sys.modules[spec.name] = module
                spec.loader.exec_module(module)
        except ModuleNotFoundError as error:
            folder = _folder_with(error.name or "", path.resolve(), folders)
            if folder is None:
                raise StudentError(f"{path.name} cannot be imported: {describe(error, path)}") from None
            folders.append(folder)
            continue
        except (Exception, SystemExit) as error:
            raise StudentError(f"{path.name} cannot be imported: {describe(error, path)}") from None
        return module


def _module_name(path: Path) -> tuple[str, Path | None]:
    """Return the name of a file's module, and the folder of its top-level package if it uses relative imports."""
    try:
        levels = [len(dots) for dots in RELATIVE_IMPORT.findall(path.read_text(encoding="utf-8", errors="replace"))]
    except OSError:
        levels = []
    if not levels:
        return f"learner_{path.stem}", None
    depth = max(levels)
    while (path.parents[depth - 1] / "__init__.py").is_file() and depth < len(path.parents) - 1:
        depth += 1
    top = path.parents[depth]
    return ".".join(path.relative_to(top).with_suffix("").parts), top


def _import_parents(name: str) -> None:
    """Import the packages that contain a module, for relative imports."""
    if package := name.rpartition(".")[0]:
        importlib.import_module(package)


def _folder_with(name: str, path: Path, searched: list[Path]) -> Path | None:
    """Return the nearest parent folder that contains a module or package with this name; None if there is none.

    A package's own folder does not count, although it may contain a module with the name of the package.
    """
    first = name.partition(".")[0]
    for folder in path.parents[1 : 1 + MAX_PARENTS]:
        if folder in searched or first in ("", folder.name):
            continue
        if (folder / first).is_dir() or (folder / f"{first}.py").is_file():
            return folder
    return None


@contextmanager
def _search_path(folders: list[Path]) -> Generator[None]:
    """Search these folders first for imported modules."""
    added = [str(folder) for folder in folders]
    sys.path[:0] = added
    try:
        yield
    finally:
        for folder in added:
            if folder in sys.path:
                sys.path.remove(folder)


def describe(error: BaseException, path: Path) -> str:
    """Describe an error in one line: type, message, and the line number of the innermost call within the file."""
    if isinstance(error, SyntaxError):
        text, lines = error.msg, [error.lineno]
    else:
        frames = traceback.extract_tb(error.__traceback__)
        text, lines = error, [frame.lineno for frame in frames if Path(frame.filename) == path]
    message = " ".join(f"{type(error).__name__}: {text}".split())
    return f"{message} (line {lines[-1]})" if lines and lines[-1] else message
