"""The named networks match the tutorials: layers, parameter counts, recipes."""

from pathlib import Path

import pytest

from chainrule import layers, zoo
from chainrule.errors import OptionError
from chainrule.plotting import markdown
from chainrule.training.optimizers import SGD, Adam

COLORED = "venchislaw", "cifar10"  # has another input, and therefore other parameters
PAGES = Path(__file__).parents[2] / "docs"
COUNTED = {  # by hand
    "independent-code": 5 * 9 + 5 * 26 * 26 + 100 * 3380 + 100 + 2 * 100 + 2,
    "vanilla-cnn": 6 * 25 + 6 + 12 * 6 * 25 + 12 + 10 * 192 + 10,
    "zayan": 16 * 9 + 32 * 16 * 9 + 10 * 800 + 10,
    "venchislaw": 16 * 9 + 16 * 26 * 26 + 32 * 16 * 9 + 32 * 11 * 11 + 10 * 800 + 10,
}


def test_parameters_are_those_of_the_page() -> None:
    rows = [row for page in ("zoo.md", "zoo-cifar10.md") for row in markdown.rows(PAGES / page)]
    stated = {name: int(count.replace(",", "")) for name, _, count, data, *_ in rows if (name, data) != COLORED}
    built = {name: entry.build(engine="numpy").parameters.size for name, entry in zoo.NAMED.items()}
    assert built == stated | COUNTED == COUNTED | stated


def test_the_input_decides_grey_or_colour() -> None:
    model = zoo.find("venchislaw").build((3, 32, 32), tuple("abcdefg"), engine="numpy")
    assert model.shapes[0] == (16, 30, 30)
    assert model.output_shape == (7,)


STATED: dict[str, dict[str, object]] = {  # by the tutorials
    "independent-code": {"epochs": 20, "batch_size": 1, "optimizer": SGD(0.1), "loss": "binary_cross_entropy"},
    "independent-code-10": {"loss": "binary_cross_entropy"},
    "vanilla-cnn": {"loss": "half_squared_error"},
    "zayan": {"loss": "mean_squared_error"},
    "fast-mnist": {"epochs": 1, "batch_size": 256, "optimizer": Adam(0.01, 0.7, 0.9)},
    "numpy-cnn": {"epochs": 2, "batch_size": 32, "optimizer": Adam(0.01, 0.95, 0.99)},
}


def test_recipes_keep_to_what_their_tutorials_state() -> None:
    for name, stated in STATED.items():
        entry = zoo.find(name)
        recipe = entry.tutorial or entry.recipe
        assert {option: getattr(recipe, option) for option in stated} == stated
    assert zoo.find("numpy-cnn").tutorial_images == 50_000
    small = zoo.find("independent-code")
    assert (small.choice.only, small.choice.per_class) == ((0, 1), 100)
    for as_tutorial, initializer in ((False, "normal:0.3"), (True, "normal:1")):
        first = small.build(engine="numpy", as_tutorial=as_tutorial).layers[0]
        assert isinstance(first, layers.Conv2D)
        assert first.initializer == initializer


def test_an_unknown_network_is_answered_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match=r"unknown model .lenet.; known: independent-code, .*vgg-small"):
        zoo.find("lenet")


def test_a_number_of_classes_is_refused_in_one_line() -> None:
    with pytest.raises(OptionError, match="classes 3: expected a tuple of strings"):
        zoo.find("mlp").build(classes=3)  # pyright: ignore[reportArgumentType]
