"""GEMM: the sum as a matrix product."""

from itertools import product

import numpy as np

from benchmarks.algorithms import kernels
from benchmarks.algorithms.algorithm import Algorithm
from benchmarks.algorithms.layer import Array, Layer

BYTES = 1 << 19  # of columns at a time, which stay in a core's own cache until they are multiplied
LEAST = 64  # columns at a time: fewer starve the product


class Gemm(Algorithm):
    """im2col: every patch of the picture becomes a column, every filter is a row.

    y[o, (i,j)] = Σ_{(c,u,v)} w[o, (c,u,v)] · columns[(c,u,v), (i,j)],   columns[(c,u,v), (i,j)] = x̄[c, i + u, j + v]

    Cost       C·KH·KW multiplications an output, as direct; the product is the best known loop there is (BLAS)
    Memory     every cell is in KH·KW patches, so the columns of a picture are KH·KW times the picture. Here they are
               made for some rows, or a part of one, at a time, BYTES at most
    Precision  as direct: the same products, added in another order
    Source     Chellapilla, Puri, Simard: High Performance Convolutional Neural Networks for Document Processing, 2006
    """

    name = "gemm"

    def prepare(self, w: Array, layer: Layer) -> Array:
        """Every filter as a row (O, C·KH·KW): the same memory."""
        return np.ascontiguousarray(w).reshape(layer.filters, layer.taps)

    def correlate(self, x: Array, prepared: Array, layer: Layer) -> Array:
        """Part by part: columns, then a matrix product straight into y."""
        x = np.ascontiguousarray(x)
        (height, width), (top, left) = layer.outputs, (layer.padding[0][0], layer.padding[1][0])
        y = np.empty((layer.batch, layer.filters, height, width), x.dtype)
        flat = y.reshape(layer.batch, layer.filters, height * width)
        cells = max(BYTES // (layer.taps * x.itemsize), LEAST)
        across, down = min(width, cells), min(max(cells // width, 1), height)
        for picture, outputs in zip(x, flat, strict=True):
            for i, j in product(range(0, height, down), range(0, width, across)):
                part = min(down, height - i), min(across, width - j)
                columns = np.empty((layer.channels, *layer.kernel, *part), x.dtype)
                kernels.lay_out_patches(picture, columns, i - top, j - left)
                begin, many = i * width + j, part[0] * part[1]
                np.matmul(prepared, columns.reshape(layer.taps, many), out=outputs[:, begin : begin + many])
        return y

    def multiplications(self, layer: Layer) -> int:
        """O·H'·W'·C·KH·KW."""
        return layer.products
