"""Code locations of operations, found by parsing source files without importing engines."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chainrule.operations import definitions

PACKAGES = ("operations/reference", "engines/numpy", "engines/compiled/kernels")
INDEX_FORM = "the-index-form"  # section of every page of derivations
SECTIONS = {  # operations whose section has another name
    **dict.fromkeys(("half_squared_error", "mean_squared_error"), "squared-errors"),
    **dict.fromkeys(("mean_absolute_error", "huber"), "absolute-error-and-hubers-loss"),
    **dict.fromkeys(("correct", "correct_labels", "absolute_error"), "what-is-not-differentiated"),
    "softmax_cross_entropy": "softmax-with-categorical-cross-entropy",
}
SOURCE = Path(__file__).parents[1]


@dataclass(frozen=True)
class CodeLocation:
    """A function: its file relative to chainrule/, its name, and its first line."""

    file: str
    function: str
    line: int


@cache
def locations(operation: str, kernel: tuple[str, str] | None = None) -> tuple[CodeLocation, ...]:
    """Return the functions of the reference and of the engines; an empty tuple for an unknown operation.

    The engines' code of element-wise operations is generated, so their formulas are returned instead.

    kernel   file and function of the compiled engine's kernel (`Engine.kernels`), if it has another name
    """
    functions = {package: _functions(package).get(operation) for package in PACKAGES}
    if formulas := _formulas().get(operation.removesuffix("_dx")):
        functions[PACKAGES[1]] = formulas
    if kernel:
        file, function = kernel
        functions[PACKAGES[-1]] = _in_file(PACKAGES[-1], f"{file}.py").get(function)
    return tuple(location for location in functions.values() if location)


def located(locations: Sequence[CodeLocation]) -> list[str]:
    """Return file and line of every function, with the function's name where it changes."""
    lines, before = list[str](), ""
    for place in locations:
        name = "" if place.function == before else f"{place.function} in "
        lines.append(f"{name}{place.file}:{place.line}")
        before = place.function
    return lines


def derivation(operation: str) -> str:
    """Return the page that derives an operation, or "" for an unknown operation."""
    family = _family(operation)
    return f"docs/derivations/{family}.md" if family else ""


def derivation_link(operation: str) -> str:
    """Return the section that derives an operation, such as docs/derivations/activations.md#gelu, or ""."""
    name = re.sub("_d[xwp]$", "", operation)
    section = SECTIONS.get(name, name.replace("_", "-")) if _family(name) in ("activations", "losses") else INDEX_FORM
    page = derivation(operation)
    return f"{page}#{section}" if page else ""


def _family(operation: str) -> str:
    """Return the family of an operation of the reference, or "" for any other name."""
    return definitions.family(operation) if operation in _functions(PACKAGES[0]) else ""


@cache
def _formulas() -> dict[str, CodeLocation]:
    """Return where the formulas of each element-wise operation begin."""
    lines = {
        (file, line.strip("[]")): number
        for file in sorted(definitions.FOLDER.glob("*.toml"))
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if line.startswith("[")
    }
    return {
        name: CodeLocation(f"operations/{file.name}", name, number)
        for (file, name), number in lines.items()
        if name in definitions.element_wise()
    }


@cache
def _functions(package: str) -> dict[str, CodeLocation]:
    """Return the functions of a package by name; names of operations are unique within a package."""
    files = sorted((SOURCE / package).glob("*.py"))
    return {name: place for file in files for name, place in _in_file(package, file.name).items()}


@cache
def _in_file(package: str, file: str) -> dict[str, CodeLocation]:
    """Return the functions of a file of a package, by name."""
    path = SOURCE / package / file
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {node.name: CodeLocation(f"{package}/{file}", node.name, node.lineno) for node in functions}
