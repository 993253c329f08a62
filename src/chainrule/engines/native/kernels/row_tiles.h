/* Tiles of vectors of neighboring outputs by filters, for convolution.c and direct_rows.c; as in row_tiles.py. */
#ifndef CHAINRULE_ROW_TILES_H
#define CHAINRULE_ROW_TILES_H

#include "tiles.h"

/* Vectors of a tile, vectors of a tile for the rest of a row, and filters. */
typedef struct {
    int rows, rest, columns;
} RowTile;

#if REGISTERS == 32
enum { MOST_VECTORS = 5, MOST_COLUMNS = 8 };
static const RowTile ROW_TILES[] = {{5, 3, 5}, {3, 2, 8}, {4, 2, 6}};
/* A call of f(arguments …, vectors, filters) for the tile of this size, with constants. */
#define FOR_ROW_TILE(rows, columns, f, ...)                                                                            \
    switch (rows * 10 + columns) {                                                                                     \
    case 55:                                                                                                           \
        f(__VA_ARGS__, 5, 5);                                                                                          \
        break;                                                                                                         \
    case 35:                                                                                                           \
        f(__VA_ARGS__, 3, 5);                                                                                          \
        break;                                                                                                         \
    case 38:                                                                                                           \
        f(__VA_ARGS__, 3, 8);                                                                                          \
        break;                                                                                                         \
    case 28:                                                                                                           \
        f(__VA_ARGS__, 2, 8);                                                                                          \
        break;                                                                                                         \
    case 46:                                                                                                           \
        f(__VA_ARGS__, 4, 6);                                                                                          \
        break;                                                                                                         \
    case 26:                                                                                                           \
        f(__VA_ARGS__, 2, 6);                                                                                          \
        break;                                                                                                         \
    }
#else
enum { MOST_VECTORS = 3, MOST_COLUMNS = 6 };
static const RowTile ROW_TILES[] = {{2, 1, 5}, {3, 2, 4}, {2, 1, 6}};
#define FOR_ROW_TILE(rows, columns, f, ...)                                                                            \
    switch (rows * 10 + columns) {                                                                                     \
    case 25:                                                                                                           \
        f(__VA_ARGS__, 2, 5);                                                                                          \
        break;                                                                                                         \
    case 15:                                                                                                           \
        f(__VA_ARGS__, 1, 5);                                                                                          \
        break;                                                                                                         \
    case 34:                                                                                                           \
        f(__VA_ARGS__, 3, 4);                                                                                          \
        break;                                                                                                         \
    case 24:                                                                                                           \
        f(__VA_ARGS__, 2, 4);                                                                                          \
        break;                                                                                                         \
    case 26:                                                                                                           \
        f(__VA_ARGS__, 2, 6);                                                                                          \
        break;                                                                                                         \
    case 16:                                                                                                           \
        f(__VA_ARGS__, 1, 6);                                                                                          \
        break;                                                                                                         \
    }
#endif

/* The tile that leaves the fewest columns unused. */
INLINE RowTile row_tile(int64_t filters)
{
    int64_t unused[3];
    EACH(k, 3) unused[k] = round_up(filters, ROW_TILES[k].columns) - filters;
    if (unused[0] < min64(unused[1], unused[2])) return ROW_TILES[0];
    return unused[1] <= unused[2] ? ROW_TILES[1] : ROW_TILES[2];
}

/* The number of vectors to compute in tiles of `rows`; the others are in tiles of `rest`. */
INLINE int64_t in_tall_tiles(int64_t vectors, RowTile tile)
{
    int64_t rest = vectors % tile.rows;
    if (rest > tile.rest) rest = 0;                                                       /* one more large tile */
    else if (rest + tile.rows == 2 * tile.rest && vectors > tile.rows) rest += tile.rows; /* two small tiles */
    return vectors - rest;
}

#endif
