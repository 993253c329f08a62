"""FFT by tiles: overlap-save."""

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.algorithms import transforms
from benchmarks.algorithms.algorithm import Algorithm
from benchmarks.algorithms.fft import Fft
from benchmarks.algorithms.layer import NO_PADDING, Array, Layer
from chainrule.core.shapes import Pair

SIDES = tuple(2**power for power in range(3, 15))  # sizes of tiles
WHOLE = Fft()


class FftTiles(Algorithm):
    """Overlap-save: the image in tiles that overlap by K − 1 elements, each transformed separately.

    A tile of T elements gives the T − K + 1 outputs whose taps all lie in it; the other K − 1, which the wrap-around
    affects, are discarded. This is Winograd's algorithm with other points: the roots of unity, at which any tile size
    is numerically stable.

    Cost       log₂ T in place of log₂ P; spectra of kernels as large as a tile, not the image; but each element is
               transformed T/(T − K + 1) times along each axis. T is the power of 2 with the fewest multiplications
    Memory     the spectra of O·C kernels, as large as a tile; the tiles of a batch and of its outputs
    Precision  about ε·log₂ T of the largest output on the tile
    """

    name = "fft tiles"

    def sides(self, layer: Layer) -> Pair:
        """Return the rows and columns of the tile that needs the fewest multiplications per image."""
        return _best_sides(replace(layer, batch=1))

    def prepare(self, w: Array, layer: Layer) -> Array:
        """Prepare the kernels as for an image of the size of a tile."""
        return WHOLE.prepare(w, _of_tile(layer, self.sides(layer)))

    def correlate(self, x: Array, prepared: Array, layer: Layer) -> Array:
        """Cut the padded images into overlapping tiles, correlate each as an image, and join their outputs."""
        sides = self.sides(layer)
        tile, (down, across) = _of_tile(layer, sides), _counts(layer, sides)
        steps = tile.outputs
        (top, _), (left, _) = layer.padding
        room = down * steps[0] + layer.kernel[0] - 1, across * steps[1] + layer.kernel[1] - 1
        padded = np.zeros((layer.batch, layer.channels, *room), x.dtype)
        inside = x[:, :, : room[0] - top, : room[1] - left]
        padded[:, :, top : top + inside.shape[2], left : left + inside.shape[3]] = inside
        windows = sliding_window_view(padded, sides, (2, 3))[:, :, :: steps[0], :: steps[1]]
        tiles = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, layer.channels, *sides)
        found = WHOLE.correlate(tiles, prepared, replace(tile, batch=len(tiles)))
        parts = found.reshape(layer.batch, down, across, layer.filters, *steps).transpose(0, 3, 1, 4, 2, 5)
        y = parts.reshape(layer.batch, layer.filters, down * steps[0], across * steps[1])
        return np.ascontiguousarray(y[:, :, : layer.outputs[0], : layer.outputs[1]])

    def multiplications(self, layer: Layer) -> int:
        """Return the multiplications of one tile times the number of tiles."""
        return _multiplications(layer, self.sides(layer))


@cache
def _best_sides(layer: Layer) -> Pair:
    choices = [(rows, columns) for rows in _sides(layer, 0) for columns in _sides(layer, 1)]
    return min(choices, key=lambda sides: _multiplications(layer, sides))


def _multiplications(layer: Layer, sides: Pair) -> int:
    down, across = _counts(layer, sides)
    return down * across * WHOLE.multiplications(_of_tile(layer, sides))


def _sides(layer: Layer, axis: int) -> list[int]:
    """Return the possible tile sizes along an axis: from the size of the kernel to one that covers the whole axis."""
    if layer.kernel[axis] == layer.outputs[axis] == 1:
        return [1]
    least, most = layer.kernel[axis], layer.outputs[axis] + layer.kernel[axis] - 1
    sides = [side for side in SIDES if least <= side < most]
    return [*sides, transforms.quick(most)]


def _of_tile(layer: Layer, sides: Pair) -> Layer:
    """Return the layer of a single tile."""
    return replace(layer, batch=1, size=sides, padding=NO_PADDING)


def _counts(layer: Layer, sides: Pair) -> Pair:
    """Return the numbers of tiles down and across."""
    axes = zip(layer.outputs, layer.kernel, sides, strict=True)
    down, across = (-(-outputs // (side - taps + 1)) for outputs, taps, side in axes)
    return down, across
