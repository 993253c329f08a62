"""Every layer of Keras with drawn options and shapes, beside Keras itself."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from interop.keras_models import agree, keras
from selection import draws

from chainrule.interop.keras.layers import LAYERS

COUNT = draws(3)
L = keras.layers
Case = tuple[Any, tuple[int, ...]]


def _shape(random: Random, axes: int = 2) -> tuple[int, ...]:
    return (*(random.randint(5, 9) for _ in range(axes)), random.choice((2, 4, 6)))


def _axes(random: Random) -> int:
    return random.choice((1, 2, 2))


def _some(random: Random, axes: int, most: int = 3) -> Any:
    """Return a whole number for each axis, or one for all."""
    return random.choice((random.randint(1, most), tuple(random.randint(1, most) for _ in range(axes))))


def _window(random: Random, axes: int) -> dict[str, Any]:
    result: dict[str, Any] = {"kernel_size": _some(random, axes), "padding": random.choice(("same", "valid"))}
    if random.random() < 0.5:
        return result | {"strides": random.randint(1, 3)}
    return result | {"dilation_rate": random.randint(1, 2)}


def _common(random: Random) -> dict[str, Any]:
    functions = ("relu", "tanh", "selu", "leaky_relu", "hard_sigmoid", "silu", "relu6", "elu", "gelu", "sigmoid")
    return {"use_bias": random.random() < 0.7, "activation": random.choice((None, *functions))}


def conv(random: Random) -> Case:
    axes, groups = _axes(random), random.choice((1, 2))
    window = _window(random, axes)
    if axes == 1 and random.random() < 0.3:
        window["padding"] = "causal"
    layer = L.Conv2D if axes == 2 else L.Conv1D
    return layer(2 * groups, groups=groups, **window, **_common(random)), _shape(random, axes)


def depthwise(random: Random) -> Case:
    axes = _axes(random)
    layer, window = (L.DepthwiseConv2D if axes == 2 else L.DepthwiseConv1D), _window(random, axes)
    window["kernel_size"] = random.randint(1, 3)
    return layer(depth_multiplier=random.randint(1, 2), **window, **_common(random)), _shape(random, axes)


def separable(random: Random) -> Case:
    axes = _axes(random)
    layer, window = (L.SeparableConv2D if axes == 2 else L.SeparableConv1D), _window(random, axes)
    return layer(3, depth_multiplier=random.randint(1, 2), **window, **_common(random)), _shape(random, axes)


def transposed(random: Random) -> Case:
    axes = _axes(random)
    options: dict[str, Any] = {"kernel_size": _some(random, axes, 4), "padding": random.choice(("same", "valid"))}
    options |= random.choice(({"strides": _some(random, axes)}, {"dilation_rate": 2}))
    if random.random() < 0.3:
        options |= {"strides": 3, "output_padding": random.randint(0, 2)}
        options.pop("dilation_rate", None)
    layer = L.Conv2DTranspose if axes == 2 else L.Conv1DTranspose
    return layer(3, **options, **_common(random)), _shape(random, axes)


def dense(random: Random) -> Case:
    layer, shape = L.Dense(5, **_common(random)), _shape(random, random.randint(0, 2))
    wrappers: Any = (L.SpectralNormalization, L.TimeDistributed if len(shape) == 2 else L.SpectralNormalization)
    return layer if random.random() < 0.5 else random.choice(wrappers)(layer), shape


def unit(random: Random) -> Case:
    shape = _shape(random, random.randint(0, 2))
    axis = random.choice((-1, [*range(1, random.randint(1, len(shape)) + 1)]))
    return random.choice(((L.UnitNormalization(axis), shape), (L.RepeatVector(random.randint(1, 4)), (5,))))


def pool(random: Random) -> Case:
    axes = _axes(random)
    kind = random.choice(("Max", "Average"))
    options = {"pool_size": _some(random, axes), "padding": random.choice(("same", "valid"))}
    if random.random() < 0.5:
        options["strides"] = random.randint(1, 3)
    return getattr(L, f"{kind}Pooling{axes}D")(**options), _shape(random, axes)


def whole(random: Random) -> Case:
    axes = _axes(random)
    layer = getattr(L, f"Global{random.choice(('Max', 'Average'))}Pooling{axes}D")
    return layer(keepdims=random.random() < 0.5), _shape(random, axes)


def adaptive(random: Random) -> Case:
    return L.AdaptiveAveragePooling2D(_some(random, 2, 4)), _shape(random)


def batch(random: Random) -> Case:
    options = {"center": random.random() < 0.7, "scale": random.random() < 0.7, "epsilon": random.choice((1e-3, 1e-5))}
    return L.BatchNormalization(**options), _shape(random, random.randint(0, 2))


def layered(random: Random) -> Case:
    shape = (*_shape(random, random.randint(0, 2))[:-1], 8)  # two of them may be almost alike
    axis = list(range(-random.randint(1, len(shape)), 0))
    options = {"center": random.random() < 0.7, "scale": random.random() < 0.7}
    return L.LayerNormalization(axis=random.choice((axis, -1)), **options), shape


def grouped(random: Random) -> Case:
    shape = _shape(random, random.randint(0, 2))
    return L.GroupNormalization(random.choice((1, 2, -1)), center=random.random() < 0.7), shape


def activation(random: Random) -> Case:
    layer = random.choice(
        (
            L.Activation(random.choice(("relu", "selu", "hard_silu", "celu", "hard_tanh", "hard_sigmoid", "linear"))),
            L.ReLU(random.choice((None, 1.5)), negative_slope=random.choice((0.0, 0.2))),
            L.LeakyReLU(0.3),
            L.ELU(0.7),
        )
    )
    return layer, _shape(random, random.randint(0, 2))


def softmax(random: Random) -> Case:
    shape = random.choice(((7,), (1, 1, 5), (1, 4), (3, 4), (4, 3, 5)))
    return L.Softmax(random.randint(1, len(shape))), shape


def prelu(random: Random) -> Case:
    shape = _shape(random, random.randint(0, 2))
    shared = [*range(1, len(shape))] if random.random() < 0.5 else None
    return L.PReLU(shared_axes=shared), shape


def ends(random: Random) -> Case:
    axes, kind = _axes(random), random.choice(("ZeroPadding", "Cropping"))
    pairs = tuple((random.randint(0, 2), random.randint(0, 2)) for _ in range(axes))
    given = random.choice((1, pairs if axes == 2 else pairs[0]))
    return getattr(L, f"{kind}{axes}D")(given), _shape(random, axes)


def upsample(random: Random) -> Case:
    if _axes(random) == 1:
        return L.UpSampling1D(random.randint(1, 3)), _shape(random, 1)
    return L.UpSampling2D(_some(random, 2), interpolation=random.choice(("nearest", "bilinear"))), _shape(random)


def moved(random: Random) -> Case:
    shape = random.choice(((4, 6, 4), (6, 4)))
    dims = [*range(1, len(shape) + 1)]
    random.shuffle(dims)
    targets = ((-1,), (4, -1), (2, -1, 4), (2, 2, -1), (3, 8, -1))
    return random.choice((L.Permute(dims), L.Reshape(random.choice(targets)), L.Flatten())), shape


def scaled(random: Random) -> Case:
    shape = _shape(random, random.randint(0, 2))
    many = [round(random.uniform(0.5, 2), 3) for _ in range(shape[-1])]
    return L.Rescaling(random.choice((1 / 127.5, many)), offset=random.choice((-1.0, many))), shape


def normalized(random: Random) -> Case:
    shape = _shape(random, random.randint(0, 2))
    many = [round(random.uniform(0.5, 2), 3) for _ in range(shape[-1])]
    given = {"mean": many, "variance": many[::-1]}
    return L.Normalization(**random.choice(({}, {"axis": None}, given))), shape


def of_convnext(random: Random) -> Case:
    shape = _shape(random, random.randint(0, 2))
    return keras.src.applications.convnext.LayerScale(0.5, shape[-1]), shape


def image_size(random: Random) -> Case:
    height, width = random.randint(1, 9), random.randint(1, 9)
    ratio: dict[str, Any] = random.choice(({}, {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True}))
    resizing = L.Resizing(height, width, interpolation=random.choice(("nearest", "bilinear")), **ratio)
    return random.choice((resizing, L.CenterCrop(height, width))), _shape(random)


def idle(random: Random) -> Case:
    layer = random.choice((L.Dropout(0.3), L.SpatialDropout2D(0.3), L.GaussianNoise(1.0), L.RandomFlip(), L.Identity()))
    return layer, _shape(random)


FAMILIES = (conv, depthwise, separable, transposed, dense, pool, whole, adaptive, batch, layered, grouped, activation)
FAMILIES += (unit, softmax, prelu, ends, upsample, moved, scaled, normalized, of_convnext, image_size, idle)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
@pytest.mark.parametrize("seed", range(COUNT))
def test_a_layer_between_others(family: Callable[[Random], Case], seed: int, tmp_path: Path) -> None:
    """Before it, and after it, are layers at which the order of its entries matters."""
    random = Random(f"{family.__name__} {seed}")
    layer, shape = family(random)
    before = [L.Activation("tanh")] if random.random() < 0.5 else [L.Dense(shape[-1])]
    after: list[Any] = random.choice(([], [L.Flatten(), L.BatchNormalization(), L.Dense(4)], [L.Dense(3)]))
    model = keras.Sequential([keras.Input(shape), *before, layer, *after])
    agree(tmp_path, model, seed, random.choice((".keras", ".h5")))


def test_every_layer_of_the_table_is_drawn() -> None:
    """Merging layers have graphs of their own, and of those that do nothing some are enough."""
    drawn = {type(family(Random(f"{family.__name__} {seed}"))[0]).__name__ for family in FAMILIES for seed in range(60)}
    idle = {name for name, translate in LAYERS.items() if translate is LAYERS["Identity"]}
    merging = {"Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract", "Dot"}
    former = {"ThresholdedReLU", "BatchNormalizationV1", "BatchNormalizationV2"}  # which Keras 3 does not have
    assert set(LAYERS) - drawn - idle - merging == former
