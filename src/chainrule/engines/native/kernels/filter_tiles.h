/* What the kernels with vectors of filters (filters.c, taps.c) share: sizes of tiles, and weights in panels. */
#ifndef CHAINRULE_FILTER_TILES_H
#define CHAINRULE_FILTER_TILES_H

#include "layout.h"
#include "tiles.h"
#include "transposing.h"

enum {
    TILE_ROWS = 2,                           /* vectors of filters in a tile; a vector without a pair has its own */
    TILE_COLUMNS = REGISTERS == 32 ? 10 : 6, /* outputs or taps in a tile; as in choice.py */
    STRIP = 256,                             /* taps or outputs; two vectors for each stay in the fastest cache */
    MIN_LISTED_OUTPUTS = 240,                /* they fill the tiles, and their sums stay in a cache */
};

/* The number of samples whose outputs are listed together to fill the tiles: `outputs` per sample. */
INLINE int64_t samples_per_list(int64_t samples, int64_t outputs)
{
    return max64(1, min64(samples, ceil_div(MIN_LISTED_OUTPUTS, max64(outputs, 1))));
}

/* The number of filters in the first panel of `filters` filters, in whole vectors. */
INLINE int64_t panel_width(int64_t filters) { return filters < TILE_ROWS * LANES ? LANES : TILE_ROWS * LANES; }

/* Weights in panels of vectors of filters, which are packed when tiles are about to read them. */
typedef struct {
    Rows rows;      /* one row per filter (or, for dx, per channel) */
    real *panels;   /* all of them, or the few that tiles are reading */
    bool keeps_all; /* because several lists of outputs read them */
    bool packed;    /* whether all panels were packed before */
} Weights;

/* Weights with space for all panels if `keeps_all`, otherwise for `columns` columns of two vectors. */
INLINE Weights weights_of(Rows rows, bool keeps_all, int64_t columns, bool packed)
{
    int64_t count = keeps_all ? round_up(rows.rows, LANES) * rows.matrices * rows.columns : TILE_ROWS * LANES * columns;
    real *panels = packed ? (real *)rows.values : reals(count + TILE_ROWS * LANES * LANES);
    return (Weights){rows, panels, keeps_all || packed, packed};
}

#endif
