"""Winograd's algorithm, which needs fewer products per output by evaluating small tiles at a few points."""

from math import prod

import numpy as np

from benchmarks.algorithms.algorithm import Algorithm
from benchmarks.algorithms.layer import Array, Layer
from chainrule.core.shapes import text
from chainrule.engines.compiled.compiler.intrinsics import CELLS, POINTS, RESULTS, matrix_of
from chainrule.engines.compiled.kernels.choice import WINOGRAD
from chainrule.engines.compiled.kernels.selection import KERNELS, run_kernel


class Winograd(Algorithm):
    """F(4×4, 3×3): 4×4 outputs of a 3×3 kernel from a tile of 6×6 elements; or F(2×2, 5×5), for a 5×5 kernel.

    Y = Aᵀ · [ Σ_c (G w[o,c] Gᵀ) ⊙ (Bᵀ d[c] B) ] · A        d: a tile of x̄; tiles overlap

    At each point (a, b), the products for all tiles and channels are a matrix product: (O, C) by (C, tiles).

    Cost       36 multiplications per channel for the outputs of a tile, 2.25 per output of F(4×4, 3×3) instead of 9.
               The transforms need multiplications and additions; their number is proportional to C + O, the number of
               products to C·O
    Memory     input and output tiles, and kernels, at all points; a tile of F(4×4, 3×3) has 36/16 times the elements of
               its outputs
    Precision  sums of large numbers cancel: up to twice the error of direct, and worse with every additional point
    Source     engines/compiled/kernels/winograd_tiles.py; matrices in engines/compiled/compiler/intrinsics.py
    """

    name = "winograd"

    def refusal(self, layer: Layer) -> str | None:
        """Return the reason why kernels other than 3×3 and 5×5 are unsupported; None for these two."""
        if layer.kernel in WINOGRAD:
            return None
        return f"{self.name} requires a 3×3 or 5×5 kernel, found {text(layer.kernel)}"

    def prepare(self, w: Array, layer: Layer) -> Array:
        """Return the kernels unchanged; the engine transforms them for every batch."""
        return w

    def correlate(self, x: Array, prepared: Array, layer: Layer) -> Array:
        """Run the engine's kernel on a single thread."""
        arrays = [np.ascontiguousarray(x), np.ascontiguousarray(prepared), None]
        return run_kernel(KERNELS[WINOGRAD[layer.kernel]], arrays, {"padding": layer.padding}, x.dtype)[0]

    def multiplications(self, layer: Layer) -> int:
        """Return the number of multiplications, including the transforms with factors other than 0, 1 and −1."""
        outputs = POINTS + 1 - layer.kernel[0]
        tiles = prod(-(-size // outputs) for size in layer.outputs)
        into, out = _multiplications(matrix_of(CELLS, POINTS)), _multiplications(matrix_of(RESULTS, outputs))
        transforms = 2 * POINTS * into * layer.channels + (POINTS + outputs) * out * layer.filters
        return tiles * (POINTS**2 * layer.channels * layer.filters + transforms)


def _multiplications(matrix: Array) -> int:
    """Return the number of multiplications for the product of a matrix and a vector."""
    return int(np.count_nonzero(~np.isin(np.abs(matrix), (0, 1))))
