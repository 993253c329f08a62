"""Source of the programs of optimizers' updates: shared by threads, or computing a deferred gradient row by row."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from chainrule.engines.numba.operations import KERNELS

UPDATE = '''"""A compiled program of chainrule: an optimizer's update, of which every thread has a share."""

link({symbol!r}, updates.{name}, {arrays!r}, {numbers!r})
declare('run', {arrays!r}, {all_numbers!r})


def run({reads}, threads, {arguments}):
    for k in prange(threads):
        s = slice(k * p.size // threads, (k + 1) * p.size // threads)
        call({symbol!r}, ({shares}, {arguments},))
'''

PLAN_UPDATE = '''"""A compiled program of chainrule: an optimizer's update of a plan's parameters."""

link({symbol!r}, updates.{name}, {arrays!r}, {numbers!r})
'''

HELD = """\
        s = slice({first} + k * {rows} // threads * {width}, {first} + (k + 1) * {rows} // threads * {width})
        call({symbol!r}, ({shares}, {arguments},))
"""

MADE = """\
        many, upto = max(1, own.size // {width}), (k + 1) * {rows} // threads
        for o in range(k * {rows} // threads, upto, many):
            next_o = min(o + many, upto)
            made = own[: (next_o - o) * {width}]
            call({made!r}, (x_{number}, dy_{number}, made, o, next_o, scale))
            s = slice({first} + o * {width}, {first} + next_o * {width})
            call({symbol!r}, ({shares_made}, {arguments},))
"""


class Part(NamedTuple):
    """A part of the parameters: the rows of a matrix, of which threads have equal shares.

    first    index of the first entry in the flat buffer
    factors  views of x and dy, where the gradient dy xᵀ is made row by row; None where the buffer of gradients holds it
    """

    first: int
    rows: int
    width: int = 1
    factors: tuple[str, str] | None = None


def together(parts: Iterable[Part]) -> list[Part]:
    """Return parts without empty ones, of which neighbours that are no matrices have become one."""
    found = list[Part]()
    for part in parts:
        if found and found[-1].width == part.width == 1:
            found[-1] = found[-1]._replace(rows=found[-1].rows + part.rows)
        elif part.rows:
            found.append(part)
    return found


@cache
def update_source(name: str, dtype: str) -> str:
    """Return the program of an optimizer's update, given the name of its operation."""
    words = _update_words(name, dtype)
    return UPDATE.format(**words, all_numbers=[1, *words["numbers"]])


def plan_update_source(name: str, dtype: str, parts: Sequence[Part], workspaces: Mapping[str, tuple[str, int]]) -> str:
    """Return the program of an optimizer's update of a plan's parameters.

    workspaces   arrays that factors lie in → (dtype, axes)
    """
    words = _update_words(name, dtype)
    made, words["shares_made"] = symbol_of("outer_rows", dtype), words["shares"].replace("g[s]", "made")
    vectors = [(dtype, 1)] * 3
    numbers = [0, 0, 1.0, *words["numbers"]]
    given = [*words["reads"].split(", "), "rows", *workspaces, "threads", "block", "scale", words["arguments"]]
    lines = [PLAN_UPDATE.format(**words), link_to("outer_rows", dtype, vectors, [0, 0, 1.0])]
    lines += [f"declare('run', {[*words['arrays'], (dtype, 1), *workspaces.values()]!r}, {numbers!r})\n\n\n"]
    lines += [f"def run({', '.join(given)}):\n", "    n = 1\n"]
    for number, part in enumerate(parts):
        if part.factors:
            lines += [f"    x_{number} = {part.factors[0]}\n", f"    dy_{number} = {part.factors[1]}\n"]
    lines += ["    for k in prange(threads):\n"]
    lines += ["        s = slice(k * (rows.size // threads), (k + 1) * (rows.size // threads))\n", "        own = rows[s]\n"]
    for number, part in enumerate(parts):
        words |= {"first": part.first, "rows": part.rows, "width": part.width, "number": number, "made": made}
        lines.append((MADE if part.factors else HELD).format(**words))
    return "".join(lines)


def _update_words(name: str, dtype: str) -> dict[str, Any]:
    """Return the words that fill the templates of updates."""
    entry = KERNELS[name]
    signature = list(entry.signature.parameters)
    reads = entry.arrays
    return {
        "name": name,
        "symbol": symbol_of(name, dtype),
        "arrays": [(dtype, 1)] * len(reads),
        "numbers": entry.arguments(len(reads), {}),
        "reads": ", ".join(reads),
        "shares": ", ".join(f"{array}[s]" for array in reads),
        "arguments": ", ".join(signature[len(reads) :]),
    }


def symbol_of(name: str, dtype: str) -> str:
    """Return the symbol that a kernel of `updates` is linked as."""
    return f"updates.{name} {dtype}"


def link_to(name: str, dtype: str, arrays: list[tuple[str, int]], numbers: list[int]) -> str:
    """Return the line that links a kernel of `updates`."""
    return f"link({symbol_of(name, dtype)!r}, updates.{name}, {arrays!r}, {numbers!r})\n"
