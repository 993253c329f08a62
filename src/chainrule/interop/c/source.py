"""The text of a C program: literals, constants, and calls of routines. Only the routines in use are written."""

import re
import textwrap
from collections.abc import Callable, Iterable, Sequence

from chainrule.core.arrays import Array
from chainrule.core.plan import Tensor
from chainrule.interop.c.calls import Argument, CCall, Offset, Struct
from chainrule.interop.c.routines import float_literal, is_defined

Pointer = Callable[[Tensor], str]

KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "auto break case char const continue default do double else enum extern float for goto if inline int long "
        "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while",
    )
)
ARRAYS = {"int", "float"}  # kinds of `Struct` that are arrays
MAX_LINE = 116  # characters per line in the definition of an array


# ------------------------------------------------------------------ literals


def identifier(name: str) -> str:
    """Convert a name to a C identifier: conv1.w → conv1_w."""
    cleaned = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return f"n_{cleaned}" if not cleaned[:1].isalpha() or cleaned in KEYWORDS else cleaned


def macro(name: str) -> str:
    """Convert a name to a part of the name of a macro: y.1 → Y_1."""
    return identifier(name).upper()


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode(errors="replace"))


def _utf16(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[k : k + 2].hex()}" for k in range(0, len(units), 2))


# Characters that could end a string or a comment, or begin a tag or a trigraph, and those outside printable ASCII
UNSAFE = re.compile(r'[^ -~]|["\\?*<>&]')
ESCAPES: dict[str, Callable[[str], str]] = {  # place in a generated file → function that writes an unsafe character
    "C": _octal,
    "comment": _utf16,
    "JavaScript": _utf16,
    "HTML": lambda character: f"&#{ord(character)};",
}


def foreign(text: str, place: str) -> str:
    """Return a text that others have chosen, such as the name of an input, for a generated file.

    The text cannot change the code around it. In strings and in HTML, its value is kept.

    place   "C" or "JavaScript", inside of a string in double quotes; "HTML"; "comment", in either language
    """
    return UNSAFE.sub(lambda match: ESCAPES[place](match[0]), text)


def strings(texts: Iterable[str], language: str, separator: str = ", ") -> str:
    """Return texts that others have chosen as string literals of "C" or "JavaScript"."""
    return separator.join(f'"{foreign(text, language)}"' for text in texts)


def constant(name: str, values: Array) -> str:
    """Return the definition of a constant array."""
    is_integer = values.dtype.kind == "i"
    return array(name, values, f"static const {values.dtype}_t" if is_integer else "ALIGNED static const float")


def array(name: str, values: Array, kind: str) -> str:
    """Return the definition of an array. `kind` is the type of its elements, with qualifiers."""
    shown = float_literal if values.dtype.kind == "f" else str
    return f"{kind} {name}[{values.size}] = {{\n{_lines(map(shown, values.reshape(-1).tolist()))}}};\n"


def _lines(literals: Iterable[str]) -> str:
    lines = list[str]()
    line = "   "
    for literal in literals:
        if len(line) + len(literal) > MAX_LINE:
            lines.append(line)
            line = "   "
        line += f" {literal},"
    return "\n".join([*lines, line]) + "\n"


# ------------------------------------------------------------------ programs


class Structs:
    """The constant structs and small arrays used by calls. Equal constants are defined only once."""

    def __init__(self) -> None:
        self._names: dict[Struct, str] = {}

    def name(self, struct: Struct) -> str:
        """Return the C expression for a pointer to a struct."""
        name = self._names.setdefault(struct, f"{struct.kind}_{len(self._names)}")
        return name if struct.kind in ARRAYS else f"&{name}"

    def kinds(self) -> set[str]:
        """Return the C types of all structs."""
        return {struct.kind for struct in self._names} - ARRAYS

    def definitions(self) -> list[str]:
        """Return the definition of each struct."""
        definitions = list[str]()
        for (kind, entries), name in self._names.items():
            literal = float_literal if kind == "float" else str
            declared = f"{name}[{len(entries)}]" if kind in ARRAYS else name
            definitions.append(f"static const {kind} {declared} = {{{', '.join(map(literal, entries))}}};\n")
        return definitions


def statement(call: CCall, pointer: Pointer, structs: Structs) -> str:
    """Return a call as a C statement.

    pointer   function that returns the C expression for a tensor
    structs   collection of the program's structs; those in the call's arguments are added
    """

    def shown(argument: Argument) -> str:
        if argument is None:
            return "0"
        if isinstance(argument, Struct):
            return structs.name(argument)
        if isinstance(argument, Offset) and argument.offset:
            return f"{pointer(argument.tensor)} + {argument.offset}"
        if isinstance(argument, Offset):
            return pointer(argument.tensor)
        if isinstance(argument, Tensor):
            return pointer(argument)
        return float_literal(argument) if isinstance(argument, float) else str(argument)

    line = f"{call.function}({', '.join(map(shown, call.arguments))});"
    return "\n".join(textwrap.wrap(line, 114, initial_indent="    ", subsequent_indent="        "))


def body(calls: Sequence[CCall], pointer: Pointer, structs: Structs) -> str:
    """Return calls as C statements (see `statement`), each after a comment with the name and shape of its result."""
    lines = list[str]()
    for call in calls:
        result = call.result
        shape = "x".join(map(str, result.shape)) or "1"
        lines += [f"    /* {identifier(result.name)}: {shape} */", statement(call, pointer, structs)]
    return "\n".join(lines)


def conditional(vectors: Sequence[str], plain: Sequence[str]) -> str:
    """Return the definitions common to both variants of a program, then those of one variant only, within #if."""
    common = list[str]()
    vectors_only = list[str]()
    for definition in vectors:
        section = common if definition in plain else vectors_only
        section.append(definition)
    plain_only = [definition for definition in plain if definition not in vectors]
    if vectors_only or plain_only:
        common += ["#if LANES > 1", *vectors_only, "#else", *plain_only, "#endif\n"]
    return "\n".join(common)


def unique_identifiers(names: Iterable[str], convert: Callable[[str], str] = identifier) -> dict[str, str]:
    """Return a unique C identifier for each name, such as a storage; those that differ only in case may be equal."""
    identifiers = dict[str, str]()
    used = set[str]()
    for name in names:
        unique = convert(name)
        number = 1
        while unique in used or is_defined(unique):
            number += 1
            unique = f"{convert(name)}_{number}"
        used.add(unique)
        identifiers[name] = unique
    return identifiers
