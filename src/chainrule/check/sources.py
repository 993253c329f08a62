"""A learner's file, and what in it is to be checked."""

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from chainrule.errors import StudentError

METHODS = ("forward", "backward")


def find(text: str) -> tuple[Any, str]:
    """What "FILE.py:NAME" names, and its name; without a NAME, the only thing in it that can be checked."""
    place, _, name = text.partition(".py:")
    path = Path(place if place.endswith(".py") else f"{place}.py")
    module = load(path)
    if not name:
        return _only(module, path)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = ", ".join(_candidates(module)) or "nothing with forward and backward"
            raise StudentError(f"{path.name} has no {name}; it has: {known}")
        found = getattr(found, part)
    return found, name


def load(path: Path) -> ModuleType:
    """The module of a file, run once; whatever goes wrong in it is a StudentError with its line."""
    if not path.is_file():
        raise StudentError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(f"learner_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise StudentError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise StudentError(f"{path.name} cannot be imported: {_told(error, path)}") from None
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _told(error: BaseException, path: Path) -> str:
    message = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} (line {error.lineno})"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return f"{message} (line {lines[-1]})" if lines else message


def _candidates(module: ModuleType) -> list[str]:
    """Names of classes and objects that were made in the file and have both methods."""
    found: list[str] = []
    for name, value in vars(module).items():
        kind: Any = value if isinstance(value, type) else type(value)
        own = kind.__module__ == module.__name__
        if not name.startswith("_") and own and all(callable(getattr(value, method, None)) for method in METHODS):
            found.append(name)
    return found


def _only(module: ModuleType, path: Path) -> tuple[Any, str]:
    if all(callable(getattr(module, function, None)) for function in METHODS):
        return module, path.stem
    names = _candidates(module)
    if len(names) == 1:
        return getattr(module, names[0]), names[0]
    if not names:
        raise StudentError(f"{path.name}: nothing in it has forward and backward")
    raise StudentError(f"{path.name} has several layers; name one: {', '.join(f'{path}:{name}' for name in names)}")
