"""The text of a C program: literals, constants, routines, and a call of a routine for each operation.

The routines are in kernels/*.c, one family a file, under the names of `chainrule.operations.reference`; those of
element-wise operations are generated. Each follows a comment with its equation. Only the routines that a network calls
are written.
"""

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.plan import Tensor
from chainrule.interop.c.calls import Argument, CCall, Shifted, Struct
from chainrule.operations import generator

Place = Callable[[Tensor], str]

KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "auto break case char const continue default do double else enum extern float for goto if inline int long "
        "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while",
    )
)
WIDTH = 116
FAMILIES = (  # in an order in which functions call only those before them
    *("input", "exponential", "activations", "bias", "convolution", "dense", "geometry", "group_normalization"),
    *("losses", "merging", "normalization", "pooling", "prelu", "resampling", "response_normalization", "dropout"),
    *("updates", "quantised", "winograd"),
)
BLOCKS = (4, 8, 16)  # filters side by side in one vector or several


# ------------------------------------------------------------------ literals


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


# ------------------------------------------------------------------ routines


class Block(NamedTuple):
    """A function or a type, its text, and the names of others that it needs."""

    name: str
    text: str
    needs: frozenset[str]


def prelude() -> str:
    """Return the text that precedes all functions."""
    return _read("prelude")


def needed(names: Iterable[str]) -> list[Block]:
    """Return the functions of those names and all that they need, in the order of the files."""
    known = _library()
    wanted, found = [*names], set[str]()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted += known[name].needs
    return [block for name, block in known.items() if name in found]


def is_known(name: str) -> bool:
    """Return whether there is a function of that name."""
    return name in _library()


@cache
def _library() -> dict[str, Block]:
    parts = [part for family in FAMILIES for part in _parts(_read(family))]
    parts += [
        generator.c_source(operation, gradient=gradient, literal=float_literal)
        for operation in generator.operations().values()
        for gradient in (False, True)
    ]
    texts = {_defined(part): part for part in parts}
    blocks = {name: Block(name, text, frozenset(_used(text) & texts.keys() - {name})) for name, text in texts.items()}
    return dict(sorted(blocks.items(), key=lambda item: _depth(item[0], blocks)))


def _used(text: str) -> set[str]:
    """Return the names that a definition calls as functions, or points at as types."""
    return set(re.findall(r"(\w+)(?=\(| \*)", re.sub(r"/\*.*?\*/", "", text, flags=re.S)))


def _depth(name: str, blocks: dict[str, Block]) -> int:
    """Return how many levels of functions a function calls."""
    return 1 + max((_depth(each, blocks) for each in blocks[name].needs), default=0)


def _parts(text: str) -> list[str]:
    """Return the definitions of a file, each with its comment; a function of FILTERS filters for each block size."""
    parts = [f"/*{part}".strip() + "\n" for part in re.split(r"^/\*", text, flags=re.M) if part.strip()]
    return [
        part.replace("FILTERS", str(size)) for part in parts for size in (BLOCKS if "FILTERS" in part else BLOCKS[:1])
    ]


def _defined(part: str) -> str:
    """Return the name that a definition defines."""
    code = part[part.index("*/") + 2 :]
    found = re.search(r"^} (\w+);", code, re.M) if code.lstrip().startswith("typedef") else re.search(r"(\w+)\(", code)
    return found[1] if found else ""


def _read(family: str) -> str:
    return files(__package__ or "").joinpath("kernels", f"{family}.c").read_text(encoding="utf-8")


# ------------------------------------------------------------------ programs


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
    return [block.text for block in needed({*(call.function for call in calls), *more})]


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
        while name in used or is_known(name):
            number += 1
            name = f"{identifier(storage)}_{number}"
        used.add(name)
        names[storage] = name
    return names
