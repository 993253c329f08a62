"""The text of a C program: identifiers and literals, constants, functions, and a call for each operation."""

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.plan import Tensor
from chainrule.interop.c import kernels
from chainrule.interop.c.calls import Argument, CCall, Shifted, Struct

Place = Callable[[Tensor], str]

KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "auto break case char const continue default do double else enum extern float for goto if inline int long "
        "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while",
    )
)
WIDTH = 116


def identifier(name: str) -> str:
    """Return a C identifier like a name: conv1.w → conv1_w."""
    found = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return f"n_{found}" if not found[:1].isalpha() or found in KEYWORDS else found


def float_literal(value: float) -> str:
    """Return a float32 constant with the bits of a value: 0.1 → 0x1.99999ap-4f."""
    rounded = float(np.float32(value))
    if rounded != rounded:
        return "NAN"
    if rounded in (float("inf"), float("-inf")):
        return "INFINITY" if rounded > 0 else "-INFINITY"
    if rounded == int(rounded) and abs(rounded) < 1000:
        return f"{'-' if str(rounded)[0] == '-' else ''}{abs(int(rounded))}.0f"
    digits, exponent = rounded.hex().split("p")
    return f"{digits.rstrip('0').rstrip('.')}p{exponent}f"


def string_literal(value: str) -> str:
    """Return a string constant; bytes that are not plain ASCII, and question marks, are octal."""
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\?' else f"\\{byte:03o}" for byte in value.encode())
    return f'"{"".join(plain)}"'


def array(name: str, values: NDArray[Any], kind: str = "ALIGNED static const float") -> str:
    """Return the definition of an array."""
    shown = float_literal if values.dtype.kind == "f" else str
    return f"{kind} {name}[{values.size}] = {{\n{_lines(map(shown, values.reshape(-1).tolist()))}}};\n"


def _lines(entries: Iterable[str]) -> str:
    lines, line = list[str](), "   "
    for entry in entries:
        if len(line) + len(entry) > WIDTH:
            lines.append(line)
            line = "   "
        line += f" {entry},"
    return "\n".join([*lines, line]) + "\n"


class Structs:
    """The constant structs and arrays of whole numbers that calls point at, each once."""

    def __init__(self) -> None:
        self._names: dict[Struct, str] = {}

    def name(self, struct: Struct) -> str:
        """Return the expression that points at a struct."""
        name = self._names.setdefault(struct, f"{struct.kind}_{len(self._names)}")
        return name if struct.kind == "int" else f"&{name}"

    def kinds(self) -> set[str]:
        """Return the types of all structs."""
        return {struct.kind for struct in self._names} - {"int"}

    def definitions(self) -> list[str]:
        """Return the definition of each struct."""
        return [
            f"static const {kind} {name}{f'[{len(entries)}]' if kind == 'int' else ''} = "
            f"{{{', '.join(map(str, entries))}}};\n"
            for (kind, entries), name in self._names.items()
        ]


def statement(call: CCall, place: Place, structs: Structs) -> str:
    """Return a call as a line of C, after a comment that names its result."""

    def shown(argument: Argument) -> str:
        if argument is None:
            return "0"
        if isinstance(argument, Struct):
            return structs.name(argument)
        if isinstance(argument, Shifted):
            return f"{place(argument.tensor)} + {argument.offset}" if argument.offset else place(argument.tensor)
        if isinstance(argument, Tensor):
            return place(argument)
        return float_literal(argument) if isinstance(argument, float) else str(argument)

    line = f"{call.function}({', '.join(map(shown, call.arguments))});"
    return "\n".join(textwrap.wrap(line, 114, initial_indent="    ", subsequent_indent="        "))


def body(calls: Sequence[CCall], place: Place, structs: Structs) -> str:
    """Return the statements of calls, each preceded by the name and the shape of its result."""
    lines = list[str]()
    for call in calls:
        result = call.tensors[-1]
        shape = "x".join(map(str, result.shape)) or "1"
        lines += [f"    /* {identifier(result.name)}: {shape} */", statement(call, place, structs)]
    return "\n".join(lines)


def functions(calls: Iterable[CCall], more: Iterable[str] = ()) -> list[str]:
    """Return the definitions of all functions and types that calls need."""
    return [block.text for block in kernels.needed({*(call.function for call in calls), *more})]


def constants(calls: Iterable[CCall], values: Mapping[str, NDArray[Any]], names: Mapping[str, str]) -> list[str]:
    """Return the definitions of the parameters that calls read."""
    read = {tensor.storage: None for call in calls for tensor in call.tensors if tensor.storage in values}
    return [_constant(names[each], values[each]) for each in read]


def conditional(vectors: Sequence[str], plain: Sequence[str]) -> str:
    """Return the definitions of two variants of a program, with vectors and without; those of both once, and first."""
    alone, others = set(vectors) - set(plain), set(plain) - set(vectors)
    text = "\n".join(each for each in vectors if each not in alone)
    if not alone and not others:
        return text
    first, second = (
        "\n".join(each for each in kind if each in own) for kind, own in ((vectors, alone), (plain, others))
    )
    return f"{text}\n#if LANES > 1\n{first}\n#else\n{second}\n#endif\n"


def _constant(name: str, values: NDArray[Any]) -> str:
    if values.dtype.kind == "i":
        return array(name, values, f"static const {values.dtype}_t")
    return array(name, np.asarray(values, np.float32))


def unique(storages: Iterable[str]) -> dict[str, str]:
    """Return a C identifier for each storage, all different."""
    names, used = dict[str, str](), set[str]()
    for storage in storages:
        name, number = identifier(storage), 1
        while name in used or kernels.is_known(name):
            number += 1
            name = f"{identifier(storage)}_{number}"
        used.add(name)
        names[storage] = name
    return names
