"""Shapes and values for checking layers, chosen so that mistakes show.

Each test case has several samples. The numbers of rows and columns differ, and so do those of channels and filters. All
parameters are random, including biases.
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from chainrule import layers as cr
from chainrule.engines.protocol import Array
from chainrule.errors import ShapeError
from chainrule.layers import Layer
from chainrule.layers.kinds import PARTIAL_LAYERS

LAYERS: tuple[tuple[Layer, tuple[int, ...]], ...] = tuple(
    (kind(**options), shape)
    for kind in cr.IN_A_ROW.values()
    if kind not in PARTIAL_LAYERS
    for shape, options in kind.examples
)

FAR_LIMIT = 15.0  # largest absolute value of inputs far from zero
MAX_LARGE_BATCH = 96  # maximum number of samples in the larger batch
MAX_INPUT_NUMBERS = 12_000  # maximum number of elements in the larger batch
# Losses whose targets sum to 1, and losses whose predictions are probabilities, or positive.
DISTRIBUTIONS = ("categorical_cross_entropy", "softmax_cross_entropy", "categorical_focal_cross_entropy")
OF_PROBABILITIES = (
    *("binary_cross_entropy", "categorical_cross_entropy"),
    *("binary_focal_cross_entropy", "categorical_focal_cross_entropy", "dice", "poisson"),
)


def input_shape_for(layer: Layer) -> tuple[int, ...]:
    """Return an input shape that a layer accepts, with C_in ≠ filters if possible; ShapeError if there is none."""
    if isinstance(layer, cr.Softmax | cr.LogSoftmax):
        return (7,)  # number of classes
    error: ShapeError | None = None
    for shape in _candidate_shapes(layer):
        try:
            layer.output_shape(shape, layer.kind)
        except ShapeError as shape_error:
            error = error or shape_error
            continue
        return shape
    raise ShapeError(f"{layer.describe()}: accepts none of the usual input shapes; pass --input-shape ({error})")


def _candidate_shapes(layer: Layer) -> Iterator[tuple[int, ...]]:
    filters = getattr(layer, "filters", 0)
    groups = getattr(layer, "groups", 1)
    channels = [groups * factor for factor in (3, 2, 1) if groups * factor != filters] or [3]
    for size in ((7, 6), (8, 9), (12, 11), (29, 27)):
        for count in channels:
            yield (count, *size)
    for width in (9, 20, 41):
        for count in channels:
            yield (count, width)
    yield (7,)
    yield (math.prod(getattr(layer, "shape", ())),)
    yield tuple(range(2, 2 + len(getattr(layer, "axes", ()) if isinstance(layer, cr.Permute) else ())))


def larger_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a larger shape with the same number of channels; squares remain squares. Vectors are unchanged.

    An image that is higher than wide becomes wider than high, and the other way round.
    """
    if len(shape) == 3 and shape[1] == shape[2]:  # the code may require square images
        return (shape[0], shape[1] + 3, shape[2] + 3)
    if len(shape) == 3:
        size = max(shape[1:])
        if shape[1] > shape[2]:
            return (shape[0], size + 1, size + 3)
        return (shape[0], size + 3, size + 1)
    if len(shape) == 2:
        return (shape[0], shape[1] + 2)
    return shape


def batch_size(shape: tuple[int, ...]) -> int:
    """Return the batch size for test cases: 2 for images, 5 for other inputs."""
    if len(shape) == 3:
        return 2
    return 5


def large_batch_size(shape: tuple[int, ...], seed: int) -> int:
    """Draw a batch size that exceeds usual mini-batches, unless the samples are large."""
    largest = max(batch_size(shape) + 1, min(MAX_LARGE_BATCH, MAX_INPUT_NUMBERS // max(1, math.prod(shape))))
    return int(np.random.default_rng([seed, largest]).integers(largest // 2 + 1, largest, endpoint=True))


def draw_values(
    shape: tuple[int, ...], parameters: Mapping[str, tuple[int, ...]], count: int, seed: int
) -> dict[str, Array]:
    """Draw normally distributed values for x (``count`` samples) and all parameters."""
    generator = np.random.default_rng([seed, count])
    drawn = {"x": generator.normal(size=(count, *shape))}
    return drawn | {name: generator.normal(size=size) for name, size in parameters.items()}


def spread_values(shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Draw evenly spread values from −15 to 15, in random order. Even a few values reach every branch of a function."""
    if math.prod(shape) > 1:
        spread = np.linspace(-FAR_LIMIT, FAR_LIMIT, math.prod(shape))
    else:
        spread = np.array([FAR_LIMIT])
    return (generator.permutation(spread) + generator.normal(0, 0.1, spread.shape)).reshape(shape)


def draw_predictions(loss: str, seed: int, labels: bool = False, shape: tuple[int, int] = (5, 3)) -> dict[str, Array]:
    """Draw predictions p and targets t of shape (N, K).

    If the loss expects probabilities, p contains probabilities. By default, t is not one-hot. If the loss expects
    distributions, the targets of each sample sum to 1.

    labels  whether t is one-hot; it then contains every class, if there are enough samples
    """
    generator = np.random.default_rng([seed, 5])
    p = generator.normal(size=shape)
    t = generator.random(shape) + 0.1
    if loss in OF_PROBABILITIES:
        p = 0.05 + 0.9 * generator.random(shape)
    if labels:
        samples, classes = shape
        return {"p": p, "t": np.eye(classes)[generator.permutation(samples) % classes]}
    return {"p": p, "t": t / t.sum(axis=1, keepdims=True) if loss in DISTRIBUTIONS else t}
