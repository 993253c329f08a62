"""Sliding windows with any stride, padding, dilation and accumulation, including incorrect ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.shapes import Padding, Pair, extent, output_size
from chainrule.engines.protocol import Array


@dataclass(frozen=True)
class SlidingWindow:
    """The geometry of a window that slides over an image of shape ``size``; see `reference.windows`."""

    size: Pair
    window: Pair
    stride: Pair
    padding: Padding
    dilation: Pair

    @classmethod
    def of(cls, attributes: Mapping[str, Any], size: tuple[int, ...], window: tuple[int, ...]) -> "SlidingWindow":
        """Return the geometry for the attributes of an operation."""
        stride = attributes.get("stride") or (1, 1)
        padding = attributes.get("padding", ((0, 0), (0, 0)))
        return cls((size[0], size[1]), (window[0], window[1]), stride, padding, attributes.get("dilation", (1, 1)))

    @property
    def padded_size(self) -> Pair:
        """H and W of the padded image."""
        (top, bottom), (left, right) = self.padding
        return (self.size[0] + top + bottom, self.size[1] + left + right)

    @property
    def outputs(self) -> Pair:
        """H' and W'."""
        axes = zip(self.size, self.window, self.stride, self.padding, self.dilation, strict=True)
        sizes = list[int]()
        for axis in axes:
            sizes.append(output_size(*axis))
        return (sizes[0], sizes[1])

    def crop(self, padded: Array) -> Array:
        """Remove the padding from a padded image."""
        (top, _), (left, _) = self.padding
        return padded[:, :, top : top + self.size[0], left : left + self.size[1]]

    def taps(self, outputs: Pair) -> Iterator[tuple[Pair, tuple[slice, slice]]]:
        """Yield every offset (u, v) in the window, with the rows and columns of the padded image at this offset.

        outputs  number of windows along each axis
        """
        for u in range(self.window[0]):
            for v in range(self.window[1]):
                yield (u, v), (self._overlap(0, u, outputs), self._overlap(1, v, outputs))

    def _overlap(self, axis: int, tap: int, outputs: Pair) -> slice:
        first = self.dilation[axis] * tap
        return slice(first, first + self.stride[axis] * (outputs[axis] - 1) + 1, self.stride[axis])


def products(dy: Array, w: Array, groups: int) -> Array:
    """Return P[n,c,u,v,i,j] = Σ_o dy[n,o,i,j] · w[o,c,u,v], from window (i, j) to the cell at offset (u, v)."""
    N, _, rows, columns = dy.shape
    upstream = dy.reshape(N, groups, -1, rows, columns)
    kernels = w.reshape(groups, -1, *w.shape[1:])
    return np.einsum("ngoij,gocuv->ngcuvij", upstream, kernels).reshape(N, -1, *w.shape[2:], rows, columns)


def scatter(gradients: Array, geometry: SlidingWindow, mode: str = "add") -> Array:
    """Scatter the gradients P[n,c,u,v,i,j] of all windows to the padded image.

    mode   "add" accumulates, which is correct; "window" and "tap" overwrite in row-major order of windows or offsets
    """
    outputs = (gradients.shape[4], gradients.shape[5])
    sizes = [
        max(padded, stride * (count - 1) + extent(window, dilation))
        for padded, stride, count, window, dilation in zip(
            geometry.padded_size, geometry.stride, outputs, geometry.window, geometry.dilation, strict=True
        )
    ]
    padded = np.zeros((*gradients.shape[:2], *sizes))
    if mode == "window":
        for i, j in np.ndindex(outputs):
            first = (geometry.stride[0] * i, geometry.stride[1] * j)
            for (u, v), _ in geometry.taps((1, 1)):
                cell = (first[0] + geometry.dilation[0] * u, first[1] + geometry.dilation[1] * v)
                padded[:, :, cell[0], cell[1]] = gradients[:, :, u, v, i, j]
        return padded
    for (u, v), (rows, columns) in geometry.taps(outputs):
        part = padded[:, :, rows, columns]
        if mode == "tap":
            part[...] = gradients[:, :, u, v]
        else:
            part[...] = part + gradients[:, :, u, v]
    return padded
