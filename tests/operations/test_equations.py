"""Formulas and sentences as data: how they are read, and that invalid ones are refused."""

import pytest

from chainrule.operations import definitions
from chainrule.operations.parser import parse_formula, parse_sum


def test_the_parts_of_a_sum() -> None:
    parsed = parse_sum("b + Σ_{c,u} x[n, c, 2·i + u] · w")
    assert [part["over"] for part in parsed["parts"]] == [None, ["c", "u"]]
    assert [len(part["terms"][0]) for part in parsed["parts"]] == [1, 2]
    assert parsed["parts"][1]["terms"][0][0]["tree"] == {"name": "x", "index": ["n", "c", ["+", ["·", 2, "i"], "u"]]}
    scaled = parse_sum("−1/K · Σ_{k} (t·log(p) + (1 − t)^{2})")
    assert scaled["scale"]["parts"] == ["−1/", "K", ""]
    assert [[factor["parts"] for factor in term] for term in scaled["parts"][0]["terms"]] == [
        [["", "t", ""], ["log(", "p", ")"]],
        [["(1 − ", "t", ")"], ["(1 − ", "t", ")"]],
    ]


@pytest.mark.parametrize("text", ["y[i]", "y = x[i", "y = x[i+]", "y = x[(i]", "y = x[i j]", "y = Σ_{i x", "y = Σ_{i}"])
def test_invalid_formulas_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"index|formula|expected|parenthesis"):
        parse_formula(text)


def test_sentences_hold_where_their_facts_do() -> None:
    words = ["Always", {"if": ["a"], "text": " {n}"}, {"if": ["a"], "unless": ["b"], "text": " not b"}, "."]
    assert definitions.fill(words, {"a": True, "b": True, "n": 3}) == "Always 3."
    assert definitions.fill(words, {"a": False, "b": False, "n": 3}) == "Always."
    assert definitions.fill(words, {"a": True, "b": False, "n": 4}) == "Always 4 not b."
