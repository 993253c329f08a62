"""The equations of sums of products as data: docstrings and derivations state them, and invalid ones are refused."""

import re
import tomllib
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from operations.written import docstring, page

from chainrule.operations import definitions
from chainrule.operations.parser import parse_formula, parse_sum

FILES = ("bias", "convolution", "dense", "merging")
SUMS: dict[str, Any] = {
    name: entry
    for file in FILES
    for name, entry in tomllib.loads((definitions.FOLDER / f"{file}.toml").read_text(encoding="utf-8")).items()
    if "rule" in entry and name not in ("add", "add_dx", "multiply")  # element by element, for any number of axes
}


def equation(entry: Any) -> str:
    """Return an entry's rule, the most general if there are several, with an index after every tensor."""
    (written,) = entry["writes"]
    rule = next(part if isinstance(part, str) else part["step"] for part in entry["rule"])
    indices = {reference.partition("[")[0]: reference for reference in entry["reads"]}
    right = re.sub(
        r"(?<![\w{,\u0304])([a-z]+)(?![\w\[\u0304,}])",
        lambda name: indices.get(name[1], name[1]),
        rule.partition(" = ")[2],
    )
    return f"{written} = {right}"


def plain(text: str, *, tied: bool = True) -> str:
    """Remove what only some configurations need: groups, flipped kernels, padding, unequal axes, untied biases."""
    text = unicodedata.normalize("NFD", text)
    text = re.sub(r"c₀ ?\+ ?|( ?− ?c₀)|'", "", text)
    text = re.sub(r"\((\w·\w) − [pq]\)", r"\1", text)
    text = re.sub(r" − [pq](?= \+)", "", text)
    text = text.replace("t·j", "s·j").replace("f·v", "d·v").replace(")/t", ")/s")
    text = re.sub(r"(?<!d)b\[o,i,j\]", "b[o]", text) if tied else text
    return re.sub(r"Σ_(\w)\b", r"Σ_{\1}", text).replace(" ", "")


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("source", [docstring, page], ids=["docstring", "page"])
def test_docstrings_and_pages_have_the_equation(name: str, source: Callable[[str], list[str]]) -> None:
    written = plain("\n".join(source(name)))
    if name == "bias_gradient":  # tied, and untied
        assert "db[o]=Σ_{n,i,j}dy[n,o,i,j]" in written
        assert plain(equation(SUMS[name])) == "db[o,i,j]=Σ_{n}dy[n,o,i,j]"
        assert "db[o,i,j]=Σ_{n}dy[n,o,i,j]" in written
    elif name == "add_bias":
        assert "y[n,o,i,j]=x[n,o,i,j]+b[o]tied" in written
        assert "y[n,o,i,j]=x[n,o,i,j]+b[o,i,j]untied" in plain("\n".join(source(name)), tied=False)
    else:
        assert plain(equation(SUMS[name])) in written


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
