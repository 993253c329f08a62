"""Random layers with random options and input shapes. A configuration depends only on its seed and number.

All drawn options are valid. Shapes are drawn until one is accepted by the rules of `proving.acceptance`.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from proving.acceptance import accepts

from chainrule import layers as cr
from chainrule.core.shapes import per_axis, text
from chainrule.layers import Layer
from chainrule.layers.base import Activation
from chainrule.layers.kinds import PARTIAL_LAYERS

ENGINES = ("numpy", "compiled")
DTYPES = ("float64", "float32")
DRAW_TRIES = 1000  # maximum number of attempts to draw a layer and a compatible shape
LARGE_BATCH_PERIOD = 9  # every ninth cycle uses large batches; odd, so that all engines and dtypes get them

Generator = np.random.Generator
LayerAndShape = tuple[Layer, tuple[int, ...]]
T = TypeVar("T")


@dataclass(frozen=True)
class Configuration:
    """A layer, its engine and dtype, and the shape of its input batch.

    number   number of the configuration, from which `draw` draws it
    shape    shape of one input, without the batch axis
    samples  batch size
    """

    number: int
    layer: Layer
    shape: tuple[int, ...]
    samples: int
    engine: str
    dtype: str

    def __str__(self) -> str:
        batch = text((self.samples, *self.shape))
        return f"{self.number}: {self.layer.describe()} on {batch}, {self.engine}, {self.dtype}"


def draw(seed: int, number: int, engines: tuple[str, ...] = ENGINES) -> Configuration:
    """Draw the configuration with this number. Consecutive numbers alternate between layer types.

    engines  names of the engines. Every cycle over all layer types uses the next engine, and the dtype changes after
             each pass over the engines
    """
    generator = np.random.default_rng([seed, number])
    cycle = number // len(DRAWERS)
    engine = engines[cycle % len(engines)]
    dtype = DTYPES[cycle // len(engines) % len(DTYPES)]
    layer, shape = draw_layer(generator, number)
    min_samples = 4 if isinstance(layer, cr.BatchNorm1D | cr.BatchNorm2D) else 1
    samples = int(generator.integers(min_samples, min_samples + 3))
    if cycle % LARGE_BATCH_PERIOD == LARGE_BATCH_PERIOD - 1:  # more samples than one block of a kernel
        samples += int(generator.integers(14, 36))
    return Configuration(number, layer, shape, samples, engine, dtype)


def draw_layer(generator: Generator, number: int) -> LayerAndShape:
    """Draw a layer of the type with this number, and an input shape that it accepts."""
    return draw_accepted(generator, [*DRAWERS][number % len(DRAWERS)])


def draw_accepted(generator: Generator, name: str) -> LayerAndShape:
    """Draw a layer by its name, and an input shape that it accepts."""
    for _ in range(DRAW_TRIES):
        layer, shape = DRAWERS[name](generator)
        if accepts(layer, shape):
            return layer, shape
    raise AssertionError(f"no shape that {name} accepts was drawn")


def choice(generator: Generator, *choices: T) -> T:
    """Draw one of the choices."""
    return choices[int(generator.integers(len(choices)))]


def _boolean(generator: Generator) -> bool:
    return bool(generator.integers(2))


def _integer(generator: Generator, low: int, high: int) -> int:
    return int(generator.integers(low, high + 1))


def _per_axis(generator: Generator, axes: int, low: int, high: int) -> int | tuple[int, ...]:
    """Draw an integer from ``low`` to ``high`` for all axes together, or one for each axis."""
    if axes == 1 or generator.random() < 0.3:
        return _integer(generator, low, high)
    return _integers(generator, axes, low, high)


def _padding(generator: Generator, axes: int, highest: int) -> object:
    """Draw a padding in one of the notations that layers accept."""
    pairs = _pairs(generator, axes, highest)
    return choice(generator, "valid", "same", "full", _per_axis(generator, axes, 0, highest), pairs, pairs)


def _pairs(generator: Generator, axes: int, highest: int) -> tuple[tuple[int, int], ...]:
    """Draw a pair of integers from 0 to ``highest`` for each axis."""
    pairs = list[tuple[int, int]]()
    for _ in range(axes):
        before, after = _integers(generator, 2, 0, highest)
        pairs.append((before, after))
    return tuple(pairs)


def _image_shape(generator: Generator, axes: int) -> tuple[int, ...]:
    channels = _integer(generator, 1, 3)
    return (channels, *_integers(generator, axes, 1, 8))


def _integers(generator: Generator, count: int, low: int, high: int) -> tuple[int, ...]:
    return tuple(_integer(generator, low, high) for _ in range(count))


def any_shape(generator: Generator) -> tuple[int, ...]:
    """Draw an input shape: (C, H, W), (C, W) or (F,)."""
    return choice(generator, _image_shape(generator, 2), _image_shape(generator, 1), (_integer(generator, 1, 9),))


def _mode(generator: Generator, axes: int) -> str:
    return choice(generator, "nearest", "bilinear")


def _grid(generator: Generator, axes: int) -> tuple[int, int, int]:
    return _integer(generator, -2, 3), _integer(generator, -3, 3), _integer(generator, 1, 3)


DrawOption = Callable[[Generator, int], Any]  # for a number of axes of the layer's windows


def _one_of(*values: object) -> DrawOption:
    return lambda generator, axes: choice(generator, *values)


def _one_from(low: int, high: int) -> DrawOption:
    return lambda generator, axes: _integer(generator, low, high)


def _each_axis(low: int, high: int) -> DrawOption:
    return lambda generator, axes: _per_axis(generator, axes, low, high)


def _numbers_or_pairs(highest: int) -> DrawOption:
    def draw_option(generator: Generator, axes: int) -> object:
        pairs = _pairs(generator, axes, highest)
        return choice(generator, _per_axis(generator, axes, 0, highest), pairs, pairs)

    return draw_option


def _flag(generator: Generator, axes: int) -> bool:
    return _boolean(generator)


def _stride(generator: Generator, axes: int) -> object:
    return choice(generator, None, _per_axis(generator, axes, 1, 4), _per_axis(generator, axes, 1, 4))


def _padding_up_to_3(generator: Generator, axes: int) -> object:
    return _padding(generator, axes, 3)


# Option of a layer → function that draws its value.
OPTIONS: dict[str, DrawOption] = {
    "alpha": _one_of(1e-4, 0.1, 1.0),
    "beta": _one_of(0.75, 0.5, 1.5),
    "bias": _one_of(True, False, "untied"),
    "by": _one_of("greater", "equal"),
    "ceil_mode": _flag,
    "columns": _grid,
    "convolution": _flag,
    "count_padding": _flag,
    "cropping": _numbers_or_pairs(2),
    "dilation": _each_axis(1, 3),
    "epsilon": _one_of(1e-5, 1e-3, 0.1),
    "factor": _each_axis(1, 3),
    "features": _one_from(1, 7),
    "filters": _one_from(1, 3),
    "groups": _one_of(1, 1, 2, 3),
    "k": _one_of(1.0, 2.0),
    "kernel": _each_axis(1, 4),
    "mode": _mode,
    "momentum": _one_of(0.1, 1.0, 0.3),
    "outputs": _each_axis(1, 6),
    "padding": _padding_up_to_3,
    "per": _one_of("channel", "element"),
    "rate": _one_of(0.0, 0.2, 0.5, 0.9),
    "rows": _grid,
    "size": _one_of(1, 3, 5),
    "stride": _stride,
    "window": _each_axis(1, 4),
}
OPTIONS_OF_LAYERS: dict[type[Layer], dict[str, DrawOption]] = {  # options with other values than in most layers
    cr.Conv1D: {"stride": _each_axis(1, 4)},
    cr.Conv2D: {"stride": _each_axis(1, 4)},
    cr.ConvTranspose2D: {"stride": _each_axis(1, 4)},
    cr.Dense: {"bias": _flag},
    cr.Pad2D: {"padding": _numbers_or_pairs(3)},
}


def _drawer(kind: type[Layer]) -> Callable[[Generator], LayerAndShape]:
    """Return a function that draws the options of a layer by their names, and any shape.

    The channels and filters of layers with groups are multiples of the number of groups.
    """
    axes: Any = getattr(kind, "axes", 2)
    known = OPTIONS | OPTIONS_OF_LAYERS.get(kind, {})
    drawn = dict[str, DrawOption]()
    for field in fields(kind):
        if field.name in known:
            drawn[field.name] = known[field.name]

    def layer_and_shape(generator: Generator) -> LayerAndShape:
        options = {name: draw_option(generator, axes) for name, draw_option in drawn.items()}
        shape = any_shape(generator)
        groups = options.get("groups", 1)
        if "filters" in options:
            options["filters"] *= groups
        return kind(**options), (groups * shape[0], *shape[1:])

    return layer_and_shape


def _of_examples(kind: type[Layer]) -> Callable[[Generator], LayerAndShape]:
    layers = [kind(**options) for _, options in kind.examples]
    return lambda generator: (choice(generator, *layers), any_shape(generator))


def _conv_transpose(generator: Generator) -> LayerAndShape:
    """Draw an output padding below the stride."""
    layer, shape = _drawer(cr.ConvTranspose2D)(generator)
    assert isinstance(layer, cr.ConvTranspose2D)
    strides = per_axis("stride", layer.stride, layer.axes)
    extra = tuple(_integer(generator, 0, step - 1) for step in strides)
    return replace(layer, output_padding=choice(generator, extra, min(extra))), shape


def _reshape(generator: Generator) -> LayerAndShape:
    a = _integer(generator, 1, 4)
    b = _integer(generator, 1, 4)
    c = _integer(generator, 1, 4)
    return cr.Reshape(choice(generator, (a, b * c), (c, b, a), (a * b * c,))), (a, b, c)


def _permute(generator: Generator) -> LayerAndShape:
    shape = any_shape(generator)
    return cr.Permute(tuple(generator.permutation(len(shape)).tolist())), shape


def _broadcast(generator: Generator) -> LayerAndShape:
    shape = any_shape(generator)
    return cr.Broadcast(shape), tuple(choice(generator, 1, size) for size in shape)


def _gather(generator: Generator) -> LayerAndShape:
    return cr.Gather(any_shape(generator)), any_shape(generator)


def _slice(generator: Generator) -> LayerAndShape:
    shape = any_shape(generator)
    axis = _integer(generator, 0, len(shape) - 1)
    start = _integer(generator, 0, shape[axis] - 1)
    return cr.Slice(axis, start, choice(generator, None, _integer(generator, start + 1, shape[axis]))), shape


def _long_rows(kind: type[Layer]) -> Callable[[Generator], LayerAndShape]:
    """Return a drawer of shapes whose last axis has at least four elements.

    A normalization of two values always returns ±1, so that dx would consist of rounding errors.
    """
    drawer = _drawer(kind)

    def layer_and_shape(generator: Generator) -> LayerAndShape:
        layer, shape = drawer(generator)
        return layer, (*shape[:-1], shape[-1] + 3 * getattr(layer, "groups", 1))

    return layer_and_shape


SPECIAL: dict[type[Layer], Callable[[Generator], LayerAndShape]] = {  # options that depend on the shape
    cr.Broadcast: _broadcast,
    cr.ConvTranspose2D: _conv_transpose,
    cr.Gather: _gather,
    cr.GroupNorm: _long_rows(cr.GroupNorm),
    cr.InstanceNorm2D: _long_rows(cr.InstanceNorm2D),
    cr.LayerNorm: _long_rows(cr.LayerNorm),
    cr.Permute: _permute,
    cr.Reshape: _reshape,
    cr.Slice: _slice,
}


def _drawers() -> dict[str, Callable[[Generator], LayerAndShape]]:
    """Return a function for each layer that draws its options and an input shape."""
    drawers = dict[str, Callable[[Generator], LayerAndShape]]()
    for name, kind in cr.IN_A_ROW.items():
        if kind in PARTIAL_LAYERS or kind is cr.FixedValue:  # whose result does not depend on its input
            continue
        if kind in SPECIAL:
            drawers[name] = SPECIAL[kind]
        elif issubclass(kind, Activation):
            drawers[name] = _of_examples(kind)
        else:
            drawers[name] = _drawer(kind)
    return drawers


DRAWERS = _drawers()
