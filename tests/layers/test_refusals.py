"""Inputs that layers refuse, with the complete messages, and the limits that are still allowed."""

from dataclasses import fields, replace

import numpy as np
import pytest
from drawn_networks import LAYERS, fitting

import chainrule as cr
from chainrule import layers
from chainrule.layers import Layer
from chainrule.network.network import Network

ERRORS = [
    (
        lambda: layers.ConvTranspose2D(1, 3, stride=2, output_padding=2),
        "ConvTranspose2D: output_padding 2 must be below the stride 2",
    ),
    (lambda: Network([layers.ReLU()], (4,), threads=0), "threads 0: expected a whole number of at least 1"),
    (
        lambda: layers.Conv2D(2, 3, padding="sane"),
        "Conv2D: padding 'sane': expected valid, same, full, a number, a pair, or a pair of pairs",
    ),
    (lambda: layers.Conv2D(2, 3, bias="none"), "unknown Conv2D bias 'none'; known: True, False, untied"),
    (lambda: Network([], (1, 4, 4)), "a model needs at least one layer"),
    (
        lambda: Network([layers.ReLU], (1, 4, 4)),
        "layer 1 is not a layer but <class 'chainrule.layers.rectifiers.ReLU'>",
    ),
    (lambda: Network([layers.ReLU()], (4,), seed=-1), "seed -1: expected a whole number from 0 to 2⁶³ − 1"),
    (lambda: layers.Permute((0, 0)), "Permute: axes (0, 0): expected (0, 1) in any order"),
    *(
        (
            lambda option=option, line=line: layers.Resample2D(2, **{"rows": (1, 0, 1), option: line}),
            f"Resample2D: {option} {line}: expected three whole numbers (a, b, c), and c of at least 1",
        )
        for option in ("rows", "columns")
        for line in ((1, 2, 0), (1, 2, -1), (1, 2, 2**31))
    ),
    (lambda: layers.Pad2D("same"), "Pad2D: padding 'same': expected a whole number of at least 0, or 2 of them"),
    (
        lambda: layers.LocalResponseNorm(4),
        "LocalResponseNorm: size 4: expected an odd number; PyTorch and ONNX disagree on others",
    ),
    (lambda: layers.UpSample2D(2, mode="bicubic"), "unknown UpSample2D mode 'bicubic'; known: nearest, bilinear"),
    (
        lambda: layers.FakeQuantize(scale=1.0, zero=0, low=-(2**31), high=1),
        "FakeQuantize(low=-2147483648, high=1): expected low ≤ zero ≤ high, each from −2147483647 to 2147483647",
    ),
]


@pytest.mark.parametrize(("make", "message"), ERRORS, ids=[message for _, message in ERRORS])
def test_errors_name_the_thing_and_quote_both_sides(make, message: str) -> None:
    with pytest.raises(cr.ChainruleError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize("line", [(1, 2, True), (1, 2.0, 1), (1, 2), (1, 2, 1, 1), "121", [1, 2, "1"], None])
def test_lines_are_whole_numbers(line) -> None:
    for options in ({"rows": line}, {"rows": (1, 0, 1), "columns": line} if line else {"rows": 3}):
        with pytest.raises(cr.OptionError, match=r"rows|columns"):
            layers.Resample2D(2, **options)


IMAGE = (1, 4, 4)
MISFITS = [
    (layers.Conv2D(4, 3, groups=2), (3, 8, 8), "Conv2D 'conv1': 3 channels and 4 filters do not divide into 2 groups"),
    (layers.Dense(4), IMAGE, "Dense 'dense1': expected an input vector (put Flatten() before it), found 1×4×4"),
    (
        layers.MaxPool2D(2, padding=2),
        IMAGE,
        "MaxPool2D 'pool1': padding ((2, 2), (2, 2)) must be smaller than the window (2, 2)",
    ),
    (
        layers.Conv2D(1, (4, 6), padding=((1, 0), (0, 2))),
        (1, 2, 3),
        "Conv2D 'conv1': kernel 4×6 does not fit the 2×3 input (padding ((1, 0), (0, 2)))",
    ),
    (layers.Crop2D((2, 0)), IMAGE, "Crop2D 'crop1': cropping ((2, 2), (0, 0)) leaves nothing of the 4×4 input"),
    (
        layers.ConvTranspose2D(1, 2, padding=3),
        IMAGE,
        "ConvTranspose2D 'convt1': padding 3 crops the whole -1×-1 output",
    ),
    (
        layers.Conv2D(1, 5, dilation=2),
        (1, 8, 8),
        "Conv2D 'conv1': kernel 5×5 dilated to 9×9 does not fit the 8×8 input (padding 0)",
    ),
    (
        layers.ConvTranspose2D(2, 1, stride=3, padding="same", output_padding=1),
        IMAGE,
        "ConvTranspose2D 'convt1': its 13×13 output belongs to a 5×5 input, not 4×4; "
        "choose another output_padding or padding",
    ),
    (
        layers.ReLU(),
        (1, 0, 4),
        "input_shape (1, 0, 4): expected (C, H, W), (C, W) or (F,), whole numbers above 0; "
        "for series of any length, a typical one",
    ),
    (layers.GroupNorm(3), (4, 2, 2), "GroupNorm 'norm1': 3 groups do not divide the 4 channels"),
    (layers.BatchNorm2D(), (3, 5), "BatchNorm2D 'norm1': expected an input (C, H, W) or (F,), found 3×5"),
    (layers.BatchNorm1D(), IMAGE, "BatchNorm1D 'norm1': expected an input (C, W) or (F,), found 1×4×4"),
]


@pytest.mark.parametrize(("layer", "shape", "message"), MISFITS, ids=[message for *_, message in MISFITS])
def test_layers_that_do_not_fit_their_input(layer: Layer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(cr.ChainruleError) as caught:
        Network([layer], shape)
    assert str(caught.value) == message


OUTSIDE = {"epsilon": (0, -1), "momentum": (0, 1.5), "rate": (1, -0.1)}  # of every layer with these options


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        *((cr.LeakyReLU, "slope", 2), (cr.LeakyReLU, "slope", -0.1), (cr.ELU, "alpha", -1)),
        *((layers.LocalResponseNorm, "alpha", 0), (layers.LocalResponseNorm, "k", 0)),
        *(
            (kind, field.name, value)
            for kind in layers.NAMED.values()
            for field in fields(kind)
            for value in OUTSIDE.get(field.name, ())
        ),
    ],
)
def test_numbers_out_of_range_are_quoted(kind: type[Layer], option: str, value: float) -> None:
    with pytest.raises(cr.ChainruleError, match=rf"{kind.__name__}.*{option}.*expected") as caught:
        kind(**kind.examples[0][1] | {option: value})
    assert str(value) in str(caught.value)


OF_IMAGES = ("Conv", "MaxPool", "AveragePool", "SumPool", "Global", "Instance", "Adaptive", "UpSample", "LocalResponse")
FROM_ZERO = ("axis", "axes", "columns", "cropping", "output_padding", "padding", "start")


def refuse_other_numbers(layer: Layer) -> None:
    """Replace each whole number; errors begin with the layer's name and the option."""
    name = type(layer).__name__
    for field in fields(layer):
        if type(getattr(layer, field.name)) in (int, tuple):
            for value in ("x", object(), True, 1.5, 2**31, 10**5000, -1, *([] if field.name in FROM_ZERO else [0])):
                with pytest.raises(cr.ChainruleError, match=f"^{name}: {field.name}"):
                    replace(layer, **{field.name: value})


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "FakeQuantize"])  # its integers may be negative
def test_whole_numbers_and_axes_are_checked(name: str) -> None:
    """Change the options of drawn layers, and apply the layers to a vector."""
    for seed in range(10):
        layer, _ = fitting(np.random.default_rng(seed), name)
        refuse_other_numbers(layer)
        if name.startswith(OF_IMAGES):
            axes = r"\(C, W\)" if "1D" in name else r"\(C, H, W\)"
            with pytest.raises(cr.ShapeError, match=f"^{name} 'l': expected an input {axes}"):
                layer.output_shape((8,), "l")


def test_the_axis_of_a_concatenation_is_checked() -> None:
    refuse_other_numbers(layers.Concatenate(1))


@pytest.mark.parametrize("kind", layers.IN_A_ROW.values())
def test_words_are_checked(kind: type[Layer]) -> None:
    """Create the examples, and replace each option that is a word."""
    for _, options in kind.examples:
        layer = kind(**options)
        for option in fields(kind):
            word = getattr(layer, option.name)
            if isinstance(word, str):
                for other in ("unknown", word.upper(), word + " ", "", None, 1.5):
                    with pytest.raises(cr.ChainruleError, match=f"{kind.__name__}.*{option.name}"):
                        replace(layer, **{option.name: other})


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.LeakyReLU(0),
        lambda: layers.Dropout(0),
        lambda: layers.BatchNorm2D(momentum=1),
        lambda: Network([layers.MaxPool2D(3, padding=2)], (1, 3, 3)),
        lambda: Network([layers.ConvTranspose2D(1, 2, padding=1)], (1, 2, 2)),
        lambda: Network([layers.Conv2D(2, 3)], (1, 3, 3)),
        lambda: layers.ConvTranspose2D(1, 3, stride=(3, 2), output_padding=(2, 1)),
    ],
)
def test_the_ends_of_the_ranges_are_allowed(make) -> None:
    make()


@pytest.mark.parametrize(
    ("layer", "shape"), [(cr.Dense(3), (1, 2, 3)), (cr.Conv2D(2, 3), (6,)), (cr.Conv1D(2, 3), (6,))]
)
def test_there_are_no_parameters_for_an_input_that_is_refused(layer: Layer, shape: tuple[int, ...]) -> None:
    with pytest.raises(cr.ShapeError, match="'l'"):
        layer.output_shape(shape, "l")
    with pytest.raises(cr.ShapeError, match="'l'"):
        layer.parameters(shape, "l")
