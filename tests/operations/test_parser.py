"""Formulas are read as they are written: drawn expressions, evaluated while they are drawn and by their trees."""

import math
import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chainrule.operations import parser

Drawn = tuple[str, float, int]  # text, value and precedence: 1 of a sum, 2 of a product, 3 of a power, 4 of an atom
LETTERS = {"x": 0.75, "ŷ": -1.5, "w′": 2.5, "slope": 0.25}
OPERATIONS: dict[str, tuple[Callable[[float, float], float], int]] = {
    "+": (operator.add, 1), "−": (operator.sub, 1), "·": (operator.mul, 2),
}  # fmt: skip
FUNCTIONS: dict[str, Callable[[float], float]] = {
    "tanh(": math.tanh, "|": abs, "⌊": math.floor, "arctan(": math.atan, "σ(": lambda x: 1 / (1 + math.exp(-x)),
}  # fmt: skip
CLOSING = {"|": "|", "⌊": "⌋"}


def within(drawn: Drawn, precedence: int) -> str:
    text, _, own = drawn
    return text if own >= precedence else f"({text})"


def number(value: float) -> Drawn:
    return f"{value:g}", value, 4


def binary(parts: tuple[Drawn, str, Drawn]) -> Drawn:
    left, sign, right = parts
    compute, precedence = OPERATIONS[sign]
    text = f"{within(left, precedence)} {sign} {within(right, precedence + 1)}"
    return text, compute(left[1], right[1]), precedence


def called(parts: tuple[str, Drawn]) -> Drawn:
    name, inner = parts
    return f"{name}{inner[0]}{CLOSING.get(name, ')')}", FUNCTIONS[name](max(min(inner[1], 50), -50)), 4


def extreme(parts: tuple[str, Drawn, Drawn]) -> Drawn:
    name, left, right = parts
    return f"{name}({left[0]}, {right[0]})", {"max": max, "min": min}[name](left[1], right[1]), 4


LEAVES = st.one_of(
    st.sampled_from([(name, value, 4) for name, value in LETTERS.items()]),
    st.sampled_from([0.5, 2.0, 3.0, 1.25]).map(number),
    st.just(("π", math.pi, 4)),
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([*OPERATIONS]), inner).map(binary),
        inner.map(lambda drawn: (f"−{within(drawn, 3)}", -drawn[1], 2)),
        inner.filter(lambda drawn: abs(drawn[1]) < 1e3).map(
            lambda drawn: (f"{within(drawn, 4)}^{{2}}", drawn[1] ** 2, 3)
        ),
        inner.filter(lambda drawn: abs(drawn[1]) < 20).map(lambda drawn: (f"e^{{{drawn[0]}}}", math.exp(drawn[1]), 3)),
        st.tuples(st.sampled_from([*FUNCTIONS]), inner.filter(lambda drawn: abs(drawn[1]) < 50)).map(called),
        st.tuples(st.sampled_from(["max", "min"]), inner, inner).map(extreme),
    ),
    max_leaves=8,
)


def value_of(tree: Any) -> float:
    """Evaluate a tree, as its documentation defines it."""
    if isinstance(tree, str):
        return LETTERS[tree]
    if not isinstance(tree, list):
        return float(tree)
    name, *operands = tree
    values = [value_of(operand) for operand in operands]
    if name in OPERATIONS:
        return OPERATIONS[name][0](*values)
    if name == "^":
        return values[0] ** values[1]
    if name in ("max", "min"):
        return {"max": max, "min": min}[name](*values)
    named = {"abs": abs, "floor": math.floor}
    return named[name](*values) if name in named else FUNCTIONS[f"{name}("](*values)


@example(drawn=("|π + π|^{2}", 4 * math.pi**2, 3))
@example(drawn=("⌊|2 − |0.5 + 3|| + 0.25⌋ + |−π + 1|", math.pi, 1))
@given(drawn=EXPRESSIONS)
def test_a_tree_has_the_value_of_its_text(drawn: Drawn) -> None:
    text, value, _ = drawn
    parsed = parser.expression(text)
    assert math.isclose(value_of(parsed["tree"]), value, rel_tol=1e-9, abs_tol=1e-9), text
    parts = parsed["parts"]
    assert "".join(parts) == text
    assert all(part in LETTERS for part in parts[1::2])
    assert not any(name in part for part in parts[::2] for name in ("ŷ", "w′"))
    assert not parser.is_condition(parsed["tree"])
    formula = parser.parse_formula(f"y[n,i+1] = {text}")
    assert (formula["name"], formula["index"]) == ("y", ["n", ["+", "i", 1]])
    assert formula["cases"] == [{"value": parsed}]
    assert parser.letters_of([formula]) == {*parts[1::2]}
    (sums,) = parser.parse_formula(f"y = {text}", is_sum=True)["cases"]
    assert sums["value"] == parsed
    assert sums["sum"] == parser.parse_sum(text)


SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, ">": operator.gt, "≤": operator.le, "≥": operator.ge, "=": operator.eq,
}  # fmt: skip


@given(operands=st.lists(LEAVES, min_size=2, max_size=4), data=st.data(), drawn=EXPRESSIONS)
def test_conditions_are_chains_of_comparisons(operands: list[Drawn], data: st.DataObject, drawn: Drawn) -> None:
    signs = [data.draw(st.sampled_from([*SIGNS])) for _ in operands[1:]]
    text = operands[0][0] + "".join(f" {sign} {right[0]}" for sign, right in zip(signs, operands[1:], strict=True))
    parsed = parser.condition(text)
    head, *comparisons = parsed["tree"]
    assert head == "and"
    assert parser.is_condition(parsed["tree"])
    found = [SIGNS[sign](value_of(left), value_of(right)) for sign, left, right in comparisons]
    pairs = zip(signs, operands, operands[1:], strict=False)
    assert found == [SIGNS[sign](left[1], right[1]) for sign, left, right in pairs]
    formula = parser.parse_formula(f"y = {drawn[0]} if {text}, else x")
    first, other = formula["cases"]
    assert first == {"value": parser.expression(drawn[0]), "when": parsed}
    assert other == {"value": parser.expression("x")}
    assert parser.letters_of([formula]) >= {"x", *parsed["parts"][1::2]}
    with pytest.raises(ValueError, match="comparison"):
        parser.condition(drawn[0])


@given(drawn=st.lists(EXPRESSIONS, min_size=1, max_size=3), over=st.sampled_from(["", "k", "c,u"]))
def test_reductions_apply_to_the_product_that_follows(drawn: list[Drawn], over: str) -> None:
    product = " · ".join(within(part, 3) for part in drawn)
    for sign in ("Σ", "max", "argmax"):
        if sign != "Σ" and not over:
            continue
        head = f"{sign}_{{{over}}}" if over else "Σ"
        tree = parser.expression(f"x + {head} {product} − slope")["tree"]
        assert [tree[0], tree[2]] == ["−", "slope"]
        reduction = tree[1][2]
        assert tree[1][:2] == ["+", "x"]
        assert (reduction["reduce"], reduction["over"]) == (sign, [name for name in over.split(",") if name])
        assert reduction["value"]["tree"] == parser.expression(product)["tree"]
        assert "".join(reduction["value"]["parts"]) == product


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("x", []), ("x[n]", ["n"]), ("x[n, c, 2·i + u]", ["n", "c", ["+", ["·", 2, "i"], "u"]]),
        ("ŷ[max(i, 1), j − 1]", [["max", "i", 1], ["−", "j", 1]]), ("x[(i + u)/2]", [["/", ["+", "i", "u"], 2]]),
    ],
)  # fmt: skip
def test_elements_are_names_with_indices(text: str, index: list[Any]) -> None:
    name = text.partition("[")[0]
    assert parser.parse_reference(text) == {"name": name, "index": index}
    tree = parser.expression(f"2·{text}")["tree"]
    assert tree == ["·", 2.0, {"name": name, "index": index} if index else name]


BROKEN = [
    "",
    "x +",
    "(x",
    "x)",
    "|x",
    "⌊x",
    "x y",
    "max(x",
    "tanh x",
    "e^{x",
    "x^2",
    "3x",
    "x ? y",
    "Σ_{k x",
    "x[i",
    ",",
]


@pytest.mark.parametrize("text", BROKEN)
def test_texts_that_are_no_expressions_are_refused(text: str) -> None:
    for read in (parser.expression, parser.condition, parser.parse_sum):
        with pytest.raises(ValueError, match=r"\S"):
            read(text)
