"""Import of a user's Python file as a module."""

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from chainrule.errors import StudentError


def load(path: Path) -> ModuleType:
    """Run a Python file and return its module. The file can import modules from its folder.

    Errors   StudentError, with the line number, if the file raises an error
    """
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
        raise StudentError(f"{path.name} cannot be imported: {describe(error, path)}") from None
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def describe(error: BaseException, path: Path) -> str:
    """Describe an error in one line: type, message, and the line number of the innermost call within the file."""
    message = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}" + (f" (line {error.lineno})" if error.lineno else "")
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return f"{message} (line {lines[-1]})" if lines else message
