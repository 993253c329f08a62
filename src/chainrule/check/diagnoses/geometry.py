"""Classic mistakes in layers that move values: padding, cropping, permuting axes, and resampling."""

from collections.abc import Callable
from itertools import product

import numpy as np

from chainrule.check.diagnoses.truth import ByTensor, Candidates, GroundTruth, catalogue
from chainrule.core.shapes import WHOLE_IMAGE, resampling_weights
from chainrule.engines.protocol import Array
from chainrule.operations import reference

PAGE = "geometry"


def _exchanged(t: GroundTruth) -> ByTensor:
    """Yield the padded or cropped image and dy, with the two ends of some axes swapped."""
    pairs = list(zip(t.attributes["before"], t.attributes["after"], strict=True))
    forward, backward = (reference.pad, reference.crop)[:: 1 if t.operation == "pad" else -1]
    for ends in product(*({pair, pair[::-1]} for pair in pairs)):
        before, after = zip(*ends, strict=True)
        yield {"y": forward(t.x, before=before, after=after), "x": backward(t.dy, before=before, after=after)}


ENDS = (
    ("x y", "ends-exchanged",
     "swaps the two ends of an axis: the first number is for its beginning, the second for its end", _exchanged),
)  # fmt: skip
PAD = catalogue(
    PAGE,
    *ENDS,
    ("x", "padding-not-cropped", "still includes the padding: crop the rows and columns of the padding",
     lambda t: [t.dy, t.dy[tuple(slice(size) for size in t.x.shape)]]),
)  # fmt: skip
CROP = catalogue(
    PAGE,
    *ENDS,
    ("x", "border-missing", "has the size of the cropped image: pixels that were cut off have the gradient 0",
     lambda t: [t.dy]),
)  # fmt: skip
PERMUTE = catalogue(
    PAGE,
    ("x", "axes-not-inverted", "permutes dy as forward permutes x: the gradient needs the inverse permutation",
     lambda t: [reference.permute(t.dy, axes=t.attributes["axes"])]),
    ("x y", "reshaped-for-permuted", "is reshaped, which leaves values in their order in memory: transpose it",
     lambda t: [t.x.reshape(t.y.shape), t.dy.reshape(t.x.shape)]),
)  # fmt: skip


def _mode(t: GroundTruth) -> str:
    return t.attributes["mode"]


def _matrices(t: GroundTruth) -> list[Array]:
    """Return the interpolation weights for each axis, (H', H) and (W', W)."""
    matrices = list[Array]()
    lines = t.attributes.get("lines", WHOLE_IMAGE)
    for outputs, size, line in zip(t.dy.shape[2:], t.x.shape[2:], lines, strict=True):
        matrix = np.zeros((outputs, size))
        for i in range(outputs):
            for h, weight in resampling_weights(_mode(t), size, outputs, i, line):
                matrix[i, h] = weight
        matrices.append(matrix)
    return matrices


def _dx_with(t: GroundTruth, changed: Callable[[Array], Array]) -> Array:
    return np.einsum("ih,jk,ncij->nchk", *map(changed, _matrices(t)), t.dy)


def _one_copy(t: GroundTruth) -> Candidates:
    by_row, by_column = _matrices(t)
    yield t.dy[:, :, by_row.argmax(axis=0)][:, :, :, by_column.argmax(axis=0)]


def _aligned(t: GroundTruth) -> Candidates:
    if _mode(t) == "bilinear":
        rows, columns = map(_aligned_weights, t.x.shape[2:], t.y.shape[2:])
        yield np.einsum("ih,jk,nchk->ncij", rows, columns, t.x)


def _aligned_weights(size: int, outputs: int) -> Array:
    """Return the weights (outputs, size) for linear interpolation between the first and the last cell."""
    positions = np.arange(outputs) * (size - 1) / max(outputs - 1, 1)
    return np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(size)))


RESAMPLE = catalogue(
    "resampling",
    ("x", "copies-not-summed", "uses one output per cell: sum the gradients of all outputs that read it", _one_copy),
    ("x", "copies-averaged", "is the mean over the outputs that read a cell: sum them",
     lambda t: [_dx_with(t, lambda rows: rows / np.maximum(rows.sum(axis=0), 1))] if _mode(t) == "nearest" else []),
    ("x", "average-not-divided", "lacks the factor 1/D: divide each dy by the number of cells in its window",
     lambda t: [_dx_with(t, lambda matrix: (matrix > 0).astype(float))] if _mode(t) == "average" else []),
    ("y", "corners-aligned", "aligns the corner pixels: interpolate at (i + ½)·H/H' − ½, between the pixel centers",
     _aligned),
)  # fmt: skip
