"""Load a learner's file.

A notebook (.ipynb) is run cell by cell and treated as a module that contains the names defined by its code cells.
"""

from pathlib import Path
from types import FunctionType, ModuleType

from chainrule._io import python_files
from chainrule.check.notebooks import run_notebook
from chainrule.custom.calls import with_advice
from chainrule.custom.signatures import contents
from chainrule.errors import StudentError

SUFFIXES = (".py", ".ipynb")


def split(text: str) -> tuple[Path, str | None]:
    """Split "FILE.py:NAME" into file and name. The name is None if it is missing."""
    for suffix in SUFFIXES:
        stem, separator, name = text.partition(f"{suffix}:")
        if separator:
            return Path(stem + suffix), name
    return Path(text), None


def load(path: Path, *others: Path) -> ModuleType:
    """Run a file and return it as a module. Any error in the file is raised as a StudentError with its line.

    others   further files that are run; their functions are added to the module
    """
    if path.suffix.lower() == ".ipynb" and path.is_file():
        return run_notebook(path, lambda module: bool(contents(module)))
    try:
        module, *further = map(python_files.load, (path, *others))
    except StudentError as error:
        raise StudentError(with_advice(str(error))) from None
    for other in further:
        for name, function in vars(other).items():
            if isinstance(function, FunctionType) and name not in vars(module):
                function.__module__ = module.__name__
                setattr(module, name, function)
    return module
