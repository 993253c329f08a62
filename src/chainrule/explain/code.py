"""Code locations of operations. Source files are parsed, so that no engine has to be imported."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chainrule.operations import definitions

PACKAGES = ("operations/reference", "engines/numpy", "engines/compiled/kernels")
INDEX_FORM = "the-index-form"  # a section of every derivation page
SECTIONS = {  # operations whose section has a different name
    **dict.fromkeys(("half_squared_error", "mean_squared_error"), "squared-errors"),
    **dict.fromkeys(("mean_absolute_error", "huber"), "absolute-error-and-hubers-loss"),
    **dict.fromkeys(("correct", "correct_labels", "absolute_error"), "what-is-not-differentiated"),
    "softmax_cross_entropy": "softmax-with-categorical-cross-entropy",
    "sigmoid_cross_entropy": "sigmoid-with-binary-cross-entropy",
    **{f"{kind}_focal_cross_entropy": "focal-loss" for kind in ("binary", "categorical", "sigmoid", "softmax")},
    "dice": "dice-loss",
}
SOURCE = Path(__file__).parents[1]


@dataclass(frozen=True)
class CodeLocation:
    """The location of a function: the file relative to chainrule/, the function's name, and its first line."""

    file: str
    function: str
    line: int


@cache
def locations(operation: str, kernel: tuple[str, str] | None = None) -> tuple[CodeLocation, ...]:
    """Return where the reference and the engines define an operation; an empty tuple for an unknown operation.

    The engines generate their code for `definitions.generated`. For these, the location of the formulas is returned.

    kernel   file and function of the compiled engine's kernel (`Engine.kernels`), if its name differs
    """
    functions = {package: _functions(package).get(operation) for package in PACKAGES}
    if formulas := _formulas().get(definitions.generated().get(operation, "")):
        functions[PACKAGES[1]] = formulas
    if kernel:
        file, function = kernel
        functions[PACKAGES[-1]] = _in_file(PACKAGES[-1], f"{file}.py").get(function)
    return tuple(location for location in functions.values() if location)


def located(locations: Sequence[CodeLocation]) -> list[str]:
    """Return the file and line of each function. The name precedes them where it differs from the previous name."""
    lines, before = list[str](), ""
    for place in locations:
        name = "" if place.function == before else f"{place.function} in "
        lines.append(f"{name}{place.file}:{place.line}")
        before = place.function
    return lines


def derivation(operation: str) -> str:
    """Return the page with the derivation of an operation, or "" for an unknown operation."""
    family = _family(operation)
    return f"docs/derivations/{family}.md" if family else ""


def derivation_link(operation: str) -> str:
    """Return a link to an operation's derivation, such as docs/derivations/activations.md#gelu; "" if unknown."""
    name = re.sub("_d[xwp]$", "", operation)
    section = SECTIONS.get(name, name.replace("_", "-")) if _family(name) in ("activations", "losses") else INDEX_FORM
    page = derivation(operation)
    return f"{page}#{section}" if page else ""


def _family(operation: str) -> str:
    """Return the family of a reference operation, or "" for any other name."""
    return definitions.family(operation) if operation in _functions(PACKAGES[0]) else ""


@cache
def _formulas() -> dict[str, CodeLocation]:
    """Return the location of each entry from which the engines' code is generated."""
    lines = {
        (file, line.strip("[]")): number
        for file in sorted(definitions.FOLDER.glob("*.toml"))
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if line.startswith("[")
    }
    return {
        name: CodeLocation(f"operations/{file.name}", name, number)
        for (file, name), number in lines.items()
        if name in definitions.generated().values()
    }


@cache
def _functions(package: str) -> dict[str, CodeLocation]:
    """Return the functions of a package by name. Operation names are unique within a package."""
    files = sorted((SOURCE / package).glob("*.py"))
    return {name: place for file in files for name, place in _in_file(package, file.name).items()}


@cache
def _in_file(package: str, file: str) -> dict[str, CodeLocation]:
    """Return the functions defined in one file of a package, by name."""
    path = SOURCE / package / file
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {node.name: CodeLocation(f"{package}/{file}", node.name, node.lineno) for node in functions}
