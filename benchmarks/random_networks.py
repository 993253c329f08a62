"""Random networks with common structures, drawn from a seed, so that the library cannot be tuned to the benchmark."""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks import peers, random_graphs, steps
from benchmarks.steps import Row, Setting
from benchmarks.subjects import Subject, of_model
from chainrule.core.plan import Plan
from chainrule.errors import ShapeError
from chainrule.layers import (
    GELU,
    BatchNorm2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    Input,
    Layer,
    LeakyReLU,
    MaxPool2D,
    Node,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from chainrule.models.model import Graph
from chainrule.training.recipe import Recipe

SIZES = (20, 24, 28, 32, 32, 40, 48, 64, 96)
WIDTHS = (4, 6, 8, 10, 12, 16, 20, 24, 32, 48, 50, 64, 96, 128, 192, 256)
KERNELS = (1, 3, 3, 3, 3, 5, 5, 7, 9)
ACTIVATIONS = (ReLU, ReLU, ReLU, LeakyReLU, GELU, Tanh, Sigmoid)
UNITS = (32, 64, 100, 128, 256, 500, 512, 1024)
MAX_MULTIPLICATIONS = 40_000_000  # per image, forward: a step of 128 images should take about a second
MIN_MULTIPLICATIONS = 50_000
MAX_PARAMETERS = 3_000_000


def networks(count: int, seed: int = 0) -> list[Subject]:
    """Draw `count` sequential networks, and `count` // 3 branching ones.

    The k-th network for a seed does not depend on `count`.
    """
    drawn = list[Subject]()
    for k in range(count):
        drawn.append(_draw_suitable(_draw_sequential, [seed, k], f"drawn-{seed}-{k}"))
    forms = random_graphs.FORMS
    for k in range(count // 3):
        draw = partial(_draw_branching, forms[k % len(forms)])
        drawn.append(_draw_suitable(draw, [seed, k, 1], f"branching-{seed}-{k}"))
    return drawn


def describe(layers: Sequence[Layer], shape: Sequence[int]) -> str:
    """Describe a network in one line: "3×32×32: Conv2D(16, 3), ReLU(), …"."""
    return f"{'×'.join(map(str, shape))}: {', '.join(layer.describe() for layer in layers)}"


def _draw_suitable(draw: Callable[[np.random.Generator, Node], Node], seed: Sequence[int], name: str) -> Subject:
    """Draw networks until one fits its image size and is neither trivial nor too large."""
    generator = np.random.default_rng(seed)
    while True:
        x = Input((int(generator.choice((1, 3))), *(int(generator.choice(SIZES)),) * 2))
        try:
            model = Graph(x, draw(generator, x), engine="numpy", seed=seed[1], name=name)
        except ShapeError:
            continue
        multiplications = _multiplications(model.plan())
        if MIN_MULTIPLICATIONS <= multiplications <= MAX_MULTIPLICATIONS and model.parameters.size <= MAX_PARAMETERS:
            return of_model(model, Recipe(normalization="standardize"))


def _multiplications(plan: Plan) -> int:
    """Return the number of multiply-adds of convolutions and dense layers for one sample, forward."""
    count = 0
    for step in plan.operations:
        if step.name in ("cross_correlate", "dense"):
            count += step.writes[0].size * math.prod(step.operand(1).shape[1:])
    return count


def _draw_sequential(generator: np.random.Generator, x: Node) -> Node:
    return _applied([*_features(generator, x.shape), *_head(generator)], x)


def _draw_branching(form: random_graphs.Block, generator: np.random.Generator, x: Node) -> Node:
    return _applied(_head(generator), random_graphs.features(form, generator, x))


def _applied(layers: Iterable[Layer], x: Node) -> Node:
    for layer in layers:
        x = layer(x)
    return x


def _features(generator: np.random.Generator, shape: Sequence[int]) -> Iterator[Layer]:
    """Yield blocks of convolutions in the same style, with decreasing feature map sizes."""
    activation = ACTIVATIONS[generator.integers(len(ACTIVATIONS))]
    normalized = generator.random() < 0.4
    strided = generator.random() < 0.4
    separable = generator.random() < 0.15
    kernel = int(generator.choice(KERNELS))
    width = int(generator.choice(WIDTHS[:12]))
    size = shape[1]
    channels = shape[0]
    for block in range(int(generator.integers(1, 5))):
        if size < 6:
            return
        for layer in range(int(generator.integers(1, 3))):
            stride = 1
            if strided and layer == 0 and (block or size >= 48):
                stride = 2
            if separable and block:
                yield Conv2D(channels, 3, padding="same", stride=stride, groups=channels, bias=not normalized)
                yield from _activation_layers(generator, activation, normalized)
                yield Conv2D(width, 1, bias=not normalized)
            else:
                yield _convolution(generator, channels, width, kernel, stride, biased=not normalized)
            yield from _activation_layers(generator, activation, normalized)
            size = math.ceil(size / stride)
            channels = width
        if not strided:
            yield MaxPool2D(2)
            size //= 2
        kernel = int(generator.choice((3, 3, kernel)))
        if generator.random() < 0.7:
            width = min(2 * width, WIDTHS[-1])


def _convolution(
    generator: np.random.Generator, channels: int, width: int, kernel: int, stride: int, *, biased: bool
) -> Conv2D:
    """Draw a convolution, which may be dilated, grouped or unpadded."""
    dilation = groups = 1
    if stride == 1 and kernel == 3 and generator.random() < 0.1:
        dilation = 2
    if channels % 2 == 0 and width % 2 == 0 and generator.random() < 0.08:
        groups = 2
    padding = "same" if generator.random() < 0.75 else "valid"
    return Conv2D(width, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups, bias=biased)


def _activation_layers(generator: np.random.Generator, activation: type[Layer], normalized: bool) -> Iterator[Layer]:
    if normalized:
        yield BatchNorm2D()
    yield activation()
    if generator.random() < 0.05:
        yield Dropout(0.1)


def _head(generator: np.random.Generator) -> Iterator[Layer]:
    """Yield the layers that classify the feature maps into 10 or 100 classes."""
    if generator.random() < 0.4:
        yield GlobalAveragePool2D()
    else:
        yield Flatten()
    for _ in range(int(generator.choice((0, 0, 1, 1, 2)))):
        yield Dense(int(generator.choice(UNITS)))
        yield ReLU()
        if generator.random() < 0.3:
            yield Dropout(0.5)
    yield Dense(int(generator.choice((10, 10, 10, 100))))
    yield Softmax()


def rows(count: int, seed: int, batches: Sequence[int], names: Sequence[str], setting: Setting) -> Iterator[Row]:
    """Time training steps and calls of predict; yield a row per network, kind (train or infer), batch size and peer."""
    subjects = networks(count, seed)
    texts = {subject.name: _describe_subject(subject) for subject in subjects}
    for kind, sizes in (("train", (1, 32, 128)), ("infer", (1, 128))):
        for row in steps.rows(kind, subjects, batches or sizes, names, setting):
            yield replace(row, network=texts[row.model])


def ratios_to_fastest(rows: Iterable[Row]) -> list[Row]:
    """Return the fastest variant's row for each network, kind, batch size and library, sorted by ratio.

    All variants of PyTorch (eager, channels last, compiled) count as one library.
    """
    best: dict[tuple[Any, ...], Row] = {}
    for row in sorted(rows, key=lambda row: row.ratio or math.inf):
        if row.ratio is not None:
            best.setdefault((row.kind, row.model, row.batch, peers.library(row.peer)), row)
    return [*best.values()]


def geometric_means(rows: Iterable[Row]) -> list[str]:
    """Return a line per kind, batch size and library: mean and minimum of the ratios, and how many are below 1."""
    groups: dict[tuple[str, str, int], list[float]] = {}
    for row in ratios_to_fastest(rows):
        groups.setdefault((row.kind, peers.library(row.peer), row.batch), []).append(row.ratio or math.nan)
    lines = list[str]()
    for (kind, library, batch), ratios in sorted(groups.items()):
        below = sum(ratio < 1 for ratio in ratios)
        lines.append(
            f"{kind}, batch {batch}, {len(ratios)} networks against {library}: geometric mean "
            f"{statistics.geometric_mean(ratios):.2f}×, lowest {min(ratios):.2f}×, below 1×: {below}"
        )
    return lines


def _describe_subject(subject: Subject) -> str:
    model = subject.build("numpy", 1)
    return describe(model.layers, model.input_shape)
