"""Formulas and explanatory sentences for each operation, as data shared by Python and the web page.

Each family of operations has one TOML file, named like its page in docs/derivations/. Python loads the files here. The
page receives them in parsed form, as part of a network's description. Every entry has

words      sentences for learners, in order: text, or {if = […], unless = […], text = "…"} with conditions. Names in
           {braces} are replaced by facts about the explained cell, which is one element of a tensor
called     the operation's name in sentences, if it differs from the entry's

An element-wise operation has lists of formulas (see `parser.parse_formula`). The last formula is the result:

value      y from x and the attributes
slope      f′(x) in terms of x or y, depending on which of them the backward pass reads; the gradient is dy · f′(x) and
           has no entry of its own
stable_value, stable_slope   optional forms without overflow or cancellation; the engines compute these (see
           `generator`), and learners see the other forms
increasing  whether y is a non-decreasing function of x
facts      conditions for sentences: { negative = "x ≤ 0" }

An optimizer's update has lists of formulas, with conditions (`if` and `unless`) as in sentences. p is the element
before the step, p′ the element after it, dp its gradient, and ‖g‖ the norm of the whole gradient; m, v and u are
moments.

steps      formulas, evaluated in order; { alias = { h = "g" } } makes h an alias of g
computed   as for a calculation
rule       the update as a single formula
letters    the attribute denoted by each letter. They are in the entry "update", whose steps and words precede those of
           every optimizer
quantities, effects   formulas, evaluated after the steps, that split the change p′ − p into the effects of earlier
           gradients (`memory`), of the gradient (`change` per unit of dp) and of weight decay (`decay`). A divisor that
           itself depends on the gradient counts as fixed
moment     the name of the moment through which earlier gradients act
remembers  sentences that introduce the optimizer's moment
factor     sentences on what the factors of a gradient and of the moment contain

A calculation is any other operation whose result can be written with formulas, sums and maxima: a convolution, softmax,
a loss, a normalization. To explain such an operation in Python and on the page, no code is needed, only an entry (the
shortest examples are in dense.toml and losses.toml) with

reads      the inputs and their index letters, in order: ["x[n,c,i,j]", "γ[c]"]. n is the sample. If a tensor has fewer
           axes than letters, the last letters are dropped, also in formulas. An index can contain
           + − · / and parentheses: x[n, s·i + u], dȳ[n, (h + p − u)/s].
writes     the results, in the same form. A formula can contain another result of the operation, such as the mean.
steps      formulas, evaluated in order; the last is the result. Σ_{k}, max_{k} and argmax_{k} run over the product that
           follows. x is the element at the current indices, and x[n,l] the element at others. x̄ is x where the
           index is whole and inside x, else 0. δ[l,k] is 1 if l = k, else 0. If a step has the name of an input, it
           shows how the input was computed.
computed   optional formulas that engines compute instead of those of the same names, without overflow, cancellation or
           repeated work; learners see the others. Code for NumPy and JAX uses all of them (see `array_files`), other
           code those of single elements (see `generator`)
rule       the result as a single formula, by default the last step. Without steps, it must be a scaled sum of products,
           "μ = 1/M · Σ x", a sum of products, "b + Σ_{c} w · x", or the maximum of an input. The explanation then lists
           its terms or candidates.
words      sentences, as above
facts      conditions or numbers for sentences and steps: { one_class = "Σ_{k} abs(t) ≤ 1", values = "M" }. The fact
           `batch` is true if the trace has several samples, `gradient` if the result is a gradient, `transposed` if a
           transposed convolution runs the operation, and the name of an input if the input is present.
           The value of a text attribute is also a fact: { if = ["cells"], … }. Sentences can contain {layer}, {x} for
           the first input's name, and the element's indices.
results    a list of tables with steps, rule and words, one for each result, if there are several results
where      formulas that are evaluated wherever their names occur, as inside a sum: ["x̂[n,c] = (x − μ) / s"]. A name
           alone in `steps` shows such a formula as a step.
over       the letters of a Σ without letters. M is the number of its summands.
ranges     first value and end (exclusive) of a letter, if not all of its axis: { c = ["g·D", "g·D + D"] }
indices    letters that are computed from others: { g = "⌊c/D⌋" }. A letter with several cases is written as the
           applicable case.
constants  numbers that are computed once for the explained element: { D = "C / groups" }
letters    the attribute denoted by each letter, or a number: { "ε" = "epsilon" }. "stride.0" is part of an attribute,
           and "x.2" the size of an input's axis 2, where axis 0 is the sample. "x.length" is the number of axes.
names      "own" to write tensors with their names in the plan, such as x for dy in a transposed convolution

Formulas can also contain the operation's attributes, N for the number of samples, and the upper-case letter of an axis
for its size. In the two equations of an explanation, names are written with the index of their declaration. In steps,
they are written with the index in the formula's text, and with all indices if the step has an index on its left side.

The remaining operations, such as dropout, have sentences only. Functions in `chainrule.explain` and on the page
explain them. cells.toml contains titles of cells, and sentences about cells that are not computed by an operation.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from chainrule.operations import parser
from chainrule.operations.grammar import ParsedExpression

FOLDER = Path(__file__).parent
OTHER_LOSSES = ("correct", "dice", "dice_dp")  # compare indices, or sum over positions
LISTS = ("value", "slope", "stable_value", "stable_slope", "steps", "computed", "rule", "quantities", "effects")


class Described(NamedTuple):
    """The unparsed entry of an operation, and its family: the name of its TOML file."""

    family: str
    entry: dict[str, Any]


@cache
def entries() -> dict[str, dict[str, Any]]:
    """Return all operations' entries by name, with formulas parsed to JSON values."""
    return {name: entry(name) for name in _described()}


@cache
def entry(name: str) -> dict[str, Any]:
    """Return an operation's entry of `entries`. The formulas of others are not parsed, which takes time."""
    return _parsed(_described()[name].entry)


def family(operation: str) -> str:
    """Return an operation's family: the name of its TOML file and of its derivation page.

    An operation without an entry, such as relu_dx, belongs to the family of the entry that its name begins with, relu.
    The family of an unknown name is "".
    """
    name = operation
    while name and name not in _described():
        name = name.rpartition("_")[0]
    if not name:
        return ""
    return _described()[name].family


@cache
def _described() -> dict[str, Described]:
    """Return the description of each operation; ValueError if it is in two files."""
    result: dict[str, Described] = {}
    for file in sorted(FOLDER.glob("*.toml")):
        for name, described in tomllib.loads(file.read_text(encoding="utf-8")).items():
            if name in result:
                raise ValueError(f"{file.name}: {name} is already described in {result[name].family}.toml")
            result[name] = Described(file.stem, described)
    return result


def element_wise() -> list[str]:
    """Return the names of the element-wise operations."""
    return [name for name, described in _described().items() if "slope" in described.entry]


def losses() -> list[str]:
    """Return the losses, gradients of losses and counts of right labels that sum over the classes of each row alone."""
    names = list[str]()
    for name, described in _described().items():
        if described.family == "losses" and name not in OTHER_LOSSES:
            names.append(name)
    return names


def loss_gradients() -> list[str]:
    """Return the names of the gradients of losses that need only one prediction and its target for each element."""
    return [name for name in losses() if name.endswith("_dp") and "results" not in _described()[name].entry]


def pointwise() -> list[str]:
    """Return the names of the operations that combine elements at the same place by formulas with cases."""
    return ["equal", "greater", "maximum_dx", "where", "where_da", "where_db"]


def generated() -> dict[str, str]:
    """Return the entry of each operation whose code is generated for all engines."""
    entry_of = dict[str, str]()
    for name in element_wise():
        entry_of[name] = name
        entry_of[f"{name}_dx"] = name
    for name in (*losses(), *pointwise()):
        entry_of[name] = name
    return entry_of


def holds(part: Mapping[str, Any], facts: Mapping[str, object]) -> bool:
    """Return whether a sentence or step applies: all facts in `if` are true, and all facts in `unless` are false."""
    for name in part.get("if", ()):
        if not facts[name]:
            return False
    for name in part.get("unless", ()):
        if facts[name]:
            return False
    return True


def fill(words: list[str | dict[str, Any]], facts: Mapping[str, object]) -> str:
    """Return the sentences whose conditions are met as one text, with facts inserted."""
    text = ""
    for part in words:
        if isinstance(part, str):
            text += part.format_map(facts)
        elif holds(part, facts):
            text += part["text"].format_map(facts)
    return text


def _parsed(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with its facts and its formulas parsed."""
    if "writes" in entry:
        return {**entry, **_calculation(entry)}
    parsed = dict(entry)
    if "facts" in entry:
        parsed["facts"] = {name: parser.condition(text) for name, text in entry["facts"].items()}
    for key in LISTS:
        if key in entry:
            parsed[key] = list(map(_step, entry[key]))
    if "slope" in entry:
        parsed["keeps"] = "x"
        if "y" in parser.letters_of(parsed["slope"]):
            parsed["keeps"] = "y"
    return parsed


def _step(part: str | Mapping[str, Any], *, is_sum: bool = False) -> dict[str, Any]:
    """Return a parsed formula, a name to show or an alias, together with its conditions."""
    entry: Mapping[str, Any] = {"step": part} if isinstance(part, str) else part
    parsed = dict[str, Any]()
    for key in ("if", "unless"):
        if key in entry:
            parsed[key] = entry[key]
    if "alias" in entry:
        parsed["alias"] = entry["alias"]
    elif " = " in entry["step"]:
        parsed |= parser.parse_formula(entry["step"], is_sum=is_sum)
    else:
        parsed |= parser.parse_reference(entry["step"])
    return parsed


def _calculation(entry: dict[str, Any]) -> dict[str, Any]:
    """Parse the tensors and formulas of an operation that is explained with named steps and sums.

    The parsed entry has the keys of the TOML entry, with trees instead of texts and empty values for missing keys. Only
    `steps` and `computed` remain missing, since their presence has a meaning. An entry without `results` has one
    result, which is described by the entry itself.
    """
    parsed: dict[str, Any] = {
        "reads": list(map(parser.parse_reference, entry["reads"])),
        "writes": list(map(parser.parse_reference, entry["writes"])),
        "where": list(map(parser.parse_formula, entry.get("where", ()))),
        "constants": _expressions(entry.get("constants", {})),
        "facts": _expressions(entry.get("facts", {})),
        "indices": {},
        "ranges": {},
        "results": list(map(_result, entry.get("results", [entry]))),
    }
    for name, text in entry.get("indices", {}).items():
        parsed["indices"][name] = parser.parse_formula(f"{name} = {text}")
    for name, bounds in entry.get("ranges", {}).items():
        parsed["ranges"][name] = list(map(parser.expression, bounds))
    for key in ("steps", "computed"):
        if key in entry:
            parsed[key] = list(map(_step, entry[key]))
    return parsed


def _expressions(texts: Mapping[str, str]) -> dict[str, ParsedExpression]:
    return {name: parser.expression(text) for name, text in texts.items()}


def _result(entry: dict[str, Any]) -> dict[str, Any]:
    """Parse the steps and the rule of one result. Without steps, the rule is a sum of products."""
    steps = list(map(_step, entry.get("steps", ())))
    rule = [_step(part, is_sum=not steps) for part in entry.get("rule", ())]
    return {"steps": steps, "rule": rule, "words": entry["words"]}
