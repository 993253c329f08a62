"""Where in the code an operation is computed: found by reading the files, so that no engine has to be imported."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import chainrule

FLOORS = ("reference", "engines/numpy", "engines/numba")
SOURCE = Path(chainrule.__file__).parent


@dataclass(frozen=True)
class Place:
    """A function: its file below chainrule/, its name, the line where it begins."""

    file: str
    function: str
    line: int


@cache
def places(operation: str) -> tuple[Place, ...]:
    """The reference's function of an operation first, then the engines'; none for what nobody knows."""
    family = family_of(operation)
    found = [(f"{floor}/{family}.py", _lines(floor, family).get(operation)) for floor in FLOORS]
    return tuple(Place(file, operation, line) for file, line in found if line is not None)


def derivation(operation: str) -> str:
    """The page that derives an operation; nothing for what nobody knows."""
    family = family_of(operation)
    return f"docs/derivations/{family}.md" if family else ""


@cache
def family_of(operation: str) -> str:
    """convolution for cross_correlate_dx: the file that defines an operation, on every floor."""
    files = sorted((SOURCE / "reference").glob("*.py"))
    return next((file.stem for file in files if operation in _lines("reference", file.stem)), "")


@cache
def _lines(floor: str, family: str) -> dict[str, int]:
    """Functions of a file and the lines where they begin."""
    path = SOURCE / floor / f"{family}.py"
    if not path.is_file():
        return {}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node.lineno for node in tree.body if isinstance(node, ast.FunctionDef)}
