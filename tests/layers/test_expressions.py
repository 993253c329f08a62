"""Layers and shapes as text: what is written is read again, and nothing in it is evaluated."""

import numpy as np
import pytest
from drawn_networks import LAYERS, fitting

import chainrule as cr
from chainrule.errors import OptionError
from chainrule.layers import IN_A_ROW, expressions


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("Conv2D(4, (3, 2), stride=2)", cr.Conv2D(4, (3, 2), stride=2)),
        (" cr.Conv2D(4, 3, padding=((1, 0), (0, 2))) ", cr.Conv2D(4, 3, padding=((1, 0), (0, 2)))),
        ("chainrule.layers.MaxPool2D(2)", cr.MaxPool2D(2)),
        ("Dense(4, bias=False)", cr.Dense(4, bias=False)),
        ("LeakyReLU(slope=0.2)", cr.LeakyReLU(0.2)),
        ("ReLU", cr.ReLU()),
        ("Conv2D(4, [3, 2], padding='same')", cr.Conv2D(4, (3, 2), padding="same")),
    ],
)
def test_layers_are_read(text: str, layer: object) -> None:
    assert expressions.layer(text) == layer


@pytest.mark.parametrize(
    "text",
    [
        "Conv2D(4, __import__('os').getpid())",
        "Conv2D(4, 3).emit(1)",
        "Conv2D(4, 3); print(1)",
        "Conv2D(*[4, 3])",
        "Conv2D(**{'filters': 4})",
        "[Conv2D][0](4, 3)",
        "Conv2D(4, 3",
        "",
        "(" * 500 + ")" * 500,
    ],
)
def test_nothing_is_evaluated(text: str) -> None:
    with pytest.raises(OptionError, match="expected a layer with literal options"):
        expressions.layer(text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Convolution(4)", "unknown layer 'Convolution'; known: Abs, Adaptive"),
        ("Conv2D(4)", "Conv2D: missing a required argument: 'kernel'"),
        ("Conv2D(4, 3, colour=1)", "Conv2D has no option colour; known: filters, kernel"),
        ("Conv2D(4, 3, activation='relu')", "a layer of its own"),
        ("Conv2D(-1, 3)", "filters -1: expected a whole number of at least 1"),
        ("LeakyReLU('a')", "LeakyReLU"),
    ],
)
def test_unknown_layers_and_options_are_refused(text: str, part: str) -> None:
    with pytest.raises(OptionError) as caught:
        expressions.layer(text)
    assert part in str(caught.value)


@pytest.mark.parametrize("text", ["3,7,6", "3x7x6", "(3, 7, 6)", "3×7×6"])
def test_shapes_are_read(text: str) -> None:
    assert expressions.shape(text) == (3, 7, 6)


@pytest.mark.parametrize("text", ["", "3,7,6,2", "0,1", "-3", "a", "3,,6", "3.5"])
def test_other_texts_are_no_shapes(text: str) -> None:
    with pytest.raises(OptionError, match="input shape"):
        expressions.shape(text)


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
