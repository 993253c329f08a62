"""Equations, formulas and learner's sentences of each operation, as data that Python and the page both read.

One TOML file per operation family, named like its page in docs/derivations/. Python loads the files here; the page
receives them parsed, with the description of a network. Every entry has

words      sentences for learners, in order: text, or {if = […], unless = […], text = "…"} with conditions; facts of the
           explained cell replace names in {braces}
called     name of the operation in sentences, if it differs from its own

An operation that is a sum of products has

equation   "y[n,o] = b[o] + Σ_{c} w[o,c] · x[n,c]": the result, and sums of products of the inputs. An index is a sum
           of letters and of letters times constants, or such a sum over a constant. Constants describe the window on
           each axis: s stride, d dilation, p and q padding before the first row and column; c₀ is the first channel of
           the group. u' is u, or KH−1−u if the kernel is flipped. If a tensor has fewer axes than the equation has
           indices (a tied bias), the last indices are dropped.
reads      names in the equation of the tensors that the operation reads, in order; a missing tensor (no bias) drops
           its summand
framed     a tensor written with a bar, x̄: indices count from the beginning of its padding
extended   a tensor written with a bar, whose elements outside are 0
within     letters that range over one group only

An element-wise operation has lists of formulas (see `parser.parse_formula`); the last formula is the result:

value      y from x and the attributes
slope      f′(x) in terms of x or y, whichever backward reads; the gradient is dy · f′(x) and has no entry of its own
stable_value, stable_slope   forms that neither overflow nor cancel, if they differ; the engines compute these forms
           (see `generator`), and learners see the others
increasing whether y never falls as x rises
facts      conditions for sentences: { negative = "x ≤ 0" }

An optimizer's update, and the gradient of an element-wise loss, have, with `if` and `unless` as in sentences,

steps      formulas, evaluated in order; { alias = { h = "g" } } makes h another name of g
rule       the update as one formula
letters    attribute that each letter denotes, under "update"

Every other operation (max pooling, softmax, batch normalization) has words only; the rest of its explanation is a
function in `chainrule.explain` and one in the page. cells.toml holds titles of cells and sentences about cells that no
operation computes.
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
    """Return the entry of every operation by name, with equations and formulas parsed to JSON values."""
    return {name: _parsed(entry) for family in _families().values() for name, entry in family.items()}


def family(operation: str) -> str:
    """Return the name of the TOML file that describes an operation; its page of derivations has the same name.

    An operation without an entry, such as relu_dx, belongs to the family of the entry that its name begins with. The
    family of an unknown name is "".
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
    """Return the entries of each TOML file by file name; raise ValueError if two files describe the same operation."""
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
    """Return the sentences whose conditions hold, with facts inserted."""
    parts = [{"text": part} if isinstance(part, str) else part for part in words]
    return "".join(part["text"].format_map(facts) for part in parts if holds(part, facts))


def _parsed(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with its equation, facts and formulas parsed."""
    parsed = dict(entry)
    if "equation" in entry:
        parsed["parsed"] = parser.parse_equation(entry["equation"])
    if "facts" in entry:
        parsed["facts"] = {name: parser.condition(text) for name, text in entry["facts"].items()}
    for key in LISTS:
        if key in entry:
            parsed[key] = [_step(part) for part in entry[key]]
    if "slope" in entry:
        parsed["keeps"] = "y" if "y" in parser.letters_of(parsed["slope"]) else "x"
    return parsed


def _step(part: str | dict[str, Any]) -> dict[str, Any]:
    """Return a parsed formula, or an alias, with its conditions."""
    entry: dict[str, Any] = {"step": part} if isinstance(part, str) else part
    conditions = {name: entry[name] for name in ("if", "unless") if name in entry}
    return {**conditions, **(parser.parse_formula(entry["step"]) if "step" in entry else {"alias": entry["alias"]})}
