"""Classic mistakes in pooling layers: in the output and in the gradient."""

import math
from dataclasses import replace

import numpy as np

from chainrule.check.diagnoses import sliding
from chainrule.check.diagnoses.sliding import SlidingWindow
from chainrule.check.diagnoses.truth import ByTensor, Candidates, Catalogue, GroundTruth
from chainrule.engines.protocol import Array


def _geometry(t: GroundTruth) -> SlidingWindow:
    window = t.attributes["window"]
    return SlidingWindow.of({**t.attributes, "stride": t.attributes.get("stride") or window}, t.x.shape[2:], window)


def _cells(t: GroundTruth, fill: float) -> Array:
    """Return the cells of all windows, (N, C, KH, KW, H', W'), with ``fill`` in the padding."""
    geometry = _geometry(t)
    padded = np.pad(t.x, ((0, 0), (0, 0), *geometry.padding), constant_values=fill)
    cells = np.empty((*t.x.shape[:2], *geometry.window, *geometry.outputs))
    for (u, v), (rows, columns) in geometry.taps(geometry.outputs):
        cells[:, :, u, v] = padded[:, :, rows, columns]
    return cells


def _largest(t: GroundTruth) -> Array:
    """Return a mask of the cells that equal their window's maximum."""
    cells = _cells(t, -np.inf)
    return cells == cells.max(axis=(2, 3), keepdims=True)


def _winners(t: GroundTruth) -> Array:
    """Return a mask of the winning cell in each window: the first maximum in row-major order."""
    largest = _largest(t)
    flat = largest.reshape(*largest.shape[:2], -1, *largest.shape[4:])
    return (flat & (np.cumsum(flat, axis=2) == 1)).reshape(largest.shape)


def _distribute(t: GroundTruth, weights: Array | float, geometry: SlidingWindow, mode: str = "add") -> Array:
    """Return the gradient of the padded image. Each window distributes its element of dy to its cells, with weights."""
    gradients = np.empty((*t.x.shape[:2], *geometry.window, *t.dy.shape[2:]))
    gradients[...] = weights * t.dy[:, :, None, None]
    return sliding.scatter(gradients, geometry, mode)


def _cropped(t: GroundTruth, weights: Array | float, mode: str = "add") -> Array:
    """Return the gradient of the image. Each window distributes its element of dy to its cells, with weights."""
    return _geometry(t).crop(_distribute(t, weights, _geometry(t), mode))


def _pooled(t: GroundTruth, weights: Array | float) -> Array:
    """Return the weighted sum of each window, excluding the padding."""
    return np.nansum(_cells(t, np.nan) * weights, axis=(2, 3))


def _output_and_gradient(t: GroundTruth, weights: Array | float) -> ByTensor:
    """Return the output and the gradient for these weights."""
    return [{"y": _pooled(t, weights), "x": _cropped(t, weights)}]


def _divisor(t: GroundTruth) -> str:
    return t.attributes.get("divisor", "cells")


def _average_weight(t: GroundTruth, divisor: str | None = None) -> Array | float:
    """Return the weight 1/D of each cell in average pooling. ``divisor`` is a rule for D; None: the layer's."""
    rule = divisor or _divisor(t)
    if rule == "cells":
        return 1 / np.isfinite(_cells(t, np.nan)).sum(axis=(2, 3), keepdims=True)
    if rule == "one":
        return 1.0
    return 1 / math.prod(_geometry(t).window)


def _window_weights(t: GroundTruth) -> Array | float:
    """Return the correct weight of each cell: 1 for the winner in max pooling, 1/D in average pooling."""
    if t.operation == "max_pool":
        return _winners(t)
    return _average_weight(t)


def _assigned(t: GroundTruth, columns: int) -> Array:
    """Return dx if each window in the first columns assigns its dy to its winner; a later window replaces it."""
    winners = _winners(t)
    geometry = _geometry(t)
    padded = np.zeros((*t.x.shape[:2], *geometry.padded_size))
    for i, j in np.ndindex(geometry.outputs[0], columns):
        for (u, v), _ in geometry.taps((1, 1)):
            cell = padded[:, :, geometry.stride[0] * i + u, geometry.stride[1] * j + v]
            cell[...] = np.where(winners[:, :, u, v, i, j], t.dy[:, :, i, j], cell)
    return geometry.crop(padded)


PAGE = "pooling"
COMMON = Catalogue(PAGE)


@COMMON.mistake("stride-forgotten", "is scattered with stride 1: window (i, j) starts at row s·i and column s·j", "x")
def _scattered_densely(t: GroundTruth) -> Candidates:
    """Yield dx with each window's weights at the position for stride 1, and with the weights of the window there."""
    geometry = replace(_geometry(t), stride=(1, 1))
    rows, columns = t.dy.shape[2:]
    yield geometry.crop(_distribute(t, _window_weights(t), geometry))
    dy = np.zeros((*t.x.shape[:2], *geometry.outputs))
    dy[:, :, :rows, :columns] = t.dy
    dense = replace(t, dy=dy, attributes={**t.attributes, "stride": (1, 1)})
    yield _cropped(dense, _window_weights(dense))


@COMMON.mistake("padding-not-cropped", "still includes the padding: crop the rows and columns of the padding", "x")
def _uncropped(t: GroundTruth) -> Candidates:
    padded = _distribute(t, _window_weights(t), _geometry(t))
    yield padded
    yield padded[:, :, : t.x.shape[2], : t.x.shape[3]]


MAXIMUM = Catalogue(PAGE, COMMON)


@MAXIMUM.mistake(
    "ties-all-credited",
    "passes dy to every cell that ties for the maximum: pass it to one of them, the first in row-major order",
    "x",
)
def _ties_all_credited(t: GroundTruth) -> Candidates:
    yield _cropped(t, _largest(t))


@MAXIMUM.mistake(
    "winner-misplaced",
    "passes dy to the wrong cell of the window: the cell with index p in the window is in row p // KW and "
    "column p % KW",
    "x",
)
def _misplaced(t: GroundTruth) -> Candidates:
    winners = _winners(t)
    if winners.shape[2] == winners.shape[3]:
        yield _cropped(t, winners.swapaxes(2, 3))
    first = np.zeros(winners.shape)
    first[:, :, 0, 0] = 1.0
    yield _cropped(t, first)


@MAXIMUM.mistake(
    "maximum-as-average",
    "spreads dy over the whole window, as average pooling does: pass all of it to the cell of the maximum",
    "x",
)
def _maximum_as_average(t: GroundTruth) -> Candidates:
    for divisor in ("cells", "window", "one"):
        yield _cropped(t, _average_weight(t, divisor))


@MAXIMUM.mistake(
    "overwritten-in-windows", "keeps only the last window that a cell won: windows overlap, so accumulate with +=", "x"
)
def _last_window(t: GroundTruth) -> Candidates:
    winners = _winners(t)
    yield _assigned(t, t.dy.shape[3])
    yield _cropped(t, winners, mode="window")
    yield _cropped(t, winners, mode="tap")


@MAXIMUM.mistake(
    "height-only-overwritten",
    "covers as many columns of windows as rows, and keeps only the last window that a cell won: loop over the width "
    "of x, and accumulate with +=",
    "x",
)
def _height_only_overwritten(t: GroundTruth) -> Candidates:
    if t.dy.shape[3] > t.dy.shape[2] > 1:
        yield _assigned(t, t.dy.shape[2])


@MAXIMUM.mistake(
    "compared-with-spread-maximum",
    "compares x with maxima spread over the image, so that each cell counts in one window only: windows overlap, "
    "so find the maximum of each window and accumulate with +=",
    "x",
)
def _spread_maxima(t: GroundTruth) -> Candidates:
    geometry = _geometry(t)
    if geometry.stride[0] >= geometry.window[0] and geometry.stride[1] >= geometry.window[1]:
        return
    padded = np.pad(t.x, ((0, 0), (0, 0), *geometry.padding), constant_values=-np.inf)
    for window in (geometry.window, geometry.stride):  # whole windows, or only their first cells, as with np.repeat
        maxima = np.full(padded.shape, np.nan)
        upstream = np.zeros(padded.shape)
        for i, j in np.ndindex(geometry.outputs):
            rows, columns = (
                slice(s * index, s * index + size)
                for s, index, size in zip(geometry.stride, (i, j), window, strict=True)
            )
            maxima[:, :, rows, columns] = t.y[:, :, i, j, None, None]
            upstream[:, :, rows, columns] = t.dy[:, :, i, j, None, None]
        yield geometry.crop((padded == maxima) * upstream)


@MAXIMUM.mistake("padding-wins", "lets zeros of the padding win: pad with −∞, so that padding never wins", "y")
def _padding_wins(t: GroundTruth) -> Candidates:
    yield _cells(t, 0.0).max(axis=(2, 3))


@MAXIMUM.mistake("average-for-maximum", "is the mean of each window: take the maximum", "y")
def _average_for_maximum(t: GroundTruth) -> Candidates:
    yield _pooled(t, _average_weight(t, "cells"))


AVERAGE = Catalogue(PAGE, COMMON)


@AVERAGE.mistake("average-not-divided", "lacks the factor 1/k²: divide by the number of cells in the window", "x", "y")
def _average_not_divided(t: GroundTruth) -> ByTensor:
    return _output_and_gradient(t, 1.0)


@AVERAGE.mistake(
    "average-divided-by-side",
    "is divided by one side k of the window: divide by the number of cells in the window, k²",
    "x",
    "y",
)
def _divided_by_side(t: GroundTruth) -> ByTensor:
    window = _geometry(t).window
    if _divisor(t) != "one" and min(window) > 1:
        for side in {*window}:
            yield from _output_and_gradient(t, 1 / side)


@AVERAGE.mistake("average-divided-twice", "has the factor 1/k² twice: divide dy by the number of cells once", "x")
def _average_divided_twice(t: GroundTruth) -> Candidates:
    yield _cropped(t, _average_weight(t) * _average_weight(t))


@AVERAGE.mistake(
    "padding-counted",
    "divides by the size of the whole window where part of it lies on padding: divide by the number of cells inside x",
    "x",
    "y",
)
def _padding_counted(t: GroundTruth) -> ByTensor:
    if t.attributes.get("divisor") == "cells":
        yield from _output_and_gradient(t, _average_weight(t, "window"))


@AVERAGE.mistake(
    "padding-not-counted",
    "divides by the number of cells inside x: divide by the size of the whole window, padding included",
    "x",
    "y",
)
def _padding_not_counted(t: GroundTruth) -> ByTensor:
    if t.attributes.get("divisor") == "window":
        yield from _output_and_gradient(t, _average_weight(t, "cells"))


@AVERAGE.mistake(
    "overwritten-in-windows",
    "keeps only the last window that covers a cell: windows overlap, so accumulate with +=",
    "x",
)
def _overwritten_in_windows(t: GroundTruth) -> Candidates:
    for mode in ("window", "tap"):
        yield _cropped(t, _average_weight(t), mode=mode)


@AVERAGE.mistake(
    "shared-to-one", "passes dy to one cell of each window, as max pooling does: divide it among all cells", "x"
)
def _shared_to_one(t: GroundTruth) -> Candidates:
    for weights in (_winners(t), _winners(t) * _average_weight(t)):
        yield _cropped(t, weights)
