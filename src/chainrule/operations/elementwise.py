"""The element-wise operations with their formulas, and functions for expressions in the form of trees.

A tree is a number, a letter (a variable), or a list of an operator or function and its operands; see `parser`.
"""

import inspect
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from chainrule.operations import definitions
from chainrule.operations.functions import FUNCTIONS, Tree, evaluation

Formula = Mapping[str, Any]
FOLDED = ("+", "−", "·", "/", "^", *FUNCTIONS)  # functions of constants that are computed once


@dataclass(frozen=True)
class Elementwise:
    """An element-wise operation y = f(x).

    value       formulas that compute y: intermediate steps, and the result as the last one
    slope       formulas that compute f′(x) from x or y, in the same form
    keeps       "x" or "y": the tensor that the slope is computed from
    increasing  whether y is a non-decreasing function of x
    """

    name: str
    value: tuple[Formula, ...]
    slope: tuple[Formula, ...]
    keeps: str
    increasing: bool

    @property
    def options(self) -> dict[str, float | None]:
        """Attribute → its default value in the reference; None if the attribute is required."""
        from chainrule.operations import reference

        options = dict[str, float | None]()
        for parameter in inspect.signature(getattr(reference, self.name)).parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY:
                is_required = parameter.default is parameter.empty
                options[parameter.name] = None if is_required else parameter.default
        return options

    @property
    def costly(self) -> bool:
        """Whether computing y involves an expensive function, such as an exponential."""
        for formula in self.value:
            for case in formula["cases"]:
                if _is_costly(case["value"]["tree"]):
                    return True
        return False

    def function(self, *, gradient: bool) -> str:
        """Return the name of the function that computes y or, for the gradient, dx."""
        if gradient:
            return f"{self.name}_dx"
        return self.name

    def equation(self, *, gradient: bool) -> str:
        """Return the formulas of y, or of f′(x) and dx, in one line and in the form shown to learners."""
        entry = definitions.entry(self.name)
        if gradient:
            return f"{formulas_text(entry['slope'])},  dx = dy · f′(x)"
        return formulas_text(entry["value"])


@cache
def operations() -> dict[str, Elementwise]:
    """Return the element-wise operations by name."""
    return {name: find_operation(name) for name in definitions.element_wise()}


@cache
def find_operation(name: str) -> Elementwise:
    """Return an element-wise operation. The formulas of others are not parsed, which takes time."""
    entry = definitions.entry(name)
    value = tuple(entry.get("stable_value", entry["value"]))
    slope = tuple(entry.get("stable_slope", entry["slope"]))
    return Elementwise(name, value, slope, entry["keeps"], entry.get("increasing", False))


def cases_of(formula: Formula, *, gradient: bool = False) -> list[tuple[Tree, Any]]:
    """Return the value of each case of a formula, multiplied by dy for a gradient, and its condition (None: always)."""
    cases = list[tuple[Tree, Any]]()
    for case in formula["cases"]:
        value = case["value"]["tree"]
        if gradient:
            value = simplified(["·", "dy", value])
        cases.append((value, case.get("when")))
    return cases


def formula_text(formula: Formula) -> str:
    """Return a parsed formula as text."""
    texts = list[str]()
    for case in formula["cases"]:
        text = "".join(case["value"]["parts"])
        if "when" in case:
            text += f" if {''.join(case['when']['parts'])}"
        texts.append(text)
    if len(texts) > 1:
        texts[-1] = f"else {texts[-1]}"
    return f"{formula['name']} = {', '.join(texts)}"


def formulas_text(formulas: Iterable[Formula]) -> str:
    """Return parsed formulas in one line, in the form shown to learners."""
    return ",  ".join(map(formula_text, formulas))


def folded(tree: Tree) -> Tree:
    """Fold constants: replace every subtree without letters by its value.

    The mean 1/K · Σ … becomes a quotient, which has a smaller rounding error.
    """
    if not isinstance(tree, list):
        return tree
    name, *operands = cast("list[Any]", tree)
    operands = [folded(operand) for operand in operands]
    if name in FOLDED and all(isinstance(operand, int | float) for operand in operands):
        return float(evaluation(name)(*map(float, operands)))
    match [name, *operands]:
        case ["·", ["/", 1, divisor], {"reduce": _} as total]:
            return ["/", total, divisor]
        case ["·", ["/", -1, divisor], {"reduce": _} as total]:
            return ["−", 0, ["/", total, divisor]]
        case unchanged:
            return unchanged


def _is_costly(tree: Tree) -> bool:
    if not isinstance(tree, list):
        return False
    name, *operands = cast("list[Any]", tree)
    if name in FUNCTIONS and FUNCTIONS[name].costly:
        return True
    is_exponential = name == "^" and operands[0] == math.e
    return is_exponential or any(map(_is_costly, operands))


def occurrences(tree: Tree) -> Iterator[str]:
    """Yield the names in a tree, once for each occurrence."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        node = cast("dict[str, Any]", tree)
        if "reduce" in node:
            yield from occurrences(node["value"]["tree"])
        else:
            yield node["name"]
    elif isinstance(tree, list):
        for operand in cast("list[Any]", tree)[1:]:
            yield from occurrences(operand)


def renamed(line: str, name: str, other: str) -> str:
    """Rename a variable in a line of code from ``name`` to ``other``."""
    return re.sub(rf"\b{name}\b", other, line)


def simplified(tree: Tree) -> Tree:
    """Return the tree of a product, simplified if the right factor is 0 or 1."""
    _, left, right = tree
    right = folded(right)
    if right == 0:
        return 0.0
    if right == 1:
        return left
    return ["·", left, right]
