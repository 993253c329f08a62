"""The equations of operations as data: they agree with the reference, and invalid equations are refused."""

import itertools
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from operations.written import docstring, page

from chainrule.check.configurations import draw
from chainrule.models.network import Network
from chainrule.operations import definitions, reference
from chainrule.operations.parser import parse_equation

EQUATIONS = {name: entry for name, entry in definitions.entries().items() if "equation" in entry}


def plain(equation: str, *, tied: bool = True) -> str:
    """Remove parts that only some configurations need: groups, flipped kernels, untied biases."""
    text = unicodedata.normalize("NFD", equation)
    text = re.sub(r"c₀ ?\+ ?|( ?− ?c₀)|'", "", text)
    text = re.sub(r"(?<!d)b\[o,i,j\]", "b[o]", text) if tied else text
    return re.sub(r"Σ_(\w)\b", r"Σ_{\1}", text).replace(" ", "")


@pytest.mark.parametrize("name", EQUATIONS)
@pytest.mark.parametrize("source", [docstring, page], ids=["docstring", "page"])
def test_docstrings_and_pages_have_the_equation(name: str, source: Callable[[str], list[str]]) -> None:
    written = plain("\n".join(source(name)))
    expected = plain(EQUATIONS[name]["equation"])
    if name == "bias_gradient":  # tied, and untied
        assert "db[o]=Σ_{n,i,j}dy[n,o,i,j]" in written
        assert "db[o,i,j]=Σ_{n}dy[n,o,i,j]" in written
    elif name == "add_bias":
        assert "y[n,o,i,j]=x[n,o,i,j]+b[o]tied" in written
        assert "y[n,o,i,j]=x[n,o,i,j]+b[o,i,j]untied" in plain("\n".join(source(name)), tied=False)
    else:
        assert expected in written


def value_of(index: Any, known: dict[str, Any], axis: int) -> float:
    """Evaluate an index independently of the library: with floats, and every constant by its axis."""
    if isinstance(index, list):
        operator, left, right = index
        first, second = value_of(left, known, axis), value_of(right, known, axis)
        return {"+": first + second, "−": first - second, "·": first * second, "/": first / second if second else 0}[
            operator
        ]
    if isinstance(index, int):
        return index
    if index.endswith("'"):
        tap = known[index[0]]
        return known["kernel"][axis] - 1 - tap if known["flip"] else tap
    found = known[index]
    return found[axis] if isinstance(found, tuple) else found


@pytest.mark.parametrize("number", range(40))
def test_the_equation_of_a_convolution_is_what_the_reference_computes(number: int) -> None:
    """Evaluate the parsed equation literally for drawn strides, paddings, dilations, groups and flips."""
    one = draw(7, number * 13)  # every 13th is a Conv2D
    network = Network([one.layer], one.shape, engine="numpy")
    plan = network.plan("half_squared_error", input_gradient=True) if len(network.output_shape) == 1 else network.plan()
    generator = np.random.default_rng(number)
    for operation in plan.operations:
        if operation.name not in EQUATIONS or "stride" not in operation.attributes:
            continue
        given = dict(operation.attributes)
        reads = [None if t is None else generator.normal(size=(2, *t.shape) if t.per_sample else t.shape)
                 for t in operation.reads]  # fmt: skip
        found = getattr(reference, operation.name)(*reads, **given)
        walked = walk(operation.name, reads, given, found.shape)
        np.testing.assert_allclose(walked, found, rtol=1e-11, atol=1e-12)


def walk(name: str, reads: list[Any], given: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    """Sum over all values of all letters, entry by entry."""
    entry = EQUATIONS[name]
    parsed, names = entry["parsed"], dict(zip(entry["reads"], reads, strict=False))
    kernel = names["w"].shape if "w" in names else shape
    (top, _), (left, _) = given["padding"]
    filters, channels = kernel[0] // given["groups"], kernel[1]
    constants = {"s": given["stride"], "d": given["dilation"], "p": top, "q": left, "kernel": kernel[2:]}
    result = np.zeros(shape)
    runs = {"c": channels, "o": kernel[0], "u": kernel[2], "v": kernel[3]}
    for place in np.ndindex(shape):
        own = dict(zip(parsed["result"]["index"], place, strict=True))
        group = own["o"] // filters if "o" in own else own["c"] // channels
        known = {**constants, "flip": given["flip"], "c₀": group * channels, **own}
        for part in parsed["parts"]:
            if any(names.get(factor["name"]) is None for factor in part["factors"]):
                continue
            sizes = {**runs, "n": 2, "i": names["dy"].shape[2] if "dy" in names else 0}
            sizes["j"] = names["dy"].shape[3] if "dy" in names else 0
            ranges = [
                range(group * filters, (group + 1) * filters) if letter == "o" else range(sizes[letter])
                for letter in part["over"]
            ]
            for values in itertools.product(*ranges):
                result[place] += product({**known, **dict(zip(part["over"], values, strict=True))}, part, names, entry)
    return result


def product(known: dict[str, Any], part: Any, names: dict[str, Any], entry: Any) -> float:
    value = 1.0
    for factor in part["factors"]:
        array = names[factor["name"]]
        index = factor["index"][: array.ndim]
        cells = [value_of(each, known, max(axis - array.ndim + 2, 0)) for axis, each in enumerate(index)]
        if factor["name"] == entry.get("framed"):
            cells[-2:] = [cells[-2] - known["p"], cells[-1] - known["q"]]
        if not all(cell == int(cell) and 0 <= cell < size for cell, size in zip(cells, array.shape, strict=True)):
            return 0.0
        value *= array[tuple(map(int, cells))]
    return value


@pytest.mark.parametrize("text", ["y[i]", "y = x", "y[i] = x[i", "y[i] = x[i+]", "y[i] = x[(i]", "y[i] = x[i j]"])
def test_what_is_no_equation_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"equation|tensor|index|parenthesis|products"):
        parse_equation(text)


def test_sentences_hold_where_their_facts_do() -> None:
    words = ["Always", {"if": ["a"], "text": " {n}"}, {"if": ["a"], "unless": ["b"], "text": " not b"}, "."]
    assert definitions.fill(words, {"a": True, "b": True, "n": 3}) == "Always 3."
    assert definitions.fill(words, {"a": False, "b": False, "n": 3}) == "Always."
    assert definitions.fill(words, {"a": True, "b": False, "n": 4}) == "Always 4 not b."
