"""Code locations of operations. Source files are searched, so that no engine has to be imported."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chainrule.operations import definitions

REFERENCE = "operations/reference"
NUMPY = "engines/numpy"

INDEX_FORM = "the-index-form"  # a section of every derivation page
SECTIONS = {  # operations whose section has a different name
    **dict.fromkeys(("half_squared_error", "mean_squared_error"), "squared-errors"),
    **dict.fromkeys(("mean_absolute_error", "huber"), "absolute-error-and-hubers-loss"),
    **dict.fromkeys(("poisson", "exp_poisson"), "poisson-loss"),
    "quantile": "quantile-loss",
    **dict.fromkeys(("correct", "correct_labels", "absolute_error"), "what-is-not-differentiated"),
    "softmax_cross_entropy": "softmax-with-categorical-cross-entropy",
    "sigmoid_cross_entropy": "sigmoid-with-binary-cross-entropy",
    "binary_focal_cross_entropy": "focal-loss",
    "categorical_focal_cross_entropy": "focal-loss",
    "sigmoid_focal_cross_entropy": "focal-loss",
    "softmax_focal_cross_entropy": "focal-loss",
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
    kernels = _functions("engines/native/kernels") | _found("engines/native/kernels", "*.c", r"KERNEL\((\w+)\)")
    formulas = _found("operations", "*.toml", r"\[(\w+)\]$").get(definitions.generated().get(operation, ""))
    numpy = formulas or _functions(NUMPY).get(operation)
    places = (_functions(REFERENCE).get(operation), numpy, kernels.get(kernel[1] if kernel else operation))
    return tuple(place for place in places if place and "generated_" not in place.file)


def located(locations: Sequence[CodeLocation]) -> list[str]:
    """Return the file and line of each function. The name precedes them where it differs from the previous name."""
    lines = list[str]()
    previous = ""
    for location in locations:
        line = f"{location.file}:{location.line}"
        if location.function != previous:
            line = f"{location.function} in {line}"
        lines.append(line)
        previous = location.function
    return lines


def derivation(operation: str) -> str | None:
    """Return the page with the derivation of an operation, or None for an unknown operation."""
    family = _family(operation)
    if family is None:
        return None
    return f"docs/derivations/{family}.md"


def derivation_link(operation: str) -> str:
    """Return a link to a known operation's derivation, such as docs/derivations/activations.md#gelu."""
    name = re.sub("_d[xwp]$", "", operation)
    section = INDEX_FORM
    if _family(name) in ("activations", "losses"):
        section = SECTIONS.get(name, name.replace("_", "-"))
    return f"{derivation(operation)}#{section}"


def _family(operation: str) -> str | None:
    """Return the family of a reference operation, or None for any other name."""
    if operation not in _functions(REFERENCE):
        return None
    return definitions.family(operation)


@cache
def _found(folder: str, files: str, pattern: str) -> dict[str, CodeLocation]:
    """Return the location of each line that begins with a pattern, by the name that is the pattern's group."""
    found = dict[str, CodeLocation]()
    for file in (SOURCE / folder).glob(files):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if match := re.match(pattern, line):
                found[match[1]] = CodeLocation(f"{folder}/{file.name}", match[1], number)
    return found


def _functions(folder: str) -> dict[str, CodeLocation]:
    """Return the functions of a package by name. Operation names are unique within a package."""
    return _found(folder, "*.py", r"def (\w+)\(")
