"""The lines of code that compute an operation, found by reading the files: no engine has to be imported."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FLOORS = ("operations/reference", "engines/numpy", "engines/compiled/kernels")
INDEX_FORM = "the-index-form"  # section of every page of derivation
SECTIONS = {  # where the heading is not the name
    **dict.fromkeys(("half_squared_error", "mean_squared_error"), "squared-errors"),
    **dict.fromkeys(("mean_absolute_error", "huber"), "absolute-error-and-hubers-loss"),
    **dict.fromkeys(("correct", "correct_labels", "absolute_error"), "what-is-not-differentiated"),
    "softmax_cross_entropy": "softmax-with-categorical-cross-entropy",
}
SOURCE = Path(__file__).parents[1]


@dataclass(frozen=True)
class CodeLocation:
    """A function: its file below chainrule/, its name, the line where it begins."""

    file: str
    function: str
    line: int


@cache
def locations(operation: str, kernel: tuple[str, str] | None = None) -> tuple[CodeLocation, ...]:
    """Return the function of the reference, then those of the engines; none for an unknown operation.

    kernel   file and function by which the compiled engine computes it (`Engine.kernels`), if not those of its name
    """
    own = (family_of(operation), operation)
    chosen = [*((floor, *own) for floor in FLOORS[:-1]), (FLOORS[-1], *(kernel or own))]
    found = [(f"{floor}/{file}.py", name, _lines(floor, file).get(name)) for floor, file, name in chosen]
    return tuple(CodeLocation(file, name, line) for file, name, line in found if line is not None)


def located(found: Sequence[CodeLocation]) -> list[str]:
    """Return file and line of every function, with its name where that is another than before."""
    lines, before = list[str](), ""
    for place in found:
        name = "" if place.function == before else f"{place.function} in "
        lines.append(f"{name}{place.file}:{place.line}")
        before = place.function
    return lines


def derivation(operation: str) -> str:
    """Return the page that derives an operation; "" for an unknown one."""
    family = family_of(operation)
    return f"docs/derivations/{family}.md" if family else ""


def derivation_link(operation: str) -> str:
    """Return the section that derives an operation: docs/derivations/activations.md#gelu; "" for an unknown one."""
    name = re.sub("_d[xwp]$", "", operation)
    section = SECTIONS.get(name, name.replace("_", "-")) if family_of(name) in ("activations", "losses") else INDEX_FORM
    page = derivation(operation)
    return f"{page}#{section}" if page else ""


@cache
def family_of(operation: str) -> str:
    """Return the name of the file that defines an operation, on every floor: convolution for cross_correlate_dx."""
    files = sorted((SOURCE / "reference").glob("*.py"))
    return next((file.stem for file in files if operation in _lines("reference", file.stem)), "")


@cache
def _lines(floor: str, family: str) -> dict[str, int]:
    """Return the functions of a file and the lines where they begin."""
    path = SOURCE / floor / f"{family}.py"
    if not path.is_file():
        return {}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node.lineno for node in tree.body if isinstance(node, ast.FunctionDef)}
