"""The types of parsed formulas, which `parser` returns. They consist of JSON values, which the page receives, too."""

from typing import NotRequired, TypeAlias, TypedDict

Tree: TypeAlias = "float | str | list[Tree] | IndexedName | Reduction"  # a list is [operator or function, *operands]
Item: TypeAlias = "str | IndexedName | Reduction"  # what is written with letters


class IndexedName(TypedDict):
    """A name with an index: x[n,l]. A position consists of numbers, letters and operators."""

    name: str
    index: list[Tree]


class Reduction(TypedDict):
    """A sum, max or argmax over letters: Σ_{k} x."""

    reduce: str
    over: list[str]
    value: "ParsedExpression"


class ParsedExpression(TypedDict):
    """An expression or a condition.

    parts   its text, split at its items: text, item, text, …, text
    """

    parts: "list[Item]"
    tree: Tree


class Products(TypedDict):
    """A sum of products.

    over    letters of its Σ; None if it has no Σ
    terms   factors of each summand
    """

    over: list[str] | None
    terms: list[list[ParsedExpression]]


class ScaledSum(TypedDict):
    """A sum of sums of products, all of which are multiplied by a scale if there is one."""

    scale: NotRequired[ParsedExpression]
    parts: list[Products]


class FormulaCase(TypedDict):
    """A case of a formula; the last one may have no condition.

    sum   the value as a sum of products, if the formula is to be explained by its terms
    """

    value: ParsedExpression
    when: NotRequired[ParsedExpression]
    sum: NotRequired[ScaledSum]


class Formula(TypedDict):
    """A formula: a name with an optional index, and the value in each case."""

    name: str
    index: NotRequired[list[Tree]]
    cases: list[FormulaCase]


def items(expression: ParsedExpression) -> list[Item]:
    """Return the letters, elements and reductions of an expression, in the order of its text."""
    return expression["parts"][1::2]


def is_item(expression: ParsedExpression) -> bool:
    """Return whether an expression is a single item, without numbers and operators."""
    return expression["parts"][::2] == ["", ""]
