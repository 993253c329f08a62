"""Write the source of optimizer updates: a program for arrays of any size, and lines that update a plan's parameters.

After a batch of one sample, these lines also compute the gradients of large dense layers, a few rows at a time
(`ProgramWriter.deferred_gradients`).
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from chainrule.core.plan import Tensor
from chainrule.engines.compiled.codegen.workspaces import ParameterPart
from chainrule.engines.compiled.kernels.selection import KERNELS

UPDATE_PROGRAM = '''"""A compiled program of chainrule: an optimizer's update, divided among the threads."""

link({symbol!r}, updates.{name}, {arrays!r}, {numbers!r})
declare('run', {arrays!r}, {all_numbers!r})


def run({reads}, threads, {arguments}):
    for k in prange(threads):
        s = slice(k * p.size // threads, (k + 1) * p.size // threads)
        call({symbol!r}, ({shares}, {arguments},))
'''

STORED_UPDATE = """\
            s = slice({bounds})
            call({scaled!r}, (g[s], scale))
            call({symbol!r}, ({shares}, {arguments},))
"""

OUTER_UPDATE = """\
            many, upto = max(1, {row} // {width}), (k + 1) * {rows} // parts
            for o in range(k * {rows} // parts, upto, many):
                next_o = min(o + many, upto)
                made = view(spare, thread * {row}, ((next_o - o) * {width},))
                call({made!r}, (x_{number}, dy_{number}, made, o, next_o, scale))
                s = slice({first} + o * {width}, {first} + next_o * {width})
                call({symbol!r}, ({shares_made}, {arguments},))
"""


def bounds_of(part: ParameterPart) -> str:
    """Return the expressions for the range of the flat buffer that iteration `k` of a loop over parameters processes.

    The loop has `parts` iterations. The expressions are for the first index and the index after the last.
    """
    edges = [f"{k} * {part.rows} // parts * {part.width}" for k in ("k", "(k + 1)")]
    if part.size % part.width:
        edges = [f"min({part.size}, {edge})" for edge in edges]
    return ", ".join(f"{part.first} + {edge}" for edge in edges)


@cache
def update_source(name: str, dtype: str) -> str:
    """Return the source of a program for an optimizer's update.

    name   name of the optimizer's operation
    dtype  "float32" or "float64"
    """
    values = _template_values(name, dtype)
    return UPDATE_PROGRAM.format(**values, all_numbers=[1, *values["numbers"]])


def update_lines(
    name: str, dtype: str, parts: Sequence[ParameterPart], view: Callable[[Tensor], str], row: int
) -> list[str]:
    """Return the lines that update all parameters of a plan. They belong to the loop over training steps in `run`.

    name  name of the optimizer's operation
    view  function that returns the expression for a flat view of a tensor of one sample
    row   number of elements of `spare` per thread, for rows of a deferred gradient
    """
    values = _template_values(name, dtype)
    values |= {"made": symbol_of("outer_rows", dtype), "scaled": symbol_of("scaled", dtype), "row": row}
    values["shares_made"] = values["shares"].replace("g[s]", "made")
    lines = list[str]()
    for number, part in enumerate(parts):
        if part.outer:
            x, dy = (view(tensor) for tensor in part.outer.reads if tensor)
            lines += [f"        x_{number} = {x}\n", f"        dy_{number} = {dy}\n"]
    lines += ["        for k, thread in turns(parts, threads):\n"]
    for number, part in enumerate(parts):
        values |= {"bounds": bounds_of(part), "number": number, "rows": part.rows, **part._asdict()}
        lines.append((OUTER_UPDATE if part.outer else STORED_UPDATE).format(**values))
    return lines


def update_links(name: str, dtype: str, parts: Sequence[ParameterPart]) -> list[str]:
    """Return the `link` lines for the kernels that update the parameters of a plan."""
    values = _template_values(name, dtype)
    row = (dtype, 1)
    update = "link({symbol!r}, updates.{name}, {arrays!r}, {numbers!r})\n".format(**values)
    outer_rows = []
    if any(part.outer for part in parts):
        outer_rows = [link_to("outer_rows", dtype, [row] * 3, [0, 0, 1.0])]
    return [update, link_to("scaled", dtype, [row], [1.0]), *outer_rows]


@cache
def constants_of(name: str) -> dict[str, Any]:
    """Return the arguments of an update that are constant during training, with their defaults."""
    signature = KERNELS[name].signature.parameters
    arrays = len(KERNELS[name].arrays)
    step_arguments = ("rate", "step")
    arguments = list(signature)[arrays:]
    return {argument: signature[argument].default for argument in arguments if argument not in step_arguments}


def _template_values(name: str, dtype: str) -> dict[str, Any]:
    """Return the values to insert into the update templates."""
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
    """Return the symbol that programs use to call a kernel of `updates`."""
    return f"updates.{name} {dtype}"


def link_to(name: str, dtype: str, arrays: list[tuple[str, int]], numbers: Sequence[float]) -> str:
    """Return the `link` line for a kernel of `updates`.

    arrays   types of the arrays, (dtype, number of axes)
    numbers  example values of the other arguments
    """
    return f"link({symbol_of(name, dtype)!r}, updates.{name}, {arrays!r}, {numbers!r})\n"
