"""Winograd's algorithm, which needs fewer products per output by evaluating small tiles at a few points."""

from itertools import product

import numpy as np

from benchmarks.algorithms import winograd_kernels as kernels
from benchmarks.algorithms.algorithm import Algorithm
from benchmarks.algorithms.layer import Array, Layer
from benchmarks.algorithms.toom_cook import Matrices, matrices
from chainrule.core.shapes import text
from chainrule.errors import OptionError

LANES = 256  # tiles per matrix product, from a part of an image or from several images
TRANSFORMS = {2: (0, 0), 4: (7, 3)}  # multiplications for Bᵀ and Aᵀ along one line of a tile (winograd_kernels.py)


class Winograd(Algorithm):
    """F(m×m, 3×3): m×m outputs of a 3×3 kernel from a tile of (m + 2)×(m + 2) elements; F(m, 3) along one axis.

    Y = Aᵀ · [ Σ_c (G w[o,c] Gᵀ) ⊙ (Bᵀ d[c] B) ] · A        d: a tile of x̄; tiles overlap by two elements

    At each point (a, b), the products for all tiles and channels are a matrix product: (O, C) by (C, tiles).

    Cost       (m + 2)²/m² instead of 9 multiplications per output and channel: 4 for F(2×2), 2.25 for F(4×4), and
               (m + 2)/m instead of 3 in one dimension. The transforms need additions, and for F(4) also
               multiplications; their number is proportional to C + O, the number of products to C·O
    Memory     input and output tiles, (m + 2)²/m² times the size of the images processed at once
    Precision  sums of large numbers cancel: about as good as direct for F(2), about ten times worse for F(4), and
               worse with every additional point
    Source     toom_cook.py
    """

    def __init__(self, outputs: int) -> None:
        if outputs not in TRANSFORMS:
            raise OptionError(f"winograd F({outputs},3): expected {' or '.join(map(str, TRANSFORMS))} outputs")
        self.outputs = outputs
        self.name = f"winograd F({outputs},3)"

    def refusal(self, layer: Layer) -> str | None:
        """Return the reason why kernels other than 3×3, 1×3 and 3×1 are unsupported; None for these three."""
        if set(layer.kernel) in ({3}, {1, 3}):
            return None
        return f"{self.name} requires a 3×3 kernel (1×3 or 3×1 in one dimension), found {text(layer.kernel)}"

    def along(self, layer: Layer) -> tuple[Matrices, Matrices]:
        """Return the matrices for rows and columns; for an axis with one tap, F(1, 1), whose matrices are ones."""
        down, across = (matrices(self.outputs, 3) if taps == 3 else matrices(1, 1) for taps in layer.kernel)
        return down, across

    def tiles(self, layer: Layer) -> tuple[int, int]:
        """Return the numbers of tiles down and across an image; the last ones may extend beyond it."""
        down, across = (-(-size // axis.outputs) for size, axis in zip(layer.outputs, self.along(layer), strict=True))
        return down, across

    def prepare(self, w: Array, layer: Layer) -> Array:
        """Return G w Gᵀ of all kernels, (T·T, O, C), as one product with the Kronecker product of both matrices G."""
        down, across = self.along(layer)
        both = np.kron(down.G, across.G).astype(w.dtype)
        flat = np.ascontiguousarray(w).reshape(-1, both.shape[1])
        return (both @ flat.T).reshape(len(both), layer.filters, layer.channels)

    def correlate(self, x: Array, prepared: Array, layer: Layer) -> Array:
        """Transform tiles, multiply matrices at every point, and transform back, `LANES` tiles at a time."""
        x = np.ascontiguousarray(x)
        (down, across), tiles = self.along(layer), self.tiles(layer)
        tiles_per_image, sides, steps = tiles[0] * tiles[1], (down.size, across.size), (down.outputs, across.outputs)
        start = -layer.padding[0][0], -layer.padding[1][0]
        y = np.empty((layer.batch, layer.filters, *layer.outputs), x.dtype)
        block = min(max(LANES // tiles_per_image, 1), layer.batch)
        for first, begin in product(range(0, layer.batch, block), range(0, tiles_per_image, LANES)):
            images, outputs = x[first : first + block], y[first : first + block]
            span = begin, min(begin + LANES, tiles_per_image)
            inside = np.empty((len(prepared), layer.channels, len(images) * (span[1] - begin)), x.dtype)
            kernels.tiles_in(images, inside, span, tiles[1], *sides, start, steps)
            kernels.tiles_out(prepared @ inside, outputs, span, tiles[1], *sides)
        return y

    def multiplications(self, layer: Layer) -> int:
        """Return the number of multiplications, including the transforms with factors other than 0, 1 and −1."""
        down, across = self.along(layer)
        (into, out), tiles = TRANSFORMS[self.outputs], self.tiles(layer)
        if down.size == 1 or across.size == 1:
            lines_in, lines_out = 1, 1
        else:  # every column, then every row of the result
            lines_in, lines_out = across.size + down.size, across.size + down.outputs
        products = down.size * across.size * layer.channels * layer.filters
        transforms = into * lines_in * layer.channels + out * lines_out * layer.filters
        return tiles[0] * tiles[1] * (products + transforms)
