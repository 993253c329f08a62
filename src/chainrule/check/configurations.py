"""Random layers with random options and input shapes. A configuration depends only on its seed and number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import layers as cr
from chainrule.core.shapes import text
from chainrule.errors import ChainruleError
from chainrule.layers import Layer
from chainrule.layers.activations import EXAMPLES

ENGINES = ("numpy", "compiled")
DTYPES = ("float64", "float32")
DRAW_TRIES = 1000  # maximum number of attempts to draw a layer and a compatible shape
LARGE_BATCH_PERIOD = 9  # every ninth cycle uses large batches; odd, so that all engines and dtypes get them

Generator = np.random.Generator
LayerAndShape = tuple[Layer, tuple[int, ...]]


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
    kinds = list(DRAWERS)
    kind = kinds[number % len(kinds)]
    cycle = number // len(kinds)
    engine = engines[cycle % len(engines)]
    dtype = DTYPES[cycle // len(engines) % len(DTYPES)]
    layer, shape = _draw_layer(DRAWERS[kind], generator)
    min_samples = 4 if kind.startswith("BatchNorm") else 1
    samples = int(generator.integers(min_samples, min_samples + 3))
    if cycle % LARGE_BATCH_PERIOD == LARGE_BATCH_PERIOD - 1:  # more samples than one block of a kernel
        samples += int(generator.integers(14, 36))
    return Configuration(number, layer, shape, samples, engine, dtype)


def _draw_layer(drawer: Callable[[Generator], LayerAndShape], generator: Generator) -> LayerAndShape:
    """Draw a layer and a compatible input shape. Incompatible draws are repeated."""
    for _ in range(DRAW_TRIES):
        try:
            layer, shape = drawer(generator)
            layer.output_shape(shape, "layer")
        except ChainruleError:
            continue
        return layer, shape
    raise AssertionError(f"{drawer} drew no compatible layer and shape")


def _choice(generator: Generator, *choices: Any) -> Any:
    return choices[int(generator.integers(len(choices)))]


def _boolean(generator: Generator) -> bool:
    return bool(generator.integers(2))


def _epsilon(generator: Generator) -> float:
    return _choice(generator, 1e-5, 1e-3, 0.1)


def _integer(generator: Generator, low: int, high: int) -> int:
    return int(generator.integers(low, high + 1))


def _per_axis(generator: Generator, axes: int, low: int, high: int) -> Any:
    """Draw an integer from ``low`` to ``high`` for all axes together, or one for each axis."""
    if axes == 1 or generator.random() < 0.3:
        return _integer(generator, low, high)
    return tuple(_integer(generator, low, high) for _ in range(axes))


def _padding(generator: Generator, axes: int, highest: int) -> Any:
    """Draw a padding in one of the notations that layers accept."""
    pairs = tuple((_integer(generator, 0, highest), _integer(generator, 0, highest)) for _ in range(axes))
    return _choice(generator, "valid", "same", "full", _per_axis(generator, axes, 0, highest), pairs, pairs)


def _convolution(generator: Generator, axes: int) -> dict[str, Any]:
    groups = _choice(generator, 1, 1, 2, 3)
    return {
        "filters": groups * _integer(generator, 1, 3),
        "kernel": _per_axis(generator, axes, 1, 4),
        "stride": _per_axis(generator, axes, 1, 3),
        "padding": _padding(generator, axes, 3),
        "dilation": _per_axis(generator, axes, 1, 3),
        "groups": groups,
        "bias": _choice(generator, True, False, "untied"),
    }


def _image_shape(generator: Generator, axes: int, groups: int = 1) -> tuple[int, ...]:
    return (groups * _integer(generator, 1, 3), *(_integer(generator, 1, 8) for _ in range(axes)))


def _convolution_drawer(kind: Any, axes: int) -> Callable[[Generator], LayerAndShape]:
    def draw_layer(generator: Generator) -> LayerAndShape:
        options = _convolution(generator, axes)
        layer = kind(**options, convolution=_boolean(generator))
        return layer, _image_shape(generator, axes, options["groups"])

    return draw_layer


def _draw_transposed(generator: Generator) -> LayerAndShape:
    options = _convolution(generator, 2)
    layer = cr.ConvTranspose2D(**options, output_padding=_per_axis(generator, 2, 0, 2))
    groups = options["groups"]
    return layer, (groups * _integer(generator, 1, 3), _integer(generator, 1, 5), _integer(generator, 1, 5))


def _pooling_drawer(kind: Any, axes: int) -> Callable[[Generator], LayerAndShape]:
    def draw_layer(generator: Generator) -> LayerAndShape:
        window = _per_axis(generator, axes, 1, 4)
        stride = _choice(generator, None, _per_axis(generator, axes, 1, 4))
        options = {"count_padding": _boolean(generator)} if "Average" in kind.__name__ else {}
        options["ceil_mode"] = _boolean(generator)
        padding = _padding(generator, axes, 3)
        return kind(window, stride=stride, padding=padding, **options), _image_shape(generator, axes)

    return draw_layer


def _border_drawer(kind: Any, highest: int) -> Callable[[Generator], LayerAndShape]:
    """Return a drawer for layers that add or remove up to ``highest`` rows and columns on each side."""

    def draw_layer(generator: Generator) -> LayerAndShape:
        pairs = tuple((_integer(generator, 0, highest), _integer(generator, 0, highest)) for _ in range(2))
        return kind(_choice(generator, _per_axis(generator, 2, 0, highest), pairs, pairs)), _image_shape(generator, 2)

    return draw_layer


def _slice(generator: Generator) -> LayerAndShape:
    shape = any_shape(generator)
    axis = _integer(generator, 0, len(shape) - 1)
    start = _integer(generator, 0, shape[axis] - 1)
    return cr.Slice(axis, start, _choice(generator, None, _integer(generator, start + 1, shape[axis]))), shape


def any_shape(generator: Generator) -> tuple[int, ...]:
    """Draw an input shape: (C, H, W), (C, W) or (F,)."""
    return _choice(generator, _image_shape(generator, 2), _image_shape(generator, 1), (_integer(generator, 1, 9),))


def _example_drawer(layers: Sequence[Layer]) -> Callable[[Generator], LayerAndShape]:
    return lambda generator: (_choice(generator, *layers), any_shape(generator))


def _reshape(generator: Generator) -> LayerAndShape:
    a, b, c = (_integer(generator, 1, 4) for _ in range(3))
    return cr.Reshape(_choice(generator, (a, b * c), (c, b, a), (a * b * c,))), (a, b, c)


def _permute(generator: Generator) -> LayerAndShape:
    shape = any_shape(generator)
    return cr.Permute(tuple(int(axis) for axis in generator.permutation(len(shape)))), shape


def _long_rows(generator: Generator, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape with a random last axis of at least four values.

    A normalization of two values always returns ±1, so that dx would consist of rounding errors.
    """
    return (*shape[:-1], _integer(generator, 4, 9))


def _group_norm(generator: Generator) -> LayerAndShape:
    groups = _integer(generator, 1, 3)
    epsilon, (channels, *size) = _epsilon(generator), _long_rows(generator, any_shape(generator))
    return cr.GroupNorm(groups, epsilon=epsilon), (groups * channels, *size)


def _response_norm(generator: Generator) -> LayerAndShape:
    options = {"alpha": _choice(generator, 1e-4, 0.1, 1.0), "beta": _choice(generator, 0.75, 0.5, 1.5)}
    layer = cr.LocalResponseNorm(_choice(generator, 1, 3, 5), **options, k=_choice(generator, 1.0, 2.0))
    return layer, (_integer(generator, 1, 7), *_image_shape(generator, _choice(generator, 0, 1)))


def _draw_resampling(generator: Generator) -> LayerAndShape:
    rows, columns = (
        (_integer(generator, -2, 3), _integer(generator, -3, 3), _integer(generator, 1, 3)) for _ in range(2)
    )
    mode = _choice(generator, "nearest", "bilinear")
    return cr.Resample2D(_per_axis(generator, 2, 1, 6), rows, columns, mode=mode), _image_shape(generator, 2)


DRAWERS: dict[str, Callable[[Generator], LayerAndShape]] = {
    "Conv2D": _convolution_drawer(cr.Conv2D, 2),
    "Conv1D": _convolution_drawer(cr.Conv1D, 1),
    "ConvTranspose2D": _draw_transposed,
    "MaxPool2D": _pooling_drawer(cr.MaxPool2D, 2),
    "MaxPool1D": _pooling_drawer(cr.MaxPool1D, 1),
    "AveragePool2D": _pooling_drawer(cr.AveragePool2D, 2),
    "AveragePool1D": _pooling_drawer(cr.AveragePool1D, 1),
    "SumPool2D": _pooling_drawer(cr.SumPool2D, 2),
    "SumPool1D": _pooling_drawer(cr.SumPool1D, 1),
    "GlobalAveragePool2D": lambda g: (cr.GlobalAveragePool2D(), _image_shape(g, 2)),
    "GlobalAveragePool1D": lambda g: (cr.GlobalAveragePool1D(), _image_shape(g, 1)),
    "GlobalMaxPool2D": lambda g: (cr.GlobalMaxPool2D(), _image_shape(g, 2)),
    "GlobalMaxPool1D": lambda g: (cr.GlobalMaxPool1D(), _image_shape(g, 1)),
    "AdaptiveAveragePool2D": lambda g: (cr.AdaptiveAveragePool2D(_per_axis(g, 2, 1, 5)), _image_shape(g, 2)),
    "UpSample2D": lambda g: (
        cr.UpSample2D(_per_axis(g, 2, 1, 3), mode=_choice(g, "nearest", "bilinear")),
        _image_shape(g, 2),
    ),
    "Resample2D": _draw_resampling,
    "FixedAffine": lambda g: (cr.FixedAffine(_choice(g, "channel", "element")), any_shape(g)),
    "Pad2D": _border_drawer(cr.Pad2D, 3),
    "Crop2D": _border_drawer(cr.Crop2D, 2),
    "Dense": lambda g: (cr.Dense(_integer(g, 1, 7), bias=_boolean(g)), (_integer(g, 1, 9),)),
    "BatchNorm2D": lambda g: (cr.BatchNorm2D(epsilon=_epsilon(g)), any_shape(g)),
    "BatchNorm1D": lambda g: (cr.BatchNorm1D(epsilon=_epsilon(g)), any_shape(g)),
    "GroupNorm": _group_norm,
    "InstanceNorm2D": lambda g: (cr.InstanceNorm2D(epsilon=_epsilon(g)), _long_rows(g, _image_shape(g, 2))),
    "LayerNorm": lambda g: (cr.LayerNorm(epsilon=_epsilon(g)), _long_rows(g, any_shape(g))),
    "Dropout": lambda g: (cr.Dropout(_choice(g, 0.0, 0.2, 0.5, 0.9)), any_shape(g)),
    "Flatten": lambda g: (cr.Flatten(), any_shape(g)),
    "PReLU": lambda g: (cr.PReLU(), any_shape(g)),
    "LocalResponseNorm": _response_norm,
    "Reshape": _reshape,
    "Permute": _permute,
    "Slice": _slice,
    "Softmax": lambda g: (cr.Softmax(), any_shape(g)),
    "LogSoftmax": lambda g: (cr.LogSoftmax(), any_shape(g)),
    **{type(layers[0]).__name__: _example_drawer(layers) for layers in EXAMPLES.values()},
}
