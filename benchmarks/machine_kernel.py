"""The loop that measures the peak performance of the processor."""

from chainrule.engines.compiled.compiler import COUNT, WIDTH, kernel
from chainrule.engines.compiled.kernels.tiles import add_outer, store, zeros

SUMS = (3, 8) if COUNT == 32 else (3, 4)  # numbers of vectors and factors, whose products fill the registers


@kernel
def multiply_add_often(vectors, factors, sums, times):
    """Repeat `times` times: multiply `SUMS` vectors by factors and add the products to sums in registers."""
    tile = zeros(vectors, SUMS[0], SUMS[1])
    for _ in range(times):
        tile = add_outer(tile, vectors, 0, factors, 0, 1)
    store(tile, sums, 0, SUMS[0] * (WIDTH // vectors.itemsize))
