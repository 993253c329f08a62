"""Layers and shapes as text: what is written is read again. tests/check tries what is refused."""

import numpy as np
import pytest
from drawn_networks import LAYERS, fitting

from chainrule.errors import OptionError
from chainrule.layers import IN_A_ROW, expressions


@pytest.mark.parametrize("prefix", ["", "cr.", "chainrule.", "layers.", "cr.layers.", "chainrule.layers."])
@pytest.mark.parametrize("name", [name for name in LAYERS if name in IN_A_ROW])
def test_drawn_layers_are_read_as_they_are_described(name: str, prefix: str) -> None:
    layer, _ = fitting(np.random.default_rng(len(name)), name)
    assert expressions.layer(prefix + layer.describe()) == layer
    for other in ("x.", "cr.x.", "layers.cr.", "cr()."):
        with pytest.raises(OptionError, match="expected a layer with literal options"):
            expressions.layer(other + layer.describe())


def test_shapes_have_one_to_three_sizes() -> None:
    draw = np.random.default_rng(0)
    for axes in range(1, 7):
        sizes = tuple(draw.integers(1, 300, axes).tolist())
        for separator in (",", "x", "×", " x "):
            text = separator.join(map(str, sizes))
            if axes <= 3:
                assert expressions.shape(text) == sizes
                continue
            with pytest.raises(OptionError, match="input shape"):
                expressions.shape(text)
