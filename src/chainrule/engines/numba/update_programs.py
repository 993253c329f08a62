"""Source of the programs of optimizers' updates: shared by threads, or computing a deferred gradient row by row."""

from functools import cache
from typing import Any

from chainrule.engines.numba.operations import KERNELS

UPDATE = '''"""A compiled program of chainrule: an optimizer's update, of which every thread has a share."""

link({symbol!r}, updates.{name}, {arrays!r}, {numbers!r})
declare('run', {arrays!r}, {all_numbers!r})


def run({reads}, threads, {arguments}):
    for k in prange(threads):
        s = slice(k * p.size // threads, (k + 1) * p.size // threads)
        call({symbol!r}, ({shares}, {arguments},))
'''

OUTER_UPDATE = '''"""A compiled program of chainrule: an update for one sample, whose dense gradients are dy xᵀ."""

link({symbol!r}, updates.{name}, {arrays!r}, {numbers!r})
link({rows!r}, updates.outer_rows, {vectors!r}, [0, 0, 1.0])
declare('run', {all_arrays!r}, {all_numbers!r})


def run({reads}, rows, x, dy, place, first, last, end, threads, scale, {arguments}):
    for k in prange(threads):
        s = slice(place + k * (first - place) // threads, place + (k + 1) * (first - place) // threads)
        call({symbol!r}, ({shares}, {arguments},))
        s = slice(last + k * (end - last) // threads, last + (k + 1) * (end - last) // threads)
        call({symbol!r}, ({shares}, {arguments},))
        s = slice(k * (rows.size // threads), (k + 1) * (rows.size // threads))
        own = rows[s]
        many, upto = max(1, own.size // x.size), (k + 1) * dy.size // threads
        for o in range(k * dy.size // threads, upto, many):
            next_o = min(o + many, upto)
            made = own[: (next_o - o) * x.size]
            call({rows!r}, (x, dy, made, o, next_o, scale))
            s = slice(first + o * x.size, first + next_o * x.size)
            call({symbol!r}, ({deferred_shares}, {arguments},))
'''


@cache
def update_source(name: str, dtype: str) -> str:
    """Return the program of an optimizer's update, given the name of its operation."""
    words = _update_words(name, dtype)
    return UPDATE.format(**words, all_numbers=[1, *words["numbers"]])


@cache
def outer_update_source(name: str, dtype: str) -> str:
    """Return the program of an update after one sample, which makes the gradients of dense layers row by row."""
    words = _update_words(name, dtype)
    words["deferred_shares"] = words["shares"].replace("g[s]", "made")
    words |= {"rows": symbol_of("outer_rows", dtype), "vectors": [(dtype, 1)] * 3}
    words |= {"all_arrays": words["arrays"] + words["vectors"], "all_numbers": [0, 0, 0, 0, 1, 1.0, *words["numbers"]]}
    return OUTER_UPDATE.format(**words)


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
