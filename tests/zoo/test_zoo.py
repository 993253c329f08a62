"""The named networks match the tutorials: layers, parameter counts, recipes."""

from itertools import pairwise

import pytest

from chainrule import layers, zoo
from chainrule.errors import OptionError
from chainrule.training.optimizers import SGD, Adam


def residual(blocks: int) -> int:
    """Count a residual network's parameters: kernels of 3×3, γ and β, two shortcuts of 1×1, the last layer."""
    stages = [(16, 16), (16, 32), (32, 64)]
    count = 16 * (27 + 2) + 64 * 10 + 10
    for before, after in stages:
        first = after * (9 * before + 2) + after * (9 * after + 2)
        count += first + (blocks - 1) * 2 * after * (9 * after + 2)
        count += after * (before + 2) if before != after else 0
    return count


def mobilenet() -> int:
    """Count a depthwise and a 1×1 convolution in each block, γ and β after both, the first and the last layer."""
    sizes = [32, 64, 128, 128, 256, 256]
    blocks = sum(before * (9 + 2) + after * (before + 2) for before, after in pairwise(sizes))
    return 32 * (27 + 2) + blocks + 256 * 10 + 10


def unet(first: int, second: int, third: int) -> int:
    """Two 3×3 convolutions with batch normalization at each size on the way down and up, and two enlargements."""

    def unit(channels: int, filters: int) -> int:
        return 9 * filters * (channels + filters) + 4 * filters

    down = unit(1, first) + unit(first, second) + unit(second, third)
    up = 4 * third * second + second + 4 * second * first + first
    return down + up + unit(2 * second, second) + unit(2 * first, first)


PARAMETERS = {  # counted by hand
    "independent-code": 5 * 9 + 5 * 26 * 26 + 100 * 3380 + 100 + 2 * 100 + 2,
    "independent-code-10": 5 * 9 + 5 * 26 * 26 + 100 * 3380 + 100 + 10 * 100 + 10,
    "vanilla-cnn": 6 * 25 + 6 + 12 * 6 * 25 + 12 + 10 * 192 + 10,
    "vanilla-cnn-improved": 6 * 25 + 6 + 12 * 6 * 25 + 12 + 10 * 192 + 10,
    "numpy-cnn": 105_634,  # 8·25+8 + 8·8·25+8 + 128·800+128 + 10·128+10
    "zayan": 16 * 9 + 32 * 16 * 9 + 10 * 800 + 10,
    "venchislaw": 16 * 9 + 16 * 26 * 26 + 32 * 16 * 9 + 32 * 11 * 11 + 10 * 800 + 10,
    "mlp": 784 * 128 + 128 + 128 * 10 + 10,
    "vgg-small": (32 + 32 * 32 + 64 * 32 + 64 * 64 + 128 * 64) * 9 + 32 + 32 + 64 + 64 + 128 + 10 * 7 * 7 * 128 + 10,
    "photo-cnn": (32 + 64 * 32 + 128 * 64) * 9 + 2 * (32 + 64 + 128) + 10 * 128 + 10,
    "cifar-94": 24 * 12 + 24 + (24 * 64 + 64 * 64 + 64 * 256 + 3 * 256 * 256) * 9 + 4 * (64 + 256 + 256) + 10 * 256,
    "resnet-8": residual(1),
    "resnet-20": residual(3),
    "mobilenet-small": mobilenet(),
    "fast-mnist": 24 * 25 + 24 + 32 * 24 * 9 + 32 + 256 * 800 + 256 + 10 * 256 + 10,
    "mnist-995": 24 * 25 + 24 + 32 * 24 * 9 + 32 + 256 * 800 + 256 + 10 * 256 + 10,
    "unet-small": unet(8, 16, 32) + 8 * 4 + 4,
    "denoising-autoencoder": 16 * 9 + 16 + 16 * 16 * 9 + 16 + 16 * 16 * 16 + 16 + 16 * 16 + 1,
    "mnist-997": 32 * 25 + 9 * (32 * 64 + 64 * 64 + 64 * 128 + 128 * 128) + 2 * (32 + 4 * 96) + 10 * 128 + 10,
}


@pytest.mark.parametrize("name", list(zoo.NAMED))
def test_every_network_has_the_parameters_of_its_table(name: str) -> None:
    assert zoo.find(name).build(engine="numpy").parameters.size == PARAMETERS[name]


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
