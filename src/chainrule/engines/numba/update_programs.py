"""Source of the programs of optimizers' updates: of arrays, and of a plan's parameters, part by part.

After one sample the latter makes the gradients of large dense layers row by row (`ProgramWriter.deferred_gradients`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from chainrule.engines.numba.operations import KERNELS
from chainrule.engines.numba.parameter_parts import ParameterPart
from chainrule.plan import Tensor

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
        s = slice({share})
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


@cache
def update_source(name: str, dtype: str) -> str:
    """Return the program of an optimizer's update, given the name of its operation."""
    words = _update_words(name, dtype)
    return UPDATE.format(**words, all_numbers=[1, *words["numbers"]])


def plan_update_source(
    name: str,
    dtype: str,
    parts: Sequence[ParameterPart],
    workspaces: Mapping[str, tuple[str, int]],
    view: Callable[[Tensor], str],
) -> str:
    """Return the program of an optimizer's update of all parameters of a plan.

    workspaces  arrays that x and dy of deferred gradients lie in → (dtype, axes)
    view        the expression for a tensor of one sample, flat
    """
    words = _update_words(name, dtype)
    words |= {"made": symbol_of("outer_rows", dtype), "shares_made": words["shares"].replace("g[s]", "made")}
    arrays = [*words["arrays"], (dtype, 1), *workspaces.values()]
    given = [words["reads"], "spare", *workspaces, "threads", "block", "scale", words["arguments"]]
    lines = [PLAN_UPDATE.format(**words)]
    if any(part.outer for part in parts):
        lines += [link_to("outer_rows", dtype, [(dtype, 1)] * 3, [0, 0, 1.0])]
    lines += [f"declare('run', {arrays!r}, {[0, 0, 1.0, *words['numbers']]!r})\n\n\n"]
    lines += [f"def run({', '.join(given)}):\n", "    n = 1\n"]
    for number, part in enumerate(parts):
        tensors = part.outer.reads if part.outer else ()
        lines += [
            f"    {role}_{number} = {view(each)}\n" for role, each in zip(("x", "dy"), tensors, strict=False) if each
        ]
    lines += ["    for k in prange(threads):\n"]
    lines += ["        s = slice(k * (spare.size // threads), (k + 1) * (spare.size // threads))\n"]
    lines += ["        own = spare[s]\n"]
    for number, part in enumerate(parts):
        words |= {"share": part.share, "number": number, **part._asdict()}
        lines.append((MADE if part.outer else HELD).format(**words))
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


def link_to(name: str, dtype: str, arrays: list[tuple[str, int]], numbers: Sequence[float]) -> str:
    """Return the line that links a kernel of `updates`."""
    return f"link({symbol_of(name, dtype)!r}, updates.{name}, {arrays!r}, {numbers!r})\n"
