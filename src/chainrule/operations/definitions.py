"""Equations, formulas and explanatory sentences for each operation, as data shared by Python and the web page.

Each family of operations has one TOML file, named like its page in docs/derivations/. Python loads the files here. The
page receives them in parsed form, as part of a network's description. Every entry has

words      sentences for learners, in order: text, or {if = […], unless = […], text = "…"} with conditions. Names in
           {braces} are replaced by facts about the explained cell, which is one element of a tensor
called     the operation's name in sentences, if it differs from the entry's

An operation that is a sum of products has

equation   "y[n,o] = b[o] + Σ_{c} w[o,c] · x[n,c]": the result, and sums of products of the inputs. An index is a sum
           of letters and of letters times constants, optionally divided by a constant. Constants describe the window
           on each axis: s is the stride, d the dilation, p and q the padding before the first row and column; c₀ is
           the group's first channel. u' is u, or KH−1−u if the kernel is flipped. If a tensor has fewer axes than
           indices in the equation (a tied bias), the last indices are dropped.
reads      the inputs' names in the equation, in order; if an input is missing (no bias), its summand is dropped
framed     the tensor with a bar, such as x̄, if its indices count from the beginning of the padding
extended   the tensor with a bar, if its elements outside its bounds are 0
within     letters of indices that range over one group only

An element-wise operation has lists of formulas (see `parser.parse_formula`). The last formula is the result:

value      y from x and the attributes
slope      f′(x) in terms of x or y, depending on which of them the backward pass reads; the gradient is dy · f′(x) and
           has no entry of its own
stable_value, stable_slope   optional forms without overflow or cancellation; the engines compute these (see
           `generator`), and learners see the other forms
increasing whether y is a non-decreasing function of x
facts      conditions for sentences: { negative = "x ≤ 0" }

An optimizer's update and the gradient of an element-wise loss have (with `if` and `unless` as in sentences)

steps      formulas, evaluated in order; { alias = { h = "g" } } makes h an alias of g
rule       the update as a single formula
letters    the attribute denoted by each letter, in the entry "update"

All other operations (max pooling, softmax, batch normalization) have sentences only. The rest of their explanations is
implemented by functions in `chainrule.explain` and in the page. cells.toml contains titles of cells, and sentences
about cells that are not computed by an operation.
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
    """Return all operations' entries by name, with equations and formulas parsed to JSON values."""
    return {name: _parsed(entry) for family in _families().values() for name, entry in family.items()}


def family(operation: str) -> str:
    """Return an operation's family: the name of its TOML file and of its derivation page.

    An operation without an entry, such as relu_dx, belongs to the family of the entry that its name begins with, relu.
    The family of an unknown name is "".
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
    """Return each TOML file's entries by file name; raise ValueError if two files describe the same operation."""
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
    """Return whether a sentence or step applies: all facts in `if` are true, and all facts in `unless` are false."""
    return all(facts[name] for name in part.get("if", ())) and not any(facts[name] for name in part.get("unless", ()))


def fill(words: list[str | dict[str, Any]], facts: Mapping[str, Any]) -> str:
    """Return the sentences whose conditions are met as one text, with facts inserted."""
    parts = [{"text": part} if isinstance(part, str) else part for part in words]
    return "".join(part["text"].format_map(facts) for part in parts if holds(part, facts))


def _parsed(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with its equation, its facts and its formulas parsed."""
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
    """Return a parsed formula or an alias, together with its conditions."""
    entry: dict[str, Any] = {"step": part} if isinstance(part, str) else part
    conditions = {name: entry[name] for name in ("if", "unless") if name in entry}
    return {**conditions, **(parser.parse_formula(entry["step"]) if "step" in entry else {"alias": entry["alias"]})}
