/* Cross-correlation and its gradients tap by tap, with vectors of filters.
 *
 * Under a tap (u, v), output (i, j) reads cell (s·i + d·u − top, s·j + d·v − left) of the image, with stride s,
 * dilation d, and the top rows and left columns of the padding. For every tap, the pairs (p, q) of a cell p and the
 * output q that reads it are listed. Only cells inside the image are listed: no padding is multiplied, and strides need
 * no phases.
 *
 *     y[o, q] += Σ_c w[c, u, v, o] · x[c, p]        for the pairs (p, q) of a tap, o over the lanes
 *     dx[c, p] += Σ_o w[o, u, v, c] · dy[o, q]      the same sums with cells and outputs exchanged, c over the lanes
 *     dw[c, u, v, o] += Σ_(p, q) x[c, p] · dy[q, o]
 *
 * The sums of a tile are loaded and stored once for every tap. For y and dx, the channels that are summed are
 * contiguous, so that a few cells occupy few cache lines instead of one line per channel. */
#include "filter_tiles.h"

enum { PACKED_WEIGHTS = 1152 }; /* weights per result that are packed at once, in panels of two vectors */

/* How cells, or outputs, are stored. */
typedef struct {
    Range rows;           /* stored rows; for cells, all rows of the image */
    int64_t width;        /* elements in a row */
    int64_t step, sample; /* distances between neighboring elements and between images */
} Grid;

/* The pairs of each tap, `spacing` places apart: offsets of what is read and of the sums that increase. */
typedef struct {
    int64_t *from, *to, *counts, spacing;
} Pairs;

/* Lists of at most `most` pairs per tap, and of one more tile. */
static Pairs new_pairs(int64_t taps, int64_t most)
{
    int64_t spacing = most + TILE_COLUMNS;
    return (Pairs){integers(taps * spacing), integers(taps * spacing), integers(taps), spacing};
}

/* List the pairs of a tap of filters w for some images, and return their number. The outputs whose cell is inside the
 * image are in rows `top` to `bottom` − 1 and columns `left` to `right` − 1. */
static int64_t list_pairs(int64_t tap, Array w, Window window, int64_t samples, Grid image, Grid outputs,
                          int64_t *cells, int64_t *results)
{
    int64_t t = window.flip ? w.shape[2] * w.shape[3] - 1 - tap : tap, *stride = window.stride, count = 0;
    int64_t down = t / w.shape[3] * window.dilation[0] - window.padding[0][0];
    int64_t along = t % w.shape[3] * window.dilation[1] - window.padding[1][0];
    int64_t top = max64(outputs.rows.first, ceil_div(-down, stride[0]));
    int64_t bottom = min64(outputs.rows.last, ceil_div(image.rows.last - down, stride[0]));
    int64_t left = max64(0, ceil_div(-along, stride[1]));
    int64_t right = min64(outputs.width, ceil_div(image.width - along, stride[1]));
    for (int64_t n = 0; n < samples; n++)
        for (int64_t i = top; i < bottom; i++) {
            int64_t row = (i * stride[0] + down) * image.width + along;
            int64_t result = (i - outputs.rows.first) * outputs.width;
            for (int64_t j = left; j < right; j++, count++) {
                cells[count] = (row + j * stride[1]) * image.step + n * image.sample;
                results[count] = (result + j) * outputs.step + n * outputs.sample;
            }
        }
    return count;
}

/* How many channels are packed at once: equal parts, in which a tile of two vectors needs at most about PACKED_WEIGHTS
 * weights per result. */
static int64_t channels_packed(int64_t channels, int64_t taps, int64_t rows)
{
    return ceil_div(channels, ceil_div(channels * taps * rows, TILE_ROWS * PACKED_WEIGHTS));
}

/* The products under a tap for a panel of results, and the sums to which they are added. */
typedef struct {
    const real *panel; /* the weight of channel k and result o is panel[k step + o] */
    int64_t step, channels;
    const real *values;
    const int64_t *from, *to;
    int64_t count; /* of pairs */
    real *sums;
} Tap;

/* sums[to[p] + o] += Σ_k panel[k step + o] · values[from[p] + k] for the pairs p */
INLINE void add_tiles(const Tap *tap, int rows)
{
    for (int64_t p = 0; p < tap->count; p += TILE_COLUMNS) {
        vec t[TILE_ROWS * TILE_COLUMNS];
        const real *panel = tap->panel;
        tile_load_at(t, tap->sums, tap->to + p, rows, TILE_COLUMNS);
        for (int64_t k = 0; k < tap->channels; k++, panel += tap->step)
            tile_add_outer_at(t, panel, tap->values + k, tap->from + p, rows, TILE_COLUMNS);
        tile_store_at(t, tap->sums, tap->to + p, rows, TILE_COLUMNS);
    }
}

SEPARATE void add_to_one(const Tap *tap) { add_tiles(tap, 1); }
SEPARATE void add_to_two(const Tap *tap) { add_tiles(tap, TILE_ROWS); }

/* Add all taps to the sums, `width` results per cell. For dx, the summed channels are matrices of weights. */
static void add_taps(Weights weights, bool fresh, Pairs pairs, int64_t taps, const real *values, int64_t channels,
                     real *sums, int64_t width)
{
    for (int64_t o = 0, tile; o < width; o += tile) {
        tile = panel_width(width - o);
        int64_t strip = weights.packed ? channels : channels_packed(channels, taps, tile / LANES);
        for (int64_t first = 0; first < channels; first += strip) {
            int64_t count = min64(strip, channels - first), tap_step = weights.packed ? channels * tile : tile;
            real *panel = weights.panels + (weights.keeps_all ? (o * channels + first * tile) * taps : 0);
            Rows part = weights.rows; /* of these channels */
            part.values += first * (part.columns == taps ? part.rows : 1) * taps;
            if (part.columns == taps) part.matrices = count;
            else part.columns = count * taps;
            if (fresh || !weights.keeps_all) NAME(pack_panel)(part, o, tile, panel);
            for (int64_t t = 0; t < taps; t++) {
                Tap tap = {panel + t * tap_step,
                           weights.packed ? tile : taps * tile,
                           count,
                           values + first,
                           pairs.from + t * pairs.spacing,
                           pairs.to + t * pairs.spacing,
                           pairs.counts[t],
                           sums + o};
                if (tile == LANES) add_to_one(&tap);
                else add_to_two(&tap);
            }
        }
    }
}

/* result[n, o, q] = Σ_t Σ_k w[o, k, t] · source[n, k, p] over the pairs (p, q) of each tap t: p is a cell and q an
 * output or, if `backward`, the other way round. Several samples are computed together, so that their pairs fill tiles.
 *
 * values  the `read` rows of the source, with contiguous channels
 * sums    the results of a chunk, with contiguous filters, and one that is never read */
static void correlate_by_taps(Array source, Range read, Array w, bool packed, Window window, Array result, Chunk chunk,
                              bool backward)
{
    int64_t samples = source.shape[0], channels = source.shape[1], taps = w.shape[2] * w.shape[3];
    int64_t lowest = chunk.filters[0], outs = chunk.filters[1] - lowest, width = round_up(outs, LANES);
    int64_t in = source.shape[2] * source.shape[3], plane = result.shape[2] * result.shape[3];
    int64_t cells = (chunk.rows[1] - chunk.rows[0]) * result.shape[3], outputs = backward ? in : cells;
    int64_t block = samples_per_list(samples, outputs), step = conflict_free(channels), unused = block * cells * width;
    if (cells <= 0 || outs <= 0) return;
    real *values = reals(block * in * step), *sums = reals(unused + width);
    real *target = (real *)result.at + lowest * plane + chunk.rows[0] * result.shape[3];
    const real *images = source.at, *weight = w.at;
    Rows filters = {weight + lowest * channels * taps, 1, outs, channels * taps, channels * taps};
    if (backward) filters = (Rows){weight, channels, outs, taps, taps};
    Weights weights = weights_of(filters, samples > block, channels_packed(channels, taps, TILE_ROWS) * taps, packed);
    Pairs pairs = new_pairs(taps, block * outputs);
    Grid sources = {{0, source.shape[2]}, source.shape[3], step, in * step};
    Grid results = {{chunk.rows[0], chunk.rows[1]}, result.shape[3], width, cells * width};
    int64_t begin = read.first * source.shape[3], length = (read.last - read.first) * source.shape[3];
    for (int64_t start = 0; start < samples; start += block) {
        int64_t count = min64(block, samples - start);
        for (int64_t n = 0; n < count; n++)
            NAME(transpose_matrix)(images + (start + n) * channels * in + begin, in, channels, length,
                                   values + (n * in + begin) * step, step);
        memset(sums, 0, (size_t)(count * cells * width) * sizeof(real));
        for (int64_t t = 0; t < taps; t++) {
            int64_t *from = pairs.from + t * pairs.spacing, *to = pairs.to + t * pairs.spacing, number;
            if (backward) number = list_pairs(t, w, window, count, results, sources, to, from);
            else number = list_pairs(t, w, window, count, sources, results, from, to);
            pairs.counts[t] = number;
            EACH(k, TILE_COLUMNS) from[number + k] = 0;
            EACH(k, TILE_COLUMNS) to[number + k] = unused;
        }
        add_taps(weights, start == 0 && !packed, pairs, taps, values, channels, sums, width);
        for (int64_t n = 0; n < count; n++, target += result.shape[1] * plane)
            NAME(transpose_matrix)(sums + n * cells * width, width, cells, outs, target, plane);
    }
}

/* Pack a range of filters into panels like pack_panels, but in the order of the taps, not of the channels. For two
 * channels and three taps, the columns (c, t) are reordered:
 *
 *     (0,0) (0,1) (0,2) (1,0) (1,1) (1,2)    →    (0,0) (1,0) (0,1) (1,1) (0,2) (1,2) */
KERNEL(pack_taps)
{
    Array w = arrays[0];
    int64_t lowest = numbers[0].i, highest = numbers[1].i < 0 ? w.shape[0] : numbers[1].i;
    int64_t channels = w.shape[1], taps = w.shape[2] * w.shape[3], all = channels * taps;
    real *packed = (real *)arrays[1].at + lowest * all, *panel = reals((TILE_ROWS * all + LANES * TILE_ROWS) * LANES);
    Rows filters = {(const real *)w.at + lowest * all, 1, highest - lowest, all, all};
    for (int64_t o = 0, wide; o < filters.rows; o += wide, packed += wide * all) {
        wide = filters.rows - o > LANES ? TILE_ROWS * LANES : LANES;
        NAME(pack_panel)(filters, o, wide, panel);
        for (int64_t k = 0; k < all; k++)
            memcpy(packed + (k % taps * channels + k / taps) * wide, panel + k * wide, (size_t)wide * sizeof(real));
    }
    return DONE;
}

/* y[n,o,i,j] = b[o] + Σ_{c,u,v} x̄[n,c, s·i + d·u, s·j + d·v] · w[o,c,u,v], x̄: x padded with zeros
 * x (N, C, H, W), w (C_out, C, KH, KW), b (C_out), (2, C_out) with factors, or (C_out, H', W')
 * → y (N, C_out, H', W') */
KERNEL(correlate_taps)
{
    Array x = arrays[0], w = arrays[1], y = arrays[3];
    Window window = window_of(numbers);
    Epilogue epilogue = epilogue_of(numbers, arrays[2], y.shape[1]);
    Chunk chunk = chunk_of(numbers, y.shape[2], y.shape[1]);
    Range read = input_rows(x, w, window, chunk.rows[0], chunk.rows[1]);
    correlate_by_taps(x, read, w, numbers[PACKED].i, window, y, chunk, false);
    if (!epilogue.addends && !epilogue.clamps) return DONE;
    int64_t plane = y.shape[2] * y.shape[3], begin = chunk.rows[0] * y.shape[3], end = chunk.rows[1] * y.shape[3];
    for (int64_t n = 0; n < y.shape[0]; n++)
        for (int64_t o = chunk.filters[0]; o < chunk.filters[1]; o++) {
            real factor = factor_of(epilogue, o), addend = addend_of(epilogue, o), least = epilogue.least;
            real *row = (real *)y.at + (n * y.shape[1] + o) * plane, most = epilogue.most;
            const real *addends = epilogue.untied ? epilogue.addends + o * plane : NULL;
            for (int64_t k = begin; k < end; k++) {
                real value = row[k] * factor + (addends ? addends[k] : addend);
                row[k] = value <= least ? least : value >= most ? most : value;
            }
        }
    return DONE;
}

/* dx[n,c,p] = Σ_{u,v} Σ_o w[o,c,u,v] · dy[n,o,q], where output q reads cell p under tap (u, v)
 * dy (N, C_out, H', W'), w (C_out, C, KH, KW) → dx (N, C, H, W) */
KERNEL(correlate_taps_dx)
{
    Array dy = arrays[0], dx = arrays[2];
    Chunk all = {{0, dx.shape[2]}, {0, dx.shape[1]}};
    correlate_by_taps(dy, (Range){0, dy.shape[2]}, arrays[1], false, window_of(numbers), dx, all, true);
    return DONE;
}

/* The factors of the products of a tap, from its first pair on, and the sums of a panel of filters. */
typedef struct {
    const real *panel, *values; /* dy with one column per output; x */
    const int64_t *planes;      /* offset of each channel of x */
    const int64_t *cells, *outputs;
    int64_t channels, count; /* of pairs */
    real *sums;
    int64_t step; /* distance between channels */
} Factors;

/* sums[c step + o] += Σ_p panel[outputs[p], o] · values[planes[c] + cells[p]]; `fresh`: the sums are uninitialized */
INLINE void add_gradient_tiles(const Factors *factors, bool fresh, int rows)
{
    for (int64_t c = 0; c < factors->channels; c += TILE_COLUMNS) {
        vec t[TILE_ROWS * TILE_COLUMNS];
        real *sums = factors->sums + c * factors->step;
        if (fresh) tile_zeros(t, rows, TILE_COLUMNS);
        else tile_load(t, sums, factors->step, rows, TILE_COLUMNS);
        for (int64_t p = 0; p < factors->count; p++)
            tile_add_outer_at(t, factors->panel + factors->outputs[p] * rows * LANES,
                              factors->values + factors->cells[p], factors->planes + c, rows, TILE_COLUMNS);
        tile_store(t, sums, factors->step, rows, TILE_COLUMNS);
    }
}

SEPARATE void add_gradient_of_one(const Factors *factors, bool fresh) { add_gradient_tiles(factors, fresh, 1); }
SEPARATE void add_gradient_of_two(const Factors *factors, bool fresh) { add_gradient_tiles(factors, fresh, TILE_ROWS); }

/* dw[o,c,u,v] += Σ_n Σ_(p,q) x[n,c,p] · dy[n,o,q] over the pairs (p, q) of tap (u, v)
 * x (N, C, H, W), dy (N, C_out, H', W') → dw (C_out, C, KH, KW) */
KERNEL(correlate_taps_dw)
{
    Array x = arrays[0], dy = arrays[1], dw = arrays[2];
    int64_t samples = x.shape[0], channels = x.shape[1], outs = dy.shape[1], taps = dw.shape[2] * dw.shape[3];
    int64_t plane = x.shape[2] * x.shape[3], cells = dy.shape[2] * dy.shape[3], width = round_up(outs, LANES);
    int64_t block = samples_per_list(samples, cells), *planes = integers(channels + TILE_COLUMNS);
    if (samples == 0) return DONE;
    for (int64_t c = 0; c < channels + TILE_COLUMNS; c++) planes[c] = min64(c, channels - 1) * plane;
    real *panels = reals(width * block * cells + TILE_ROWS * LANES * LANES);
    real *sums = reals((channels + TILE_COLUMNS) * taps * width);
    Pairs pairs = new_pairs(1, block * cells);
    Grid image = {{0, x.shape[2]}, x.shape[3], 1, channels * plane};
    Grid outputs = {{0, dy.shape[2]}, dy.shape[3], 1, cells};
    Factors factors = {.planes = planes, .channels = channels, .step = taps * width};
    for (int64_t start = 0; start < samples; start += block) {
        int64_t count = min64(block, samples - start);
        factors.values = (const real *)x.at + start * channels * plane;
        NAME(pack)((Rows){(const real *)dy.at + start * outs * cells, count, outs, cells, cells}, panels);
        for (int64_t t = 0; t < taps; t++) {
            int64_t number = list_pairs(t, dw, window_of(numbers), count, image, outputs, pairs.from, pairs.to);
            for (int64_t o = 0, tile; o < width; o += tile) {
                tile = panel_width(width - o);
                int64_t strip = tile == LANES ? TILE_ROWS * STRIP : STRIP;
                factors.panel = panels + o * count * cells;
                factors.sums = sums + t * width + o;
                for (int64_t first = 0; first < max64(number, 1); first += strip) {
                    bool fresh = start == 0 && first == 0;
                    factors.cells = pairs.from + first;
                    factors.outputs = pairs.to + first;
                    factors.count = min64(strip, number - first);
                    if (tile == LANES) add_gradient_of_one(&factors, fresh);
                    else add_gradient_of_two(&factors, fresh);
                }
            }
        }
    }
    NAME(add_transposed)(sums, width, channels * taps, dw.at, outs);
    return DONE;
}
