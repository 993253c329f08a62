"""GEMM: the convolution as a matrix product."""

from itertools import product

import numpy as np

from benchmarks.algorithms import kernels
from benchmarks.algorithms.algorithm import Algorithm
from benchmarks.algorithms.layer import Array, Layer

BLOCK_BYTES = 1 << 19  # size of a block of columns, small enough for a core's private cache
MIN_COLUMNS = 64  # columns per block; with fewer, the product is inefficient


class Gemm(Algorithm):
    """im2col: every patch of the image is a column, and every filter is a row.

    y[o, (i,j)] = Σ_{(c,u,v)} w[o, (c,u,v)] · columns[(c,u,v), (i,j)],   columns[(c,u,v), (i,j)] = x̄[c, i + u, j + v]

    Cost       C·KH·KW multiplications per output, as for direct; the matrix product is highly optimized (BLAS)
    Memory     every element is in KH·KW patches, so the columns need KH·KW times the memory of the image. Here, they
               are stored in blocks of at most `BLOCK_BYTES`: a few rows, or a part of a row
    Precision  as for direct: the same products, added in another order
    Source     Chellapilla, Puri, Simard: High Performance Convolutional Neural Networks for Document Processing, 2006
    """

    name = "gemm"

    def prepare(self, w: Array, layer: Layer) -> Array:
        """Return the filters as rows (O, C·KH·KW), a view of the same memory."""
        return np.ascontiguousarray(w).reshape(layer.filters, layer.taps)

    def correlate(self, x: Array, prepared: Array, layer: Layer) -> Array:
        """Fill the columns block by block, and multiply each block directly into y."""
        x = np.ascontiguousarray(x)
        (height, width), (top, left) = layer.outputs, (layer.padding[0][0], layer.padding[1][0])
        y = np.empty((layer.batch, layer.filters, height, width), x.dtype)
        flat = y.reshape(layer.batch, layer.filters, height * width)
        block_columns = max(BLOCK_BYTES // (layer.taps * x.itemsize), MIN_COLUMNS)
        across, down = min(width, block_columns), min(max(block_columns // width, 1), height)
        for image, outputs in zip(x, flat, strict=True):
            for i, j in product(range(0, height, down), range(0, width, across)):
                part = min(down, height - i), min(across, width - j)
                columns = np.empty((layer.channels, *layer.kernel, *part), x.dtype)
                kernels.lay_out_patches(image, columns, i - top, j - left)
                begin, count = i * width + j, part[0] * part[1]
                np.matmul(prepared, columns.reshape(layer.taps, count), out=outputs[:, begin : begin + count])
        return y

    def multiplications(self, layer: Layer) -> int:
        """Return O·H'·W'·C·KH·KW."""
        return layer.products
