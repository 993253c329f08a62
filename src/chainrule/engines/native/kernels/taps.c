/* Cross-correlation and its gradients tap by tap, with vectors of filters.
 *
 * Under a tap (u, v), output (i, j) reads cell (s·i + d·u − top, s·j + d·v − left) of the image, with stride s, dilation d,
 * and the top rows and left columns of the padding. For every tap, the pairs (p, q) of a cell p and the output q that
 * reads it are listed. Only cells inside the image are listed: no padding is multiplied, and strides need no phases.
 *
 *     y[o, q] += Σ_c w[c, u, v, o] · x[c, p]        for the pairs (p, q) of a tap, o over the lanes
 *     dx[c, p] += Σ_o w[o, u, v, c] · dy[o, q]      the same sums with cells and outputs exchanged, c over the lanes
 *     dw[c, u, v, o] += Σ_(p, q) x[c, p] · dy[q, o]
 *
 * The sums of a tile are loaded and stored once for every tap. For y and dx, the channels that are summed are contiguous,
 * so that a few cells occupy few cache lines instead of one line per channel. */
#include "filter_tiles.h"

enum { PACKED_WEIGHTS = 1152 }; /* weights per result that are packed at once, in panels of two vectors */

/* How cells, or outputs, are stored. */
typedef struct {
    Range rows;           /* stored rows; for cells, all rows of the image */
    int64_t width;        /* elements in a row */
    int64_t step, sample; /* distances between neighboring elements and between images */
} Grid;

/* The pairs of each tap, `spacing` places apart: offsets of cells and of outputs. */
typedef struct {
    int64_t *cells, *outputs, *counts, spacing;
} Pairs;

/* Lists of at most `most` pairs per tap, and of one more tile. */
static Pairs new_pairs(int64_t taps, int64_t most)
{
    int64_t spacing = most + TILE_COLUMNS;
    return (Pairs){integers(taps * spacing), integers(taps * spacing), integers(taps), spacing};
}

/* List the pairs of a tap of filters w for some images, and return their number. The outputs whose cell is inside the
 * image are in rows `top` to `bottom` − 1 and columns `left` to `right` − 1. */
static int64_t list_pairs(int64_t tap, Array w, Window window, int64_t samples, Grid image, Grid outputs, int64_t *cells,
                          int64_t *results)
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
            int64_t row = (i * stride[0] + down) * image.width + along, result = (i - outputs.rows.first) * outputs.width;
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

/* sums[to[p] + o] += Σ_k panel[k step + o] · values[from[p] + k] for `count` pairs p and the lanes o of a tile */
INLINE void add_tiles(const real *panel, int64_t step, int64_t channels, const real *values, const int64_t *from,
                      const int64_t *to, int64_t count, real *sums, int rows)
{
    for (int64_t p = 0; p < count; p += TILE_COLUMNS) {
        vec t[TILE_ROWS * TILE_COLUMNS];
        tile_load_at(t, sums, to + p, rows, TILE_COLUMNS);
        for (int64_t k = 0; k < channels; k++)
            tile_add_outer_at(t, panel + k * step, values + k, from + p, rows, TILE_COLUMNS);
        tile_store_at(t, sums, to + p, rows, TILE_COLUMNS);
    }
}

SEPARATE void add_pairs(const real *panel, int64_t step, int64_t channels, const real *values, const int64_t *from,
                        const int64_t *to, int64_t count, real *sums, int rows)
{
    if (rows == 1) add_tiles(panel, step, channels, values, from, to, count, sums, 1);
    else add_tiles(panel, step, channels, values, from, to, count, sums, TILE_ROWS);
}

/* What the sums over taps read and write: `from` and `to` are the lists of `pairs` in one order or the other. */
typedef struct {
    Weights weights;
    bool matrices; /* whether the channels that are summed are the matrices of `weights` (dx) */
    const real *values;
    const int64_t *from, *to;
    Pairs pairs;
    int64_t taps, channels;
    real *sums;
} Products;

/* Add all taps to the sums, `width` results per cell. */
static void add_sums(const Products *products, bool fresh, int64_t width)
{
    Weights weights = products->weights;
    int64_t taps = products->taps, channels = products->channels;
    int rows = TILE_ROWS;
    for (int64_t o = 0; o < width; o += rows * LANES) {
        if (width - o < TILE_ROWS * LANES) rows = 1;
        int64_t tile = rows * LANES, strip = weights.packed ? channels : channels_packed(channels, taps, rows);
        int64_t tap_step = weights.packed ? channels * tile : tile, step = weights.packed ? tile : taps * tile;
        for (int64_t first = 0; first < channels; first += strip) {
            int64_t count = min64(strip, channels - first);
            real *panel = weights.panels + (weights.keeps_all ? (o * channels + first * tile) * taps : 0);
            Rows part = weights.rows; /* of these channels */
            part.values += first * (products->matrices ? part.rows * part.step : taps);
            if (products->matrices) part.matrices = count;
            else part.columns = count * taps;
            if (fresh || !weights.keeps_all) NAME(pack_panel)(part, o, tile, panel);
            for (int64_t tap = 0; tap < taps; tap++) {
                int64_t p = tap * products->pairs.spacing;
                add_pairs(panel + tap * tap_step, step, count, products->values + first, products->from + p,
                          products->to + p, products->pairs.counts[tap], products->sums + o, rows);
            }
        }
    }
}

/* Compute result[o, q] = Σ_t Σ_k w[o, k, t] · source[k, p] over the pairs (p, q) of each tap t: q is an output and p a cell, or
 * the other way round if `backward`.
 *
 * source        images (N, channels, …) whose channels are made contiguous, and the rows of them that are read
 * filters, outs the weights as rows to pack, and the number of results per cell
 * result        of the first sample; `sample` and `plane`: distances between samples and between channels
 * rows          of the results */
static void correlate_by_taps(Array source, Range read, Array w, Rows filters, bool packed, Window window, bool backward,
                              real *result, int64_t sample, int64_t plane, Range rows, int64_t width_of_rows)
{
    int64_t samples = source.shape[0], channels = source.shape[1], taps = w.shape[2] * w.shape[3], outs = filters.rows;
    int64_t in = source.shape[2] * source.shape[3], cells = (rows.last - rows.first) * width_of_rows;
    int64_t block = samples_per_list(samples, backward ? in : cells), width = round_up(outs, LANES);
    int64_t step = conflict_free(channels), unused = block * cells * width;
    real *values = reals(block * in * step), *sums = reals(unused + width);
    Pairs pairs = new_pairs(taps, block * (backward ? in : cells));
    Grid sources = {{0, source.shape[2]}, source.shape[3], step, in * step};
    Grid results = {rows, width_of_rows, width, cells * width};
    Weights weights = weights_of(filters, samples > block, channels_packed(channels, taps, TILE_ROWS) * taps, packed);
    Products products = {weights, backward, values, backward ? pairs.outputs : pairs.cells,
                         backward ? pairs.cells : pairs.outputs, pairs, taps, channels, sums};
    int64_t begin = read.first * source.shape[3], length = (read.last - read.first) * source.shape[3];
    for (int64_t start = 0; start < samples; start += block) {
        int64_t count = min64(block, samples - start);
        for (int64_t n = 0; n < count; n++)
            NAME(transpose_matrix)((const real *)source.at + (start + n) * channels * in + begin, in, channels, length,
                                   values + (n * in + begin) * step, step);
        memset(sums, 0, (size_t)(count * cells * width) * sizeof(real));
        for (int64_t tap = 0; tap < taps; tap++) {
            int64_t begin = tap * pairs.spacing;
            pairs.counts[tap] = list_pairs(tap, w, window, count, backward ? results : sources,
                                           backward ? sources : results, pairs.cells + begin, pairs.outputs + begin);
            int64_t end = begin + pairs.counts[tap];
            EACH(k, TILE_COLUMNS) /* the rest of the last tile adds to a sum that is never read */
            {
                (backward ? pairs.outputs : pairs.cells)[end + k] = 0;
                (backward ? pairs.cells : pairs.outputs)[end + k] = unused;
            }
        }
        add_sums(&products, start == 0 && !packed, width);
        for (int64_t n = 0; n < count; n++)
            NAME(transpose_matrix)(sums + n * cells * width, width, cells, outs, result + (start + n) * sample, plane);
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
 * x (N, C, H, W), w (C_out, C, KH, KW), b (C_out), (2, C_out) with factors, or (C_out, H', W') → y (N, C_out, H', W') */
KERNEL(correlate_taps)
{
    Array x = arrays[0], w = arrays[1], y = arrays[3];
    Window window = window_of(numbers);
    Epilogue epilogue = epilogue_of(numbers, arrays[2], y.shape[1]);
    Chunk chunk = chunk_of(numbers, y.shape[2], y.shape[1]);
    Range rows = {chunk.rows[0], chunk.rows[1]};
    int64_t lowest = chunk.filters[0], outs = chunk.filters[1] - lowest, all = size_from(w, 1);
    int64_t plane = y.shape[2] * y.shape[3], begin = rows.first * y.shape[3], cells = (rows.last - rows.first) * y.shape[3];
    Rows filters = {(const real *)w.at + lowest * all, 1, outs, all, all};
    real *result = (real *)y.at + lowest * plane + begin;
    if (cells <= 0 || outs <= 0) return DONE;
    correlate_by_taps(x, input_rows(x, w, window, rows.first, rows.last), w, filters, numbers[PACKED].i, window, false,
                      result, y.shape[1] * plane, plane, rows, y.shape[3]);
    if (!epilogue.addends && !epilogue.clamps) return DONE;
    for (int64_t n = 0; n < y.shape[0]; n++, result += y.shape[1] * plane)
        for (int64_t o = 0; o < outs; o++) {
            real *row = result + o * plane;
            if (epilogue.untied) {
                const real *biases = epilogue.addends + (lowest + o) * plane + begin;
                for (int64_t k = 0; k < cells; k++) row[k] += biases[k];
                write_results(row, row, cells, 1, 0, epilogue.least, epilogue.most);
            } else {
                write_results(row, row, cells, factor_of(epilogue, lowest + o), addend_of(epilogue, lowest + o),
                              epilogue.least, epilogue.most);
            }
        }
    return DONE;
}

/* dx[n,c,p] = Σ_{u,v} Σ_o w[o,c,u,v] · dy[n,o,q], where output q reads cell p under tap (u, v)
 * dy (N, C_out, H', W'), w (C_out, C, KH, KW) → dx (N, C, H, W) */
KERNEL(correlate_taps_dx)
{
    Array dy = arrays[0], w = arrays[1], dx = arrays[2];
    int64_t taps = w.shape[2] * w.shape[3], plane = dx.shape[2] * dx.shape[3];
    Rows channels = {w.at, w.shape[0], w.shape[1], taps, taps};
    correlate_by_taps(dy, (Range){0, dy.shape[2]}, w, channels, false, window_of(numbers), true, dx.at,
                      dx.shape[1] * plane, plane, (Range){0, dx.shape[2]}, dx.shape[3]);
    return DONE;
}

/* What a kernel gradient reads: a panel of dy with one column per output, x, the offsets of its channels, and the pairs. */
typedef struct {
    const real *panel, *values;
    const int64_t *planes;
    int64_t channels;
    Pairs pairs;
} Factors;

/* sums[c step + o] += Σ_p dy[outputs[p], o] · values[planes[c] + cells[p]] for the pairs `first` to `last` − 1 of a tap and the
 * filters o of a panel. `fresh`: the sums are uninitialized. */
INLINE void add_gradient_tiles(const Factors *factors, int64_t first, int64_t last, real *sums, int64_t step, bool fresh, int rows)
{
    const int64_t *cells = factors->pairs.cells, *outputs = factors->pairs.outputs;
    for (int64_t c = 0; c < factors->channels; c += TILE_COLUMNS) {
        vec t[TILE_ROWS * TILE_COLUMNS];
        if (fresh) tile_zeros(t, rows, TILE_COLUMNS);
        else tile_load(t, sums + c * step, step, rows, TILE_COLUMNS);
        for (int64_t p = first; p < last; p++)
            tile_add_outer_at(t, factors->panel + outputs[p] * rows * LANES, factors->values + cells[p],
                              factors->planes + c, rows, TILE_COLUMNS);
        tile_store(t, sums + c * step, step, rows, TILE_COLUMNS);
    }
}

SEPARATE void add_gradient(const Factors *factors, int64_t first, int64_t last, real *sums, int64_t step, bool fresh, int rows)
{
    if (rows == 1) add_gradient_tiles(factors, first, last, sums, step, fresh, 1);
    else add_gradient_tiles(factors, first, last, sums, step, fresh, TILE_ROWS);
}

/* dw[o,c,u,v] += Σ_n Σ_(p,q) x[n,c,p] · dy[n,o,q] over the pairs (p, q) of tap (u, v)
 * x (N, C, H, W), dy (N, C_out, H', W') → dw (C_out, C, KH, KW) */
KERNEL(correlate_taps_dw)
{
    Array x = arrays[0], dy = arrays[1], dw = arrays[2];
    int64_t samples = x.shape[0], channels = x.shape[1], outs = dy.shape[1], taps = dw.shape[2] * dw.shape[3];
    int64_t plane = x.shape[2] * x.shape[3], cells = dy.shape[2] * dy.shape[3], width = round_up(outs, LANES);
    int64_t block = samples_per_list(samples, cells);
    if (samples == 0) return DONE;
    real *panels = reals(width * block * cells + TILE_ROWS * LANES * LANES);
    real *sums = reals((channels + TILE_COLUMNS) * taps * width);
    int64_t *planes = integers(channels + TILE_COLUMNS);
    for (int64_t c = 0; c < channels + TILE_COLUMNS; c++) planes[c] = min64(c, channels - 1) * plane;
    Pairs pairs = new_pairs(1, block * cells);
    Factors factors = {.planes = planes, .channels = channels, .pairs = pairs};
    Window window = window_of(numbers);
    Grid image = {{0, x.shape[2]}, x.shape[3], 1, channels * plane}, outputs = {{0, dy.shape[2]}, dy.shape[3], 1, cells};
    for (int64_t start = 0; start < samples; start += block) {
        int64_t count = min64(block, samples - start);
        factors.values = (const real *)x.at + start * channels * plane;
        NAME(pack)((Rows){(const real *)dy.at + start * outs * cells, count, outs, cells, cells}, panels);
        for (int64_t tap = 0; tap < taps; tap++) {
            *pairs.counts = list_pairs(tap, dw, window, count, image, outputs, pairs.cells, pairs.outputs);
            for (int64_t o = 0, rows = TILE_ROWS; o < width; o += rows * LANES) {
                if (width - o < TILE_ROWS * LANES) rows = 1;
                int64_t strip = TILE_ROWS * STRIP / rows;
                factors.panel = panels + o * count * cells;
                for (int64_t first = 0; first < max64(*pairs.counts, 1); first += strip)
                    add_gradient(&factors, first, min64(first + strip, *pairs.counts), sums + tap * width + o, taps * width,
                                 start == 0 && first == 0, rows);
            }
        }
    }
    NAME(add_transposed)(sums, width, channels * taps, dw.at, outs);
    return DONE;
}
