"""Notebooks as homework, whose cells are run one after another."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from chainrule._io import python_files
from chainrule.custom.calls import with_advice
from chainrule.errors import StudentError


def run_notebook(path: Path, holds_code: Callable[[ModuleType], bool]) -> ModuleType:
    """Run the cells of a notebook and return their names as a module.

    Cells that fail are skipped, provided that the resulting module contains something to check.

    holds_code   returns whether it does
    """
    module = ModuleType(f"learner_{path.stem}")
    module.__file__, sys.modules[module.__name__] = str(path), module
    first_error = ""
    for number, source in _cells(path):
        cell = Path(f"cell {number} of {path.name}")
        try:
            exec(compile(source, str(cell), "exec", dont_inherit=True), vars(module))
        except (Exception, SystemExit) as error:
            first_error = first_error or f"{cell}: {with_advice(python_files.describe(error, cell))}"
    if first_error and not holds_code(module):
        raise StudentError(first_error)
    return module


def _cells(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbers and text of code cells. IPython lines (%…, !…, ?…) are converted to comments."""
    try:
        notebook: Any = json.loads(path.read_text(encoding="utf-8"))
        cells = list[tuple[int, Any]]()
        for number, cell in enumerate(notebook["cells"], 1):
            if cell["cell_type"] == "code":
                cells.append((number, cell))
        texts = list[tuple[int, str]]()
        for number, cell in cells:
            texts.append((number, "".join(cast("list[str]", cell["source"]))))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise StudentError(f"{path.name} is not a Jupyter notebook with code cells") from None
    for number, text in texts:
        if not text.lstrip().startswith("%%"):
            lines = text.split("\n")
            yield number, "\n".join(f"#{line}" if line.lstrip().startswith(("%", "!", "?")) else line for line in lines)
