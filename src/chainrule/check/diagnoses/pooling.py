"""Classic mistakes in the backward pass of pooling."""

import numpy as np

from chainrule.check.diagnoses import sliding
from chainrule.check.diagnoses.sliding import SlidingWindow
from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue
from chainrule.engines import Array

FAMILY = "pooling"
MAXIMUM, AVERAGE = MistakeCatalogue(FAMILY), MistakeCatalogue(FAMILY)


def _slide(t: GroundTruth) -> SlidingWindow:
    window = t.attributes["window"]
    return SlidingWindow.of({**t.attributes, "stride": t.attributes.get("stride") or window}, t.x.shape[2:], window)


def _cells(t: GroundTruth, fill: float) -> Array:
    """Return the cells of every window, (N, C, KH, KW, H', W'), with ``fill`` on the padding."""
    slide = _slide(t)
    padded = np.pad(t.x, ((0, 0), (0, 0), *slide.padding), constant_values=fill)
    cells = np.empty((*t.x.shape[:2], *slide.window, *slide.outputs))
    for (u, v), (rows, columns) in slide.taps(slide.outputs):
        cells[:, :, u, v] = padded[:, :, rows, columns]
    return cells


def _first(largest: Array) -> Array:
    """Keep only the first marked cell of each window, in row-major order."""
    flat = largest.reshape(*largest.shape[:2], -1, *largest.shape[4:])
    kept = flat & (np.cumsum(flat, axis=2) == 1)
    return kept.reshape(largest.shape)


def _winners(t: GroundTruth) -> Array:
    """Return a mask of the cell that wins each window."""
    cells = _cells(t, -np.inf)
    return _first(cells == cells.max(axis=(2, 3), keepdims=True))


def _distribute(t: GroundTruth, weights: Array, slide: SlidingWindow | None = None, how: str = "add") -> Array:
    """Distribute dy over the cells of every window by weights, on the padded image."""
    given = weights * t.dy[:, :, None, None]
    return sliding.scatter(given, slide or _slide(t), how)


def _cropped(t: GroundTruth, weights: Array, slide: SlidingWindow | None = None, how: str = "add") -> Array:
    """Distribute dy over the cells of every window by weights, on the image without its padding."""
    return _slide(t).crop(_distribute(t, weights, slide, how))


def _pooled(t: GroundTruth, weights: Array | float) -> Array:
    """Return the sum of each window by weights; padding has no part in it."""
    return np.nansum(_cells(t, np.nan) * weights, axis=(2, 3))


def _equal_shares(t: GroundTruth, divisor: str | None = None) -> Array:
    """Return the weight of each cell in average pooling, 1/D."""
    slide = _slide(t)
    shape = (*t.x.shape[:2], *slide.window, *slide.outputs)
    rule = divisor or t.attributes.get("divisor", "cells")
    if rule == "cells":
        real = np.isfinite(_cells(t, np.nan))
        return np.ones(shape) / real.sum(axis=(2, 3), keepdims=True)
    return np.ones(shape) / (1 if rule == "one" else slide.window[0] * slide.window[1])


def _weights(t: GroundTruth) -> Array:
    """Return the right weight of each cell: 1 for a winner, or its share of an average."""
    return _winners(t).astype(float) if t.operation == "max_pool" else _equal_shares(t)


@MAXIMUM.add("x", "ties-all-credited")
def all_ties(t: GroundTruth) -> Candidates:
    """Passes dy to every cell that ties for the maximum: pass it to one of them, the first in row-major order."""
    cells = _cells(t, -np.inf)
    yield _cropped(t, (cells == cells.max(axis=(2, 3), keepdims=True)).astype(float))


@MAXIMUM.add("x", "maximum-as-average")
def shared_out(t: GroundTruth) -> Candidates:
    """Spreads dy over the whole window, as average pooling does: pass all of it to the cell of the maximum."""
    for divisor in ("cells", "window", "one"):
        yield _cropped(t, _equal_shares(t, divisor))


@MAXIMUM.add("x", "overwritten-in-windows")
def last_window(t: GroundTruth) -> Candidates:
    """Keeps only the last window that a cell won: windows overlap, so accumulate with +=."""
    won, slide = _winners(t), _slide(t)
    frame = np.zeros((*t.x.shape[:2], *slide.frame))
    for i, j in np.ndindex(slide.outputs):
        for (u, v), _ in slide.taps((1, 1)):
            cell = frame[:, :, slide.stride[0] * i + u, slide.stride[1] * j + v]
            cell[...] = np.where(won[:, :, u, v, i, j], t.dy[:, :, i, j], cell)
    yield slide.crop(frame)
    yield _cropped(t, won.astype(float), how="window")
    yield _cropped(t, won.astype(float), how="tap")


@MAXIMUM.add("x", "compared-with-spread-maximum")
def painted(t: GroundTruth) -> Candidates:
    """Compares x with the maxima spread over the image, so that only one window counts for each cell: windows overlap,
    so find the maximum of each window and accumulate with +=."""
    slide = _slide(t)
    if slide.stride[0] >= slide.window[0] and slide.stride[1] >= slide.window[1]:
        return
    padded = np.pad(t.x, ((0, 0), (0, 0), *slide.padding), constant_values=-np.inf)
    for window in (slide.window, slide.stride):  # all of each window, or its first cells alone, as np.repeat does
        maxima, upper = np.full(padded.shape, np.nan), np.zeros(padded.shape)
        for i, j in np.ndindex(slide.outputs):
            rows, columns = (
                slice(s * at, s * at + size) for s, at, size in zip(slide.stride, (i, j), window, strict=True)
            )
            maxima[:, :, rows, columns] = t.y[:, :, i, j, None, None]
            upper[:, :, rows, columns] = t.dy[:, :, i, j, None, None]
        yield slide.crop((padded == maxima) * upper)


@MAXIMUM.add("x", "stride-forgotten")
@AVERAGE.add("x", "stride-forgotten")
def scattered_densely(t: GroundTruth) -> Candidates:
    """Is scattered with stride 1: window (i, j) starts at row s·i and column s·j."""
    slide = _slide(t)
    yield _cropped(t, _weights(t), slide.replace(stride=(1, 1)))


@MAXIMUM.add("x", "padding-not-cropped")
@AVERAGE.add("x", "padding-not-cropped")
def uncropped(t: GroundTruth) -> Candidates:
    """Still includes the padding: crop the rows and columns of the padding."""
    frame = _distribute(t, _weights(t))
    yield frame
    yield frame[:, :, : t.x.shape[2], : t.x.shape[3]]


@MAXIMUM.add("y", "padding-wins")
def zeros_win(t: GroundTruth) -> Candidates:
    """Lets zeros of the padding win: pad with −∞, so that padding never wins."""
    yield _cells(t, 0.0).max(axis=(2, 3))


@MAXIMUM.add("y", "average-for-maximum")
def averaged(t: GroundTruth) -> Candidates:
    """Is the mean of each window: take the maximum."""
    yield _pooled(t, _equal_shares(t, "cells"))


@AVERAGE.add("x", "average-not-divided")
def undivided(t: GroundTruth) -> Candidates:
    """Lacks the factor 1/k²: every cell of a window gets dy divided by the number of cells in the window."""
    yield _cropped(t, _equal_shares(t, "one"))


@AVERAGE.add("x y", "average-divided-by-side")
def divided_by_side(t: GroundTruth) -> Candidates:
    """Is divided by one side k of the window: divide by the number of cells in the window, k²."""
    window = _slide(t).window
    if t.attributes.get("divisor", "cells") != "one" and min(window) > 1:
        shape = (*t.x.shape[:2], *window, *_slide(t).outputs)
        for side in {*window}:
            share = np.ones(shape) / side
            yield _pooled(t, share)
            yield _cropped(t, share)


@AVERAGE.add("x", "average-divided-twice")
def divided_twice(t: GroundTruth) -> Candidates:
    """Has the factor 1/k² twice: divide dy by the number of cells once."""
    share = _equal_shares(t)
    yield _cropped(t, share * share)


@AVERAGE.add("x y", "padding-counted")
def counted(t: GroundTruth) -> Candidates:
    """Divides by the size of the whole window where part of it lies on padding: divide by the number of cells
    inside x."""
    if t.attributes.get("divisor") == "cells":
        yield from _divided(t, "window")


@AVERAGE.add("x y", "padding-not-counted")
def not_counted(t: GroundTruth) -> Candidates:
    """Divides by the number of cells inside x: divide by the size of the whole window, padding included."""
    if t.attributes.get("divisor") == "window":
        yield from _divided(t, "cells")


@AVERAGE.add("y", "average-not-divided")
def summed(t: GroundTruth) -> Candidates:
    """Is the sum of each window: divide it by the number of cells."""
    yield _pooled(t, 1.0)


def _divided(t: GroundTruth, divisor: str) -> Candidates:
    yield _pooled(t, _equal_shares(t, divisor))
    yield _cropped(t, _equal_shares(t, divisor))


@AVERAGE.add("x", "overwritten-in-windows")
def overwritten(t: GroundTruth) -> Candidates:
    """Keeps only the last window that covers a cell: windows overlap, so accumulate with +=."""
    for how in ("window", "tap"):
        yield _cropped(t, _equal_shares(t), how=how)


@AVERAGE.add("x", "shared-to-one")
def to_one(t: GroundTruth) -> Candidates:
    """Passes dy to one cell of each window, as max pooling does: divide it among all cells."""
    for weights in (_winners(t).astype(float), _winners(t) * _equal_shares(t)):
        yield _cropped(t, weights)
