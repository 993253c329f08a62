"""Classic mistakes in resampling."""

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue
from chainrule.engines import Array
from chainrule.shapes import resampling_weights

CATALOGUE = MistakeCatalogue("resampling")


def _matrices(t: GroundTruth) -> list[Array]:
    """Return the weights of the cells of each output, (H', H) and (W', W)."""
    found: list[Array] = []
    for outputs, size in zip(t.dy.shape[2:], t.x.shape[2:], strict=True):
        matrix = np.zeros((outputs, size))
        for i in range(outputs):
            for h, weight in resampling_weights(t.attributes["mode"], size, outputs, i):
                matrix[i, h] = weight
        found.append(matrix)
    return found


def _pulled_back(t: GroundTruth, rows: Array, columns: Array) -> Array:
    return np.einsum("ih,jk,ncij->nchk", rows, columns, t.dy)


@CATALOGUE.add("x", "copies-not-summed")
def one_copy(t: GroundTruth) -> Candidates:
    """Takes the gradient of one output for a cell: sum over all that read it."""
    rows, columns = (matrix.argmax(axis=0) for matrix in _matrices(t))
    yield t.dy[:, :, rows][:, :, :, columns]


@CATALOGUE.add("x", "copies-averaged")
def mean_of_copies(t: GroundTruth) -> Candidates:
    """Is the mean over the outputs that read a cell: sum them."""
    if t.attributes["mode"] == "nearest":
        yield _pulled_back(t, *(matrix / matrix.sum(axis=0) for matrix in _matrices(t)))


@CATALOGUE.add("x", "average-not-divided")
def undivided(t: GroundTruth) -> Candidates:
    """Lacks the factor 1/D: divide each dy by the number of cells in its window."""
    if t.attributes["mode"] == "average":
        yield _pulled_back(t, *((matrix > 0).astype(float) for matrix in _matrices(t)))


@CATALOGUE.add("y", "corners-aligned")
def aligned(t: GroundTruth) -> Candidates:
    """Aligns the corner pixels: interpolate at (i + ½)·H/H' − ½, between the centres."""
    if t.attributes["mode"] == "bilinear":
        rows, columns = map(_aligned_weights, t.x.shape[2:], t.y.shape[2:])
        yield np.einsum("ih,jk,nchk->ncij", rows, columns, t.x)


def _aligned_weights(size: int, outputs: int) -> Array:
    """Return the weights (outputs, size) of linear interpolation from the first cell to the last."""
    places = np.arange(outputs) * (size - 1) / max(outputs - 1, 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(size)))
