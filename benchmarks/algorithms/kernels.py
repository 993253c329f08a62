"""Loops that are slow in NumPy, compiled like the kernels of the compiled engine."""

from chainrule.engines.compiled.compiler import COUNT, WIDTH, inlined, kernel
from chainrule.engines.compiled.kernels.tiles import add_outer, store, zeros

SUMS = (3, 8) if COUNT == 32 else (3, 4)  # numbers of vectors and factors, whose products fill the registers
FREQUENCIES = 64  # per block of spectra, so that the blocks of all kernels fit into the L2 cache


@kernel
def multiply_add_often(vectors, factors, sums, times):
    """Repeat `times` times: multiply `SUMS` vectors by factors and add the products to sums in registers."""
    tile = zeros(vectors, SUMS[0], SUMS[1])
    for _ in range(times):
        tile = add_outer(tile, vectors, 0, factors, 0, 1)
    store(tile, sums, 0, SUMS[0] * (WIDTH // vectors.itemsize))


@kernel
def lay_out_patches(image, columns, top, left):
    """Set columns[c,u,v,i,j] = image[c, top + i + u, left + j + v], or 0 outside the image (C, H, W)."""
    channels, height, width = image.shape
    KH, KW, rows, outputs = columns.shape[1:]
    for c in range(channels):
        for u in range(KH):
            for v in range(KW):
                first = min(max(-left - v, 0), outputs)
                last = max(min(width - left - v, outputs), first)
                for i in range(rows):
                    row, target = top + i + u, columns[c, u, v, i]
                    if row < 0 or row >= height:
                        target[:] = 0
                        continue
                    target[:first] = 0
                    target[last:] = 0
                    inside, source = target[first:last], image[c, row, max(left + v + first, 0) :]
                    for j in range(last - first):
                        inside[j] = source[j]


@kernel
def multiply_spectra(x, w, y):
    """Set y[n,o,f] = Σ_c x[n,c,f]·w[o,c,f], in blocks of frequencies, so that w is read once for all images.

    The last axis of each array contains the real and imaginary part.
    """
    count = x.shape[2]
    for first in range(0, count, FREQUENCIES):
        last = min(count, first + FREQUENCIES)
        for n in range(x.shape[0]):
            for o in range(w.shape[0]):
                _multiply_block(x[n], w[o], y[n, o], first, last)


@inlined
def _multiply_block(x, w, y, first, last):
    """Compute a block of frequencies, two channels at a time to halve the loads and stores of the sums."""
    sums = y[first:last]
    sums[:] = 0
    even = w.shape[0] // 2 * 2
    for c in range(0, even, 2):
        a, b, d, e = x[c, first:last], w[c, first:last], x[c + 1, first:last], w[c + 1, first:last]
        for f in range(last - first):
            sums[f, 0] += a[f, 0] * b[f, 0] - a[f, 1] * b[f, 1] + d[f, 0] * e[f, 0] - d[f, 1] * e[f, 1]
            sums[f, 1] += a[f, 0] * b[f, 1] + a[f, 1] * b[f, 0] + d[f, 0] * e[f, 1] + d[f, 1] * e[f, 0]
    for c in range(even, w.shape[0]):
        a, b = x[c, first:last], w[c, first:last]
        for f in range(last - first):
            sums[f, 0] += a[f, 0] * b[f, 0] - a[f, 1] * b[f, 1]
            sums[f, 1] += a[f, 0] * b[f, 1] + a[f, 1] * b[f, 0]
