"""The routines of C programs, from kernels/*.c and from the formulas of the element-wise operations.

Each file of kernels/ contains one family. A routine has the name of its operation in `operations.reference`, and a
comment with its equation. The names of its parameters determine the arguments of its calls (`calls.of_operation`).
"""

import re
from collections.abc import Iterable
from functools import cache, partial
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from chainrule.operations import generator, loss_code, scalar_code
from chainrule.operations.definitions import pointwise

KERNELS = files("chainrule.interop.c") / "kernels"
# Placeholders of kernels/*.c, and their values in each copy of a definition with the placeholder: the number of filters
# or positions that are computed together; a function that moves elements, with its operator; one that
# combines two elements, with the result; the type of copied elements, with the suffix of the function's name.
VARIANTS = {
    "FILTERS": [{"FILTERS": "1"}, {"FILTERS": "4"}, {"FILTERS": "8"}, {"FILTERS": "16"}],
    "COMBINE": [
        {"COMBINE": "add", "VALUE": "a[e] + b[e]"},
        {"COMBINE": "multiply", "VALUE": "a[e] * b[e]"},
        {"COMBINE": "maximum", "VALUE": "a[e] < b[e] || b[e] != b[e] ? b[e] : a[e]"},
        {"COMBINE": "minimum", "VALUE": "b[e] < a[e] || b[e] != b[e] ? b[e] : a[e]"},
    ],
    "STRIDED": [
        {"STRIDED": "copy_strided", "ASSIGN": "=", "NUMBER": "float"},
        {"STRIDED": "copy_strided_int8", "ASSIGN": "=", "NUMBER": "int8_t"},
    ],
    "NUMBER": [{"_NUMBER": "", "NUMBER": "float"}, {"_NUMBER": "_int8", "NUMBER": "int8_t"}],
}


class Definition(NamedTuple):
    """A function or a type: its text, and the names of other definitions that it uses."""

    text: str
    needs: frozenset[str]


def prelude() -> str:
    """Return the macros and types used by all functions."""
    return (KERNELS / "prelude.c").read_text(encoding="utf-8")


def definitions_of(names: Iterable[str]) -> list[str]:
    """Return the texts of functions and types, and of all definitions that they use, in the order of the file."""
    definitions = library()
    pending = [*names]
    required = set[str]()
    while pending:
        name = pending.pop()
        if name not in required:
            required.add(name)
            pending += definitions[name].needs
    return [definition.text for name, definition in definitions.items() if name in required]


def is_defined(name: str) -> bool:
    """Return whether a name is defined in kernels/*.c."""
    return name in library()


@cache
def parameters_of(name: str) -> list[tuple[str, str]]:
    """Return the type and the name of each parameter of a function, such as ("float *", "y")."""
    match = re.search(rf"\b{name}\(([^)]*)\)", library()[name].text.rpartition("*/")[2])
    parameters = re.findall(r"(\w+ \*?)(\w+)(?:,|$)", match[1] if match else "")
    return [(kind.strip(), parameter) for kind, parameter in parameters]


@cache
def library() -> dict[str, Definition]:
    """Return all functions and types by name; those that others use come first."""
    parts = list[str]()
    for file in sorted(KERNELS.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".c") and file.name != "prelude.c":
            parts += _split_definitions(file.read_text(encoding="utf-8"))
    parts += generator.sources(partial(scalar_code.c_source, literal=float_literal)).values()
    for operation in pointwise():
        parts.append(loss_code.loss_c_source(operation, literal=float_literal))
    texts = {_defined_name(part): part for part in parts}
    definitions = dict[str, Definition]()
    for name, text in texts.items():
        needs = _used_names(text) & texts.keys() - {name}
        definitions[name] = Definition(text, frozenset(needs))
    return dict(sorted(definitions.items(), key=lambda item: _depth(item[0], definitions)))


def _used_names(text: str) -> set[str]:
    """Return the names of the functions that a definition calls, and of the types of its pointers."""
    return set(re.findall(r"(\w+)(?=\(| \*)", re.sub(r"/\*.*?\*/", "", text, flags=re.S)))


def _depth(name: str, definitions: dict[str, Definition]) -> int:
    """Return the depth of a definition's tree of needed definitions; 1 if it needs none."""
    return 1 + max((_depth(callee, definitions) for callee in definitions[name].needs), default=0)


def _split_definitions(text: str) -> list[str]:
    """Return the definitions in a file, each with its comment, and one for each of its `VARIANTS`."""
    parts = list[str]()
    for part in re.split(r"^/\*", text, flags=re.M):
        if part.strip():
            parts += _variants(f"/*{part}".strip() + "\n")
    return parts


def _variants(part: str) -> list[str]:
    """Return a definition for each of its `VARIANTS`; the definition itself if it has no placeholder."""
    for placeholder, variants in VARIANTS.items():
        if placeholder in part:
            copies = list[str]()
            for values in variants:
                copy = part
                for name, value in values.items():
                    copy = copy.replace(name, value)
                copies.append(copy)
            return copies
    return [part]


def _defined_name(part: str) -> str:
    """Return the name of the defined function or type."""
    code = part[part.index("*/") + 2 :]
    pattern = r"^} (\w+);" if code.lstrip().startswith("typedef") else r"(\w+)\("
    match = re.search(pattern, code, re.M)
    return match[1] if match else ""


def decimal_literal(value: float) -> str:
    """Return a decimal float32 literal, which C++ reads before 2017, too: 0.1 → 0.1f."""
    number = np.float32(value)
    return f"{np.format_float_scientific(number, unique=True)}f"


def float_literal(value: float) -> str:
    """Return a hexadecimal float32 literal, which is exact: 0.1 → 0x1.99999ap-4f."""
    rounded = float(np.float32(value))
    if rounded != rounded:
        return "NAN"
    if rounded in (float("inf"), float("-inf")):
        return "INFINITY" if rounded > 0 else "-INFINITY"
    if rounded == int(rounded) and abs(rounded) < 1000:
        return f"{'-' if str(rounded)[0] == '-' else ''}{abs(int(rounded))}.0f"
    digits, exponent = rounded.hex().split("p")
    return f"{digits.rstrip('0').rstrip('.')}p{exponent}f"
