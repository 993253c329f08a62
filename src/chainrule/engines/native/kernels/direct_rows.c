/* Cross-correlation by rows of outputs whose sums go directly from registers to the result.
 *
 * A vector has neighboring outputs of one row, as in convolution.c:
 *
 *     y[o, i, j] = b[o] + Σ_k w[o, k] · cells[at(i, j) + taps[k]]        j over the lanes, k over the taps (c, u, v)
 *
 * There, a vector may extend from one row of a padded image into the next, and sums are copied to the result without
 * the elements between the rows. Here, no vector crosses the end of a row: the last one of a row ends with it, and may
 * compute some outputs again. A row therefore has at least as many outputs as a vector has lanes. If the rows of input
 * and output have the same length, as for 1×1 kernels, all rows are one long row. Without padding and with stride 1, x
 * itself is read.
 *
 * Tiles have vectors from a list and filters from a list. Both lists end with copies of their last entry, which fill
 * the last tile. A tile stores the same values several times for them. */
#include "layout.h"
#include "row_tiles.h"

enum { STRIP_BYTES = 1 << 17 }; /* of inputs that stay in a cache until the outputs of all filters are computed */

/* The vectors and the filters of the results of an image. */
typedef struct {
    int64_t *inputs, *outputs,
        count;                  /* offset of each vector's input under a tap at distance 0, and in a channel of y */
    const real *weights;        /* tap k of filter o of tile t is weights[(t taps + k) columns + o] */
    int64_t *channels, filters; /* offset of each filter's results */
    real *addends, *factors;
    bool scaled;
    real least, most;
    const int64_t *taps;
    int64_t tap_count;
} Lists;

/* t[a, b] += x[inputs[a] + lane] · w[b] */
INLINE void tile_add_vectors_at(vec *t, const real *x, const int64_t *inputs, const real *w, int rows, int columns)
{
    vec v[MOST_VECTORS];
    EACH(a, rows) v[a] = at(x + inputs[a]);
    EACH(a, rows) KEEP(v[a]);
    EACH(b, columns) {
        vec factor = spread(w[b]);
        EACH(a, rows) t[a * columns + b] += v[a] * factor;
    }
    EACH(a, rows) KEEP(v[a]); /* so that a product does not overwrite it, which would need one more register */
}

/* The tile whose first vector is q and whose first filter is o. */
INLINE void store_tile(const Lists *lists, const real *cells, int64_t q, int64_t o, real *y, int rows, int columns)
{
    vec t[32];
    const int64_t *inputs = lists->inputs + q;
    const real *w = lists->weights + o * lists->tap_count;
    EACH(b, columns)
        EACH(a, rows) t[a * columns + b] = spread(lists->scaled ? 0 : lists->addends[o + b]);
    for (int64_t k = 0; k < lists->tap_count; k++)
        tile_add_vectors_at(t, cells + lists->taps[k], inputs, w + k * columns, rows, columns);
    if (lists->scaled)
        EACH(b, columns)
            EACH(a, rows)
                t[a * columns + b] = t[a * columns + b] * spread(lists->factors[o + b]) + spread(lists->addends[o + b]);
    tile_clamp(t, lists->least, lists->most, rows, columns);
    EACH(b, columns)
        EACH(a, rows) put(y + lists->outputs[q + a] + lists->channels[o + b], t[a * columns + b]);
}

SEPARATE void store_tile_of(int rows, int columns, const Lists *lists, const real *cells, int64_t q, int64_t o, real *y)
{
    FOR_ROW_TILE(rows, columns, store_tile, lists, cells, q, o, y)
}

/* The results of an image, in strips of vectors. */
static void correlate(const Lists *lists, const real *cells, RowTile tile, real *y)
{
    int64_t strip = max64(1, STRIP_BYTES / (lists->tap_count * WIDTH * tile.rows)) * tile.rows;
    int64_t whole = in_tall_tiles(lists->count, tile);
    for (int64_t first = 0; first < lists->count; first += strip) {
        int64_t last = min64(first + strip, lists->count);
        for (int64_t o = 0; o < lists->filters; o += tile.columns) {
            for (int64_t q = first; q < min64(last, whole); q += tile.rows)
                store_tile_of(tile.rows, tile.columns, lists, cells, q, o, y);
            for (int64_t q = max64(first, whole); q < last; q += tile.rest)
                store_tile_of(tile.rest, tile.columns, lists, cells, q, o, y);
        }
    }
}

/* The vectors of rows of y (N, C_out, H', W'), from rows of `width` elements of the laid-out image. */
static void list_vectors(Lists *lists, Range rows, Array y, int64_t width)
{
    int64_t cells = y.shape[3], count = rows.last - rows.first, length = cells;
    if (width == cells) {
        length = count * cells;
        count = 1;
    }
    int64_t per_row = ceil_div(length, LANES);
    lists->count = count * per_row;
    lists->inputs = integers(lists->count + MOST_VECTORS);
    lists->outputs = integers(lists->count + MOST_VECTORS);
    for (int64_t q = 0; q < lists->count + MOST_VECTORS; q++) {
        int64_t place = min64(q, lists->count - 1), row = rows.first + place / per_row;
        int64_t column = min64(place % per_row * LANES, length - LANES);
        lists->inputs[q] = row * width + column;
        lists->outputs[q] = row * cells + column;
    }
}

/* The filters from `lowest` to `end` − 1 in the order of the tiles, rounded up to whole tiles. */
static void list_filters(Lists *lists, int64_t lowest, int64_t end, int64_t columns, Array y, Epilogue epilogue)
{
    lists->filters = round_up(end - lowest, columns);
    lists->channels = integers(lists->filters);
    lists->addends = reals(lists->filters);
    lists->factors = reals(lists->filters);
    for (int64_t t = 0; t < lists->filters; t++) {
        int64_t o = min64(lowest + t, end - 1);
        lists->channels[t] = o * size_from(y, 2);
        lists->addends[t] = addend_of(epilogue, o);
        lists->factors[t] = factor_of(epilogue, o);
    }
    lists->scaled = epilogue.factors != NULL;
    lists->least = epilogue.least;
    lists->most = epilogue.most;
}

/* Filters of w (C_out, …) in the order of the tiles; the first one, o, starts at element o·taps. */
static void pack(Array w, int64_t lowest, int64_t end, real *packed)
{
    const real *weights = w.at;
    int64_t taps = size_from(w, 1), columns = row_tile(w.shape[0]).columns;
    for (int64_t t = 0; t < round_up(end - lowest, columns); t++) {
        real *target = packed + (lowest + t / columns * columns) * taps + t % columns;
        const real *source = weights + min64(lowest + t, end - 1) * taps;
        for (int64_t k = 0; k < taps; k++) target[k * columns] = source[k];
    }
}

KERNEL(pack_tiles)
{
    pack(arrays[0], numbers[0].i, numbers[1].i < 0 ? arrays[0].shape[0] : numbers[1].i, arrays[1].at);
    return DONE;
}

/* y = w ⋆ x + b, and the epilogue: x (N, C, H, W), w (C_out, C, KH, KW), b (C_out) or none, y (N, C_out, H', W'). */
KERNEL(correlate_rows)
{
    Array x = arrays[0], w = arrays[1], y = arrays[3];
    Window window = window_of(numbers);
    Chunk chunk = chunk_of(numbers, y.shape[2], y.shape[1]);
    Range rows = {chunk.rows[0], chunk.rows[1]};
    int64_t lowest = chunk.filters[0], end = chunk.filters[1], taps = size_from(w, 1), result = size_from(y, 1);
    if (rows.last <= rows.first || end <= lowest) return DONE;
    Layout layout = padded_layout(x, window);
    RowTile tile = row_tile(w.shape[0]);
    Lists lists = {.taps = NAME(forward_taps)(w, layout, window), .tap_count = taps};
    list_vectors(&lists, rows, y, layout.width);
    list_filters(&lists, lowest, end, tile.columns, y, epilogue_of(numbers, arrays[2], y.shape[1]));
    real *weights = w.at;
    if (!numbers[PACKED].i) {
        weights = reals((lowest + lists.filters) * taps);
        pack(w, lowest, end, weights);
    }
    lists.weights = weights + lowest * taps;
    if (window.stride[0] == 1 && window.stride[1] == 1 && !is_padded(window)) {
        const real *cells = NAME(copied_if_shared)(x, end - lowest < y.shape[1]);
        for (int64_t n = 0; n < x.shape[0]; n++)
            correlate(&lists, cells + n * size_from(x, 1), tile, (real *)y.at + n * result);
        return DONE;
    }
    int64_t phases = layout.plane * window.stride[0] * window.stride[1],
            length = (rows.last - 1) * layout.width + y.shape[3];
    real *cells = zeros(NAME(buffer_size)(x.shape[1] * phases, 0, lists.taps, taps, length));
    Range read = input_rows(x, w, window, rows.first, rows.last);
    for (int64_t n = 0; n < x.shape[0]; n++) {
        NAME(lay_out)(x, n, cells, layout, window, read);
        correlate(&lists, cells, tile, (real *)y.at + n * result);
    }
    return DONE;
}
