"""Parser for formulas in linear notation. The results are JSON values, evaluated in Python and on the page.

"y = 0 if x ≤ 0, else slope·x" becomes

{"name": "y", "cases": [{"value": 0, "when": x ≤ 0}, {"value": slope·x}]}

where an expression or a condition is {"parts": […], "tree": …}. The parts are its text, split at the letters: text,
letter, text, …, letter, text. A tree is a number, a letter, or a list with an operator or function and its operands.
Operators are + − · / mod and ^{…}; |…| is the absolute value, ⌊…⌋ rounds down, e^{…} is the exponential, and π a
constant. The functions are those of `functions.FUNCTIONS`, max and min: among them √, round (to the nearest even number
for a tie), σ (the sigmoid), Φ (the standard normal distribution function) and φ (its density).

Instead of a letter, parts and trees can also contain

{"name": "x", "index": ["n", "l"]}                      x[n,l], an element at another index
{"reduce": "Σ", "over": ["l"], "value": expression}     Σ_{l} …, max_{l} … or argmax_{l} …

A reduction applies to the product that follows it, up to the next + − or /. A Σ without letters has over = [].
"""

import math
import re
from collections.abc import Callable, Iterable

from chainrule.operations.functions import NAMES
from chainrule.operations.grammar import (
    Formula,
    FormulaCase,
    IndexedName,
    Item,
    ParsedExpression,
    Products,
    Reduction,
    ScaledSum,
    Tree,
    items,
)


def split(text: str, separator: str) -> list[str]:
    """Split a text at the separators that are not inside brackets or between two bars, as in |a + b|."""
    parts: list[str] = []
    depth = 0
    begin = 0
    bar = 1  # change of the depth at a bar, which is that of the bar directly before it
    for place, letter in enumerate(text):
        depth += (letter in "[({⌊") - (letter in "])}⌋")
        if letter == "|":
            if text[place - 1] != "|":
                bar = 1 if OPENING.search(text, 0, place) else -1
            depth += bar
        if not depth and text.startswith(separator, place):
            parts.append(text[begin:place])
            begin = place + len(separator)
    return [*parts, text[begin:]]


def _index(text: str) -> Tree:
    """Parse an index: sums and differences of products, optionally divided by a constant."""
    try:
        return _with_integers(expression(text)["tree"])
    except ValueError:
        raise ValueError(f"not an index: {text!r}") from None


def _with_integers(tree: Tree) -> Tree:
    """Return the tree of an index, whose numbers are integers."""
    if isinstance(tree, list):
        return list(map(_with_integers, tree))
    if isinstance(tree, dict):
        raise ValueError("an index contains only letters and numbers")
    if isinstance(tree, str):
        return tree
    return int(tree)


OPENING = re.compile(r"(^|[+−·/{(,≤≥<>=⌊]|\bmod|\bif)\s*$")  # before a bar that opens
NAME = r"‖\w+‖|[^\W\d_]\w*[\u0300-\u036f]*[′']?"
FORMULA_TOKEN = re.compile(rf"\s*(\d+(?:\.\d+)?|{NAME}|[+−·/^{{}}(),|√≤≥<>=⌊⌋\[\]'])")
LEFT_SIDE = re.compile(r"([^\[\]\s]+)(?:\[(.+)\])?")
SUM = re.compile(r"(?:(?P<scale>.+?) · |(?P<minus>−))?Σ(?:_\{(?P<over>[\w,]+)\})? (?P<body>.+)")
SQUARE = re.compile(r"(\(.+\))\^\{2\}")
CONSTANTS = {"e": math.e, "π": math.pi}
ENCLOSING = {"|": ("|", "abs"), "⌊": ("⌋", "floor")}
COMPARISONS = ("≤", "≥", "<", ">", "=")
REDUCTIONS = {"Σ": "Σ", "Σ_": "Σ", "max_": "max", "argmax_": "argmax"}


def parse_formula(formula: str, *, is_sum: bool = False) -> Formula:
    """Parse a formula; raise ValueError, quoting the text, if it is invalid.

    A formula with an index on its left side, "x̂[n,c] = …", has an additional item "index".

    is_sum   add each case's scaled sum of products as "sum"; see `parse_sum`
    """
    left, equals, right = formula.partition(" = ")
    if not equals:
        raise ValueError(f"no ' = ' after a name in the formula {formula!r}")
    try:
        reference = parse_reference(left)
        cases = [_case(text, is_sum=is_sum) for text in split(right, ", ")]
    except ValueError as error:
        raise ValueError(f"{error}, in the formula {formula!r}") from error
    if reference["index"]:
        return {**reference, "cases": cases}
    return {"name": left, "cases": cases}


def parse_reference(text: str) -> IndexedName:
    """Parse a name with an optional index: "x[n,c]" becomes {"name": "x", "index": ["n", "c"]}."""
    match = LEFT_SIDE.fullmatch(text)
    if not match:
        raise ValueError(f"not a name with an index: {text!r}")
    index = list[Tree]()
    if match[2]:
        index = list(map(_index, split(match[2], ",")))
    return {"name": match[1], "index": index}


def parse_sum(text: str) -> ScaledSum:
    """Parse a scaled sum of products, "1/K · Σ_{k} (p − t)^{2}", or a sum of such sums, "b + Σ_{c} w · x".

    Only a single sum has a scale.
    """
    texts = split(text, " + ")
    parts = list(map(_products, texts))
    scale = _scale(text)
    if len(texts) > 1 or scale is None:
        return {"parts": parts}
    return {"scale": expression(scale), "parts": parts}


def _scale(text: str) -> str | None:
    match = SUM.fullmatch(text)
    if match is None:
        return None
    if match["minus"]:
        return "−1"
    return match["scale"]


def _products(text: str) -> Products:
    """Parse the products of a sum; a scale is ignored."""
    over = None
    body = text
    match = SUM.fullmatch(text)
    if match is not None:
        over = list(filter(None, (match["over"] or "").split(",")))
        body = match["body"]
    if body.startswith("(") and body.endswith(")") and len(split(body[1:-1], " + ")) > 1:
        body = body[1:-1]
    terms = [list(map(expression, _factors(product))) for product in split(body, " + ")]
    return {"over": over, "terms": terms}


def _factors(product: str) -> list[str]:
    """Split a product into its factors; a square has two."""
    factors: list[str] = []
    for factor in map(str.strip, split(product, "·")):
        square = SQUARE.fullmatch(factor)
        if square:
            factors += [square[1], square[1]]
        else:
            factors.append(factor)
    return factors


def expression(text: str) -> ParsedExpression:
    """Parse an expression or a condition. Conditions are (chains of) comparisons, such as low < x < high."""
    reader = _Reader(text)
    tree = reader.comparison()
    reader.end()
    return {"parts": reader.parts, "tree": tree}


def condition(text: str) -> ParsedExpression:
    """Parse a comparison or a chain of comparisons; raise ValueError for an expression without comparison."""
    parsed = expression(text)
    if not is_condition(parsed["tree"]):
        raise ValueError(f"no comparison: {text!r}")
    return parsed


def is_condition(tree: Tree) -> bool:
    """Return whether a tree is a condition rather than an expression."""
    return isinstance(tree, list) and tree[0] == "and"


def letters_of(formulas: Iterable[Formula]) -> set[str]:
    """Return all letters (variables) in element-wise formulas."""
    letters = set[str]()
    for formula in formulas:
        for case in formula.get("cases", ()):  # an alias has no cases
            letters.update(map(str, items(case["value"])))
            if "when" in case:
                letters.update(map(str, items(case["when"])))
    return letters


def _case(text: str, *, is_sum: bool) -> FormulaCase:
    """Parse "A if c", "else A" or "A"."""
    value, separator, when = text.removeprefix("else ").partition(" if ")
    case: FormulaCase = {"value": expression(value)}
    if is_sum:
        case["sum"] = parse_sum(value)
    if separator:
        case["when"] = condition(when)
    return case


class _Reader:
    """A recursive-descent parser for one expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.tokens = [(match[1], match.start(1)) for match in FORMULA_TOKEN.finditer(text)]
        self._texts = [""]  # between the items, one more than items
        self._items = list[Item]()
        self.copied = 0  # length of the text that texts and items contain
        if "".join(token for token, _ in self.tokens) != re.sub(r"\s", "", text):
            raise ValueError(f"not an expression: {text!r}")

    @property
    def next(self) -> str:
        """The next token; "" at the end."""
        if self.at == len(self.tokens):
            return ""
        return self.tokens[self.at][0]

    @property
    def position(self) -> int:
        """Place in the text after the last token read."""
        token, start = self.tokens[self.at - 1]
        return start + len(token)

    def take(self) -> str:
        """Consume and return the next token; ValueError at the end."""
        if not self.next:
            raise ValueError(f"expected more after {self._read()!r}")
        self.at += 1
        return self.tokens[self.at - 1][0]

    def expect(self, token: str) -> None:
        """Consume a token; ValueError if the next one is another."""
        if self.next != token:
            raise ValueError(f"expected {token} after {self._read()!r}")
        self.at += 1

    def _read(self) -> str:
        return "".join(token for token, _ in self.tokens[: self.at])

    def end(self) -> None:
        """Raise ValueError unless all tokens have been consumed."""
        if self.next:
            raise ValueError(f"unexpected {self.next!r}")
        self._texts[-1] += self.text[self.copied :]

    @property
    def parts(self) -> list[Item]:
        """The text read, split at its items: text, item, text, …, text."""
        parts: list[Item] = [self._texts[0]]
        for item, text in zip(self._items, self._texts[1:], strict=True):
            parts += [item, text]
        return parts

    def comparison(self) -> Tree:
        """Parse a sum, or a chain of comparisons of sums: low < x < high."""
        left_operand = self.sum()
        comparisons: list[Tree] = []
        while self.next in COMPARISONS:
            operator = self.take()
            right_operand = self.sum()
            comparisons.append([operator, left_operand, right_operand])
            left_operand = right_operand
        if not comparisons:
            return left_operand
        return ["and", *comparisons]

    def sum(self) -> Tree:
        """Parse a sum: a + b − c."""
        return self._chain(("+", "−"), lambda: self._chain(("·", "/", "mod"), self._factor))

    def _chain(self, operators: tuple[str, ...], part: Callable[[], Tree]) -> Tree:
        tree: Tree = part()
        while self.next in operators:
            tree = [self.take(), tree, part()]
        return tree

    def _factor(self) -> Tree:
        """Parse a factor: −x, x^{3} or e^{−x}."""
        if self.next == "−":
            self.take()
            return ["−", 0, self._factor()]
        base = self._atom()
        if self.next != "^":
            return base
        self.take()
        self.expect("{")
        power = self.sum()
        self.expect("}")
        return ["^", base, power]

    def _atom(self) -> Tree:
        """Parse the next number, name, constant, function, sum, or expression in brackets such as (…), |…| and ⌊…⌋.

        Reductions and functions come before names, whose pattern their tokens may match, too.
        """
        token = self.take()
        if token in REDUCTIONS:
            return self._item(self.position - len(token), lambda: self._reduction(token))
        if token in NAMES:
            return [token, *self._arguments()]
        if token in ENCLOSING:
            closing, function = ENCLOSING[token]
            inner = self.sum()
            self.expect(closing)
            return [function, inner]
        if token == "(":
            inner = self.comparison()
            self.expect(")")
            return inner
        if token in CONSTANTS:
            return CONSTANTS[token]
        if re.fullmatch(NAME, token):
            return self._item(self.position - len(token), lambda: self._reference(token))
        if token[0].isdigit():
            return float(token)
        raise ValueError(f"{token!r} is not an operand")

    def _item(self, start: int, read: Callable[[], Item]) -> Item:
        """Parse a letter, an element or a reduction that starts at a position, and add it to the items."""
        before = self.text[self.copied : start]
        texts = self._texts
        items = self._items
        item = read()  # a reduction collects the items of its value
        self._texts = [*texts[:-1], texts[-1] + before, ""]
        self._items = [*items, item]
        self.copied = self.position
        return item

    def _reference(self, name: str) -> str | IndexedName:
        """Parse the rest of a letter, x, or of an element, x[n,l]."""
        if self.next != "[" or self.tokens[self.at][1] != self.position:
            return name
        start = self.position - len(name)
        while self.take() != "]":
            pass
        return parse_reference(self.text[start : self.position])

    def _reduction(self, token: str) -> Reduction:
        """Parse the rest of a reduction: the letters and a product."""
        over: list[str] = []
        if token.endswith("_"):
            self.expect("{")
            while self.next != "}":
                letter = self.take()
                if letter != ",":
                    over.append(letter)
            self.expect("}")
        self._texts = [""]
        self._items = []
        self.copied = len(self.text)
        if self.next:
            self.copied = self.tokens[self.at][1]
        tree = self._chain(("·",), self._factor)
        self._texts[-1] += self.text[self.copied : self.position]
        return {"reduce": REDUCTIONS[token], "over": over, "value": {"parts": self.parts, "tree": tree}}

    def _arguments(self) -> list[Tree]:
        self.expect("(")
        arguments = [self.sum()]
        while self.next == ",":
            self.take()
            arguments.append(self.sum())
        self.expect(")")
        return arguments
