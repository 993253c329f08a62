"""Traces and explanations in a notebook: well formed, escaped, with text alternatives for figures."""

import re
from base64 import b64decode
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from explain.networks import KINDS, around, drawn, random_index, trace_of
from PIL import Image

from chainrule import layers as cr


def parsed(html: str) -> ElementTree.Element:
    """Parse as XML, in which every tag must be closed."""
    return ElementTree.fromstring(re.sub(r"<img ([^>]*)>", r"<img \1/>", html.replace("<br>", "<br/>")))


def test_a_trace_shows_its_layers_in_a_row():
    trace = trace_of(around(cr.MaxPool2D(2), (3, 4, 6), "categorical_cross_entropy"), "categorical_cross_entropy", 2)
    tree = parsed(trace._repr_html_())
    rows = ["".join(row.itertext()) for row in tree.iter("tr")]
    assert "conv" not in rows[0]
    assert [cell.find("b").text for cell in next(tree.iter("tr")).iter("td")] == [
        *("x", "norm1", "pool1", "tanh1", "dense1", "softmax1")
    ]
    assert "3×4×6" in rows[0]
    pictures = list(tree.iter("img"))
    assert len(pictures) == 12
    for picture in pictures:
        assert picture.get("alt")
        image = Image.open(BytesIO(b64decode(picture.get("src").split(",")[1])))
        assert image.mode == "RGBA"
    low, high = trace["x"][0].min(), trace["x"][0].max()
    assert pictures[0].get("alt").startswith("x, 3×4×6, from ")
    assert (low < 0 < high) == ("−" in pictures[0].get("alt"))


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_every_kind_of_explanation_is_well_formed(kind):
    generator = np.random.default_rng(kind)
    trace = drawn(kind, 1 + kind % 2)
    parsed(trace._repr_html_())
    for name in trace.names:
        explanation = trace.explain(name, random_index(trace[name].shape, generator))
        tree = parsed(explanation._repr_html_())
        words = "".join(tree.itertext())
        assert explanation.derived.words in words
        assert f"{explanation.cell} = {explanation.shown}" in words
        assert "#" not in explanation._repr_html_()
