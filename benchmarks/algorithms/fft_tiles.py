"""FFT of tiles: overlap-save."""

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.algorithms import transforms
from benchmarks.algorithms.algorithm import Algorithm
from benchmarks.algorithms.fft import Fft
from benchmarks.algorithms.layer import NO_PADDING, Array, Layer
from chainrule.core.shapes import Pair

SIDES = tuple(2**power for power in range(3, 15))  # tile sizes
FFT = Fft()


class FftTiles(Algorithm):
    """Overlap-save: the image is split into tiles that overlap by K − 1 elements, each transformed separately.

    A tile of T elements yields the T − K + 1 outputs whose taps are all inside the tile; the other K − 1, affected by
    wrap-around, are discarded. This is Winograd's algorithm with other points, the roots of unity, and numerically
    stable for any tile size.

    Cost       log₂ T instead of log₂ P; spectra of kernels are as large as a tile instead of the image; but each
               element is transformed T/(T − K + 1) times along each axis. T is the power of 2 with the fewest
               multiplications
    Memory     the spectra of O·C kernels, each as large as a tile, and the tiles of a batch and its outputs
    Precision  about ε·log₂ T times the largest output of the tile
    """

    name = "fft tiles"

    def sides(self, layer: Layer) -> Pair:
        """Return the tile size (rows, columns) that needs the fewest multiplications per image."""
        return _best_sides(replace(layer, batch=1))

    def prepare(self, w: Array, layer: Layer) -> Array:
        """Prepare the kernels for images as large as a tile."""
        return FFT.prepare(w, _tile_layer(layer, self.sides(layer)))

    def correlate(self, x: Array, prepared: Array, layer: Layer) -> Array:
        """Split the padded images into overlapping tiles, correlate each as an image, and join the outputs."""
        sides = self.sides(layer)
        tile, (down, across) = _tile_layer(layer, sides), _counts(layer, sides)
        steps = tile.outputs
        (top, _), (left, _) = layer.padding
        padded_size = down * steps[0] + layer.kernel[0] - 1, across * steps[1] + layer.kernel[1] - 1
        padded = np.zeros((layer.batch, layer.channels, *padded_size), x.dtype)
        inside = x[:, :, : padded_size[0] - top, : padded_size[1] - left]
        padded[:, :, top : top + inside.shape[2], left : left + inside.shape[3]] = inside
        windows = sliding_window_view(padded, sides, (2, 3))[:, :, :: steps[0], :: steps[1]]
        tiles = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, layer.channels, *sides)
        outputs = FFT.correlate(tiles, prepared, replace(tile, batch=len(tiles)))
        parts = outputs.reshape(layer.batch, down, across, layer.filters, *steps).transpose(0, 3, 1, 4, 2, 5)
        y = parts.reshape(layer.batch, layer.filters, down * steps[0], across * steps[1])
        return np.ascontiguousarray(y[:, :, : layer.outputs[0], : layer.outputs[1]])

    def multiplications(self, layer: Layer) -> int:
        """Return the number of multiplications per tile, times the number of tiles."""
        return _multiplications(layer, self.sides(layer))


@cache
def _best_sides(layer: Layer) -> Pair:
    choices = [(rows, columns) for rows in _candidate_sides(layer, 0) for columns in _candidate_sides(layer, 1)]
    return min(choices, key=lambda sides: _multiplications(layer, sides))


def _multiplications(layer: Layer, sides: Pair) -> int:
    down, across = _counts(layer, sides)
    return down * across * FFT.multiplications(_tile_layer(layer, sides))


def _candidate_sides(layer: Layer, axis: int) -> list[int]:
    """Return the possible tile sizes along an axis, from the kernel size to a size that covers the whole axis."""
    if layer.kernel[axis] == layer.outputs[axis] == 1:
        return [1]
    least, most = layer.kernel[axis], layer.outputs[axis] + layer.kernel[axis] - 1
    sides = [side for side in SIDES if least <= side < most]
    return [*sides, transforms.quick(most)]


def _tile_layer(layer: Layer, sides: Pair) -> Layer:
    """Return the layer of a single tile."""
    return replace(layer, batch=1, size=sides, padding=NO_PADDING)


def _counts(layer: Layer, sides: Pair) -> Pair:
    """Return the numbers of tiles down and across."""
    axes = zip(layer.outputs, layer.kernel, sides, strict=True)
    down, across = (-(-outputs // (side - taps + 1)) for outputs, taps, side in axes)
    return down, across
