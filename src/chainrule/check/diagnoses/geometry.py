"""Classic mistakes in layers that move values: padding, cropping, permuting axes, and resampling."""

from collections.abc import Callable
from itertools import product

import numpy as np

from chainrule.check.diagnoses.truth import ByTensor, Candidates, Catalogue, GroundTruth
from chainrule.core.shapes import WHOLE_IMAGE, resampling_weights
from chainrule.engines.protocol import Array
from chainrule.operations import reference

PAGE = "geometry"


ENDS = Catalogue(PAGE)


@ENDS.mistake(
    "ends-exchanged",
    "swaps the two ends of an axis: the first number is for its beginning, the second for its end",
    "x",
    "y",
)
def _exchanged(t: GroundTruth) -> ByTensor:
    """Yield the padded or cropped image and dy, with the two ends of some axes swapped."""
    if t.operation == "pad":
        forward = reference.pad
        backward = reference.crop
    else:
        forward = reference.crop
        backward = reference.pad
    choices = list[set[tuple[int, int]]]()
    for first, last in zip(t.attributes["before"], t.attributes["after"], strict=True):
        choices.append({(first, last), (last, first)})
    for ends in product(*choices):
        before, after = zip(*ends, strict=True)
        yield {"y": forward(t.x, before=before, after=after), "x": backward(t.dy, before=before, after=after)}


PAD = Catalogue(PAGE, ENDS)


@PAD.mistake("padding-not-cropped", "still includes the padding: crop the rows and columns of the padding", "x")
def _padding_not_cropped(t: GroundTruth) -> Candidates:
    yield t.dy
    yield t.dy[tuple(slice(size) for size in t.x.shape)]


CROP = Catalogue(PAGE, ENDS)


@CROP.mistake("border-missing", "has the size of the cropped image: pixels that were cut off have the gradient 0", "x")
def _border_missing(t: GroundTruth) -> Candidates:
    yield t.dy


PERMUTE = Catalogue(PAGE)


@PERMUTE.mistake(
    "axes-not-inverted", "permutes dy as forward permutes x: the gradient needs the inverse permutation", "x"
)
def _axes_not_inverted(t: GroundTruth) -> Candidates:
    yield reference.permute(t.dy, axes=t.attributes["axes"])


@PERMUTE.mistake(
    "reshaped-for-permuted", "is reshaped, which leaves values in their order in memory: transpose it", "x", "y"
)
def _reshaped_for_permuted(t: GroundTruth) -> Candidates:
    yield t.x.reshape(t.y.shape)
    yield t.dy.reshape(t.x.shape)


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


def _aligned_weights(size: int, outputs: int) -> Array:
    """Return the weights (outputs, size) for linear interpolation between the first and the last cell."""
    positions = np.arange(outputs) * (size - 1) / max(outputs - 1, 1)
    return np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(size)))


RESAMPLE = Catalogue("resampling")


@RESAMPLE.mistake("copies-not-summed", "uses one output per cell: sum the gradients of all outputs that read it", "x")
def _one_copy(t: GroundTruth) -> Candidates:
    by_row, by_column = _matrices(t)
    yield t.dy[:, :, by_row.argmax(axis=0)][:, :, :, by_column.argmax(axis=0)]


@RESAMPLE.mistake("copies-averaged", "is the mean over the outputs that read a cell: sum them", "x")
def _copies_averaged(t: GroundTruth) -> Candidates:
    if _mode(t) == "nearest":
        yield _dx_with(t, lambda rows: rows / np.maximum(rows.sum(axis=0), 1))


@RESAMPLE.mistake(
    "average-not-divided", "lacks the factor 1/D: divide each dy by the number of cells in its window", "x"
)
def _average_not_divided(t: GroundTruth) -> Candidates:
    if _mode(t) == "average":
        yield _dx_with(t, lambda matrix: (matrix > 0).astype(float))


@RESAMPLE.mistake(
    "corners-aligned", "aligns the corner pixels: interpolate at (i + ½)·H/H' − ½, between the pixel centers", "y"
)
def _aligned(t: GroundTruth) -> Candidates:
    if _mode(t) == "bilinear":
        rows, columns = map(_aligned_weights, t.x.shape[2:], t.y.shape[2:])
        yield np.einsum("ih,jk,nchk->ncij", rows, columns, t.x)
