"""Layers accept the inputs that independent rules state, and refuse all others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proving.acceptance import Shape, accepts
from proving.configurations import DRAWERS, any_shape
from selection import draws

from chainrule.errors import ShapeError
from chainrule.layers import Add, Concatenate, Layer, Maximum

SIZES = st.integers(1, 2)
SHAPES = st.lists(st.lists(SIZES, min_size=1, max_size=3).map(tuple), min_size=2, max_size=3)


def judge(layer: Layer, *shapes: Shape) -> None:
    """Compare a layer's verdict on inputs with that of the rules."""
    if accepts(layer, *shapes):
        layer.joint_shape(shapes, "layer")
    else:
        with pytest.raises(ShapeError, match="'layer'"):
            layer.joint_shape(shapes, "layer")


@pytest.mark.parametrize("name", DRAWERS)
def test_layers_accept_what_the_rules_accept(name: str) -> None:
    @settings(max_examples=draws(10))
    @given(st.integers(0, 2**32 - 1))
    def judged(seed: int) -> None:
        draw = np.random.default_rng(seed)
        layer, shape = DRAWERS[name](draw)
        judge(layer, shape)
        judge(layer, any_shape(draw))

    judged()


@settings(max_examples=draws(50))
@given(SHAPES, st.sampled_from([Add(), Maximum(), Concatenate(0), Concatenate(1), Concatenate(2)]))
def test_merges_accept_what_the_rules_accept(shapes: list[Shape], merge: Layer) -> None:
    judge(merge, *shapes)
