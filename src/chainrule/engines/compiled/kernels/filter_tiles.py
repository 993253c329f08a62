"""Sizes of tiles with vectors of filters; see `filters.py`."""

from chainrule.engines.compiled.compiler import COUNT

TILE_COLUMNS = 10 if COUNT == 32 else 6  # outputs or taps in a tile; as in native/kernels/filter_tiles.h
STRIP = 256  # taps or outputs; two vectors for each stay in the fastest cache
