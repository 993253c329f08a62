"""Equations, formulas and learner's sentences of each operation, as data that Python and the page both read.

One TOML file per operation family, under the names of the pages in docs/derivations/. Python loads them here; the page
gets them parsed, with the description of a network. Every entry has

words      what is said to a learner: sentences in order, as text or as {if = […], unless = […], text = "…"}; facts of
           the explained cell stand in {braces}
called     the operation's name in a sentence, where it differs

An operation that is a sum of products has

equation   "y[n,o] = b[o] + Σ_{c} w[o,c] · x[n,c]": the result, and sums of products of what is read. An index is a sum
           of letters and of letters times constants, or one over a constant. Constants are those of a window, each of
           its own axis: s stride, d dilation, p and q padding before the first row and column; c₀ the first channel of
           the group. u' is u, or KH−1−u where the kernel is flipped. Where a tensor has fewer axes than the equation
           has indices (a tied bias), the last indices are dropped.
reads      what the equation calls the tensors that the operation reads, in order; one that is missing (no bias) drops
           its summand
framed     a tensor written with a bar, x̄: its padding of zeros is part of it, and indices count from there
extended   a tensor written with a bar, whose entries are 0 outside
within     letters that run over one group only

An element-wise operation has, as lists of formulas (see `formula`), the last of which is the result,

value      y from x and the attributes
slope      f′(x) from either x or y, whichever is kept for backward; the gradient is dy · f′(x), and needs no entry
stable_value, stable_slope   the same in a form that neither overflows nor cancels, where that differs: engines compute
           this form (see `generator`), and learners see the other one
increasing true if y does not fall where x rises
facts      names for sentences to test: { negative = "x ≤ 0" }

An optimizer's update, and the gradient of a loss that takes one entry at a time, has, with `if` and `unless` like
sentences,

steps      formulas, one after the other; { alias = { h = "g" } } lets one letter stand for another
rule       the update as one formula
letters    which attribute a letter stands for, under "update"

Every other operation (the winner of a pooling window, softmax, batch normalization) has words only; the rest of its
explanation is a function in `chainrule.explain` and one in the page. cells.toml holds titles of cells, and sentences
about cells that no operation computes.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from chainrule.operations import parser

FOLDER = Path(__file__).parent
LISTS = ("value", "slope", "stable_value", "stable_slope", "steps", "rule")


@cache
def entries() -> dict[str, dict[str, Any]]:
    """Return every operation's entry by name, its equation and its formulas parsed, as JSON has them."""
    return {name: _parsed(entry) for family in _families().values() for name, entry in family.items()}


def family(operation: str) -> str:
    """Return the name of the TOML file that describes an operation, which is also that of its page of derivations.

    An operation without an entry of its own, such as relu_dx, belongs to the one that its name begins with. The family
    of anything else is "".
    """
    name = operation
    while name:
        for file, described in _families().items():
            if name in described:
                return file
        name = name.rpartition("_")[0]
    return ""


@cache
def _families() -> dict[str, dict[str, dict[str, Any]]]:
    """Return the entries of each TOML file, by the file's name. ValueError if two files describe one operation."""
    families = {file.stem: tomllib.loads(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.toml"))}
    seen: dict[str, str] = {}
    for file, described in families.items():
        for name in described:
            if name in seen:
                raise ValueError(f"{file}.toml: {name} is already described in {seen[name]}.toml")
            seen[name] = file
    return families


def element_wise() -> list[str]:
    """Return the names of the element-wise operations."""
    return [name for name, entry in entries().items() if "slope" in entry]


def holds(part: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Return whether all `if` facts of a sentence or a step are true, and all its `unless` facts false."""
    return all(facts[name] for name in part.get("if", ())) and not any(facts[name] for name in part.get("unless", ()))


def fill(words: list[str | dict[str, Any]], facts: Mapping[str, Any]) -> str:
    """Return the sentences that hold, with the facts put in."""
    parts = [{"text": part} if isinstance(part, str) else part for part in words]
    return "".join(part["text"].format_map(facts) for part in parts if holds(part, facts))


def _parsed(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with what is parsed of it."""
    found = dict(entry)
    if "equation" in entry:
        found["parsed"] = parser.parse_equation(entry["equation"])
    if "facts" in entry:
        found["facts"] = {name: parser.condition(text) for name, text in entry["facts"].items()}
    for key in LISTS:
        if key in entry:
            found[key] = [_step(part) for part in entry[key]]
    if "slope" in entry:
        found["keeps"] = "y" if "y" in parser.letters_of(found["slope"]) else "x"
    return found


def _step(part: str | dict[str, Any]) -> dict[str, Any]:
    """Return a parsed formula with its conditions, or an alias with them."""
    given: dict[str, Any] = {"step": part} if isinstance(part, str) else part
    conditions = {name: given[name] for name in ("if", "unless") if name in given}
    return {**conditions, **(parser.parse_formula(given["step"]) if "step" in given else {"alias": given["alias"]})}
