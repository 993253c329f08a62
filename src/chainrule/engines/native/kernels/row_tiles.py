"""Sizes of the tiles of the kernels of convolutions, for their choice and the division among threads."""

from chainrule.engines.native.library import COUNT

# Tiles as (vectors, vectors for a remainder, filters), as large as the registers of the processor allow. The sizes in
# this file are also in native/kernels/row_tiles.h and convolution.c.
BASE_TILE, TILE_OF_6, TILE_OF_5 = (
    ((3, 2, 8), (4, 2, 6), (5, 3, 5)) if COUNT == 32 else ((3, 2, 4), (2, 1, 6), (2, 1, 5))
)
# Tiles of a kernel gradient as (filters, taps): SHORT_SIDE × LONG_SIDE or LONG_SIDE × SHORT_SIDE.
SHORT_SIDE, LONG_SIDE = (4, 6) if COUNT == 32 else (3, 4)

FILTER_COLUMNS = 10 if COUNT == 32 else 6  # outputs in a tile with vectors of filters; as in filter_tiles.h


def filters_per_tile(outs: int) -> int:
    """Return the number of filters of the tile that leaves the fewest columns unused for `outs` filters."""
    even, six, five = -outs % BASE_TILE[2], -outs % 6, -outs % 5
    if five < min(even, six):
        return 5
    return BASE_TILE[2] if even <= six else 6


def in_tall_tiles(vectors: int, tile_rows: int, rest_rows: int) -> int:
    """Return how many vectors of outputs to compute in tiles of `tile_rows`; the others are in tiles of `rest_rows`."""
    rest = vectors % tile_rows
    if rest > rest_rows:
        rest = 0  # one more large tile
    elif rest + tile_rows == 2 * rest_rows and vectors > tile_rows:
        rest += tile_rows  # two small tiles
    return vectors - rest
