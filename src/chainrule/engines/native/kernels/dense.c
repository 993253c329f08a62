/* The dense layer and its gradients, as matrix products. The equations are in reference/dense.py.
 *
 * Rows of W and x are contiguous. The forward pass therefore sums products of vectors, and the gradients multiply
 * vectors by numbers. Plain loops compute what fills no vector. */
#include "row_sums.h"
#include "tiles.h"
#include "transposing.h"

enum {
    BATCH_ROWS = REGISTERS == 32 ? 10 : 6, /* rows of W in a tile with two vectors of samples */
    FEW_SAMPLES = REGISTERS == 32 ? 4 : 2, /* samples, and rows of W, in a tile of products of vectors */
    FEW_ROWS = 6,
    TALL_DX = 3,
    BROAD_DX = REGISTERS == 32 ? 8 : 4,
    TALL = REGISTERS == 32 ? 3 : 2, /* vectors of a row, and samples or rows, in a tile of the gradients */
    BROAD = REGISTERS == 32 ? 8 : 6,
    SINGLE = 8,            /* rows of W, or vectors of a row, in a tile for a single sample */
    MIN_ROWS_TO_COPY = 32, /* rows of W whose columns are copied side by side */
};

/* y[n, o] for two vectors of samples, which are transposed, so that no lanes have to be added up. */
SEPARATE void batched_samples(const real *x, const real *w, const real *b, real *y, int64_t outs, int64_t ins)
{
    int64_t batch = 2 * LANES, at_row[BATCH_ROWS];
    real *transposed = reals((ins + outs + BATCH_ROWS) * batch), *sums = transposed + ins * batch;
    NAME(transpose_matrix)(x, ins, batch, ins, transposed, batch);
    for (int64_t o = 0; o < outs; o += BATCH_ROWS) {
        vec tile[2 * BATCH_ROWS];
        EACH(row, BATCH_ROWS) at_row[row] = min64(o + row, outs - 1) * ins;
        tile_zeros(tile, 2, BATCH_ROWS);
        for (int64_t k = 0; k < ins; k++) tile_add_outer_at(tile, transposed + k * batch, w + k, at_row, 2, BATCH_ROWS);
        tile_store(tile, sums + o * batch, batch, 2, BATCH_ROWS);
    }
    for (int64_t o = 0; b && o < outs; o++)
        for (int64_t n = 0; n < batch; n++) sums[o * batch + n] += b[o];
    NAME(transpose_matrix)(sums, batch, outs, batch, y, outs);
}

/* y[n, o] = Σ_k x[n, k] w[o, k] over the whole vectors of a row, for rows from `first` to `last` − 1. */
INLINE void products(const real *x, const real *w, real *y, int64_t count, int64_t outs, int64_t ins, int64_t first,
                     int64_t last, int samples, int rows)
{
    int64_t at_row[SINGLE];
    for (int64_t t = 0; t < count; t += samples) {
        int64_t n = min64(t, count - samples);
        for (int64_t o = first; o < last; o += rows) {
            vec tile[FEW_SAMPLES * FEW_ROWS];
            EACH(row, rows) at_row[row] = min64(o + row, last - 1) * ins;
            tile_zeros(tile, samples, rows);
            for (int64_t k = 0; k + LANES <= ins; k += LANES)
                tile_add_products(tile, x + n * ins + k, ins, w + k, at_row, samples, rows);
            EACH(a, samples)
                EACH(row, rows)
                    if (o + row < last) y[(n + a) * outs + o + row] = lane_sum(tile[a * rows + row]);
        }
    }
}

/* y[n] = W x[n] + b: x (N, I), w (O, I), b (O) or none, y (N, O); for rows of W from `first` to `last` − 1. */
KERNEL(dense)
{
    const real *x = arrays[0].at, *w = arrays[1].at, *b = arrays[2].at;
    real *y = arrays[3].at;
    int64_t count = arrays[0].shape[0], outs = arrays[1].shape[0], ins = arrays[1].shape[1];
    int64_t first = numbers[0].i, last = numbers[1].i < 0 ? outs : numbers[1].i;
    int64_t n = 0;
    if (last - first == outs)
        for (; n + 2 * LANES <= count; n += 2 * LANES) batched_samples(x + n * ins, w, b, y + n * outs, outs, ins);
    if (count - n >= FEW_SAMPLES)
        products(x + n * ins, w, y + n * outs, count - n, outs, ins, first, last, FEW_SAMPLES, FEW_ROWS);
    else if (count > n) products(x + n * ins, w, y + n * outs, count - n, outs, ins, first, last, 1, SINGLE);
    for (; n < count; n++) {
        for (int64_t o = first; o < last; o++) {
            real sum = b ? b[o] : 0;
            for (int64_t k = ins - ins % LANES; k < ins; k++) sum += x[n * ins + k] * w[o * ins + k];
            y[n * outs + o] += sum;
        }
    }
    return DONE;
}

/* Columns of a matrix, at most SINGLE vectors: element (r, c) is values[r step + c]. */
typedef struct {
    const real *values;
    int64_t step;
} Columns;

/* The columns of `rows` rows of a matrix; a copy side by side if they are read often. */
INLINE Columns columns_of(const real *matrix, int64_t step, int64_t rows, real *panel, int vectors, bool copy)
{
    if (!copy) return (Columns){matrix, step};
    for (int64_t r = 0; r < rows; r++)
        EACH(a, vectors) put(panel + (r * vectors + a) * LANES, at(matrix + r * step + a * LANES));
    return (Columns){panel, vectors * LANES};
}

/* dx[n, k] = Σ_o dy[n, o] w[o, k] for samples from `begin` to `end` − 1 and columns from `left` to `right` − 1, in
 * tiles that may overlap at the end. */
INLINE void rows_times(const real *dy, const real *w, real *dx, int64_t outs, int64_t ins, int64_t begin, int64_t end,
                       int64_t left, int64_t right, int vectors, int samples)
{
    bool copy = end - begin >= 2 * samples && outs >= MIN_ROWS_TO_COPY;
    int64_t width = vectors * LANES;
    real *panel = copy ? reals(outs * width) : NULL;
    for (int64_t t = left; t < right; t += width) {
        int64_t k = min64(t, ins - width);
        Columns columns = columns_of(w + k, ins, outs, panel, vectors, copy);
        for (int64_t n = begin; n < end; n += samples) {
            vec tile[TALL * BROAD];
            tile_zeros(tile, vectors, samples);
            for (int64_t o = 0; o < outs; o++)
                tile_add_outer(tile, columns.values + o * columns.step, dy + n * outs + o, outs, vectors, samples);
            tile_store(tile, dx + n * ins + k, ins, vectors, samples);
        }
    }
}

SEPARATE void rows_times_tall(const real *dy, const real *w, real *dx, int64_t outs, int64_t ins, int64_t end)
{
    rows_times(dy, w, dx, outs, ins, 0, end, 0, ins, TALL_DX, BROAD_DX);
}

SEPARATE void rows_times_flat(const real *dy, const real *w, real *dx, int64_t outs, int64_t ins, int64_t end)
{
    rows_times(dy, w, dx, outs, ins, 0, end, 0, ins, 1, BROAD_DX);
}

/* dx[n] = Wᵀ dy[n]: dy (N, O), w (O, I), dx (N, I); for columns of W from `left` to `right` − 1. */
KERNEL(dense_dx)
{
    const real *dy = arrays[0].at, *w = arrays[1].at;
    real *dx = arrays[2].at;
    int64_t count = arrays[2].shape[0], ins = arrays[2].shape[1], outs = arrays[1].shape[0];
    int64_t left = numbers[0].i, right = numbers[1].i < 0 ? ins : numbers[1].i;
    if (left >= right) return DONE;
    int64_t done = count - count % BROAD_DX;
    if (ins >= TALL_DX * LANES) {
        rows_times_tall(dy, w, dx, outs, ins, done);
    } else if (ins >= LANES) {
        rows_times_flat(dy, w, dx, outs, ins, done);
    } else if (done) { /* a vector per row, padded with zeros */
        real *rows = memset(reals(outs * LANES), 0, (size_t)(outs * LANES) * sizeof(real)),
             *padded = reals(done * LANES);
        copy_matrix(w, ins, outs, ins, rows, LANES);
        rows_times_flat(dy, rows, padded, outs, LANES, done);
        copy_matrix(padded, LANES, done, ins, dx, ins);
    }
    if (ins >= SINGLE * LANES) {
        rows_times(dy, w, dx, outs, ins, done, count, left, right, SINGLE, 1);
        done = count;
    }
    for (int64_t n = done; n < count; n++) {
        real *row = dx + n * ins;
        memset(row, 0, (size_t)ins * sizeof(real));
        for (int64_t o = 0; o < outs; o++)
            for (int64_t k = 0; k < ins; k++) row[k] += dy[n * outs + o] * w[o * ins + k];
    }
    return DONE;
}

/* dw[o, k] += Σ_n dy[n, o] x[n, k], or = if `fresh`, for rows from `first` to `last` − 1 and the `width` columns from
 * the first one of x and dw on, in tiles that fill them. */
INLINE void add_outers(const real *x, const real *dy, real *dw, int64_t count, int64_t outs, int64_t ins, int64_t first,
                       int64_t last, int64_t width, bool fresh, int vectors, int rows)
{
    bool copy = last - first >= 2 * rows;
    real *panel = copy ? reals(count * vectors * LANES) : NULL;
    for (int64_t k = 0; k < width; k += vectors * LANES) {
        Columns columns = columns_of(x + k, ins, count, panel, vectors, copy);
        for (int64_t o = first; o < last; o += rows) {
            vec tile[TALL * BROAD];
            if (fresh) tile_zeros(tile, vectors, rows);
            else tile_load(tile, dw + o * ins + k, ins, vectors, rows);
            for (int64_t n = 0; n < count; n++)
                tile_add_outer(tile, columns.values + n * columns.step, dy + n * outs + o, 1, vectors, rows);
            tile_store(tile, dw + o * ins + k, ins, vectors, rows);
        }
    }
}

SEPARATE void add_outers_tall(const real *x, const real *dy, real *dw, int64_t count, int64_t outs, int64_t ins,
                              int64_t first, int64_t last, int64_t width, bool fresh)
{
    add_outers(x, dy, dw, count, outs, ins, first, last, width, fresh, TALL, BROAD);
}

/* All columns that fill vectors: of `rows` rows that fill tiles, and of the rows after them. */
SEPARATE void add_vectors(const real *x, const real *dy, real *dw, int64_t count, int64_t outs, int64_t ins,
                          int64_t first, int64_t last, bool fresh)
{
    int64_t end = last - (last - first) % BROAD;
    int64_t tall = ins - ins % (TALL * LANES), single = ins - ins % (SINGLE * LANES), vectors = ins - ins % LANES;
    add_outers_tall(x, dy, dw, count, outs, ins, first, end, tall, fresh);
    add_outers(x + tall, dy, dw + tall, count, outs, ins, first, end, vectors - tall, fresh, 1, BROAD);
    add_outers(x, dy, dw, count, outs, ins, end, last, single, fresh, SINGLE, 1);
    add_outers(x + single, dy, dw + single, count, outs, ins, end, last, vectors - single, fresh, 1, 1);
}

/* dW += Σ_n dy[n] x[n]ᵀ, or = if `fresh`: x (N, I), dy (N, O), dw (O, I); for rows of dW from `first` to `last` − 1. */
KERNEL(dense_dw)
{
    const real *x = arrays[0].at, *dy = arrays[1].at;
    real *dw = arrays[2].at;
    int64_t count = arrays[0].shape[0], ins = arrays[0].shape[1], outs = arrays[2].shape[0];
    int64_t first = numbers[1].i, last = numbers[2].i < 0 ? outs : numbers[2].i, vectors = ins - ins % LANES;
    bool fresh = numbers[0].i;
    add_vectors(x, dy, dw, count, outs, ins, first, last, fresh);
    if (vectors == ins) return DONE;
    real *sums = reals(outs * LANES); /* of the last columns, padded to a vector */
    if (count >= FEW_SAMPLES) {
        real *rest = memset(reals(count * LANES), 0, (size_t)(count * LANES) * sizeof(real));
        copy_matrix(x + vectors, ins, count, ins - vectors, rest, LANES);
        add_vectors(rest, dy, sums, count, outs, LANES, first, last, true);
    } else {
        memset(sums, 0, (size_t)(outs * LANES) * sizeof(real));
        for (int64_t n = 0; n < count; n++)
            for (int64_t o = first; o < last; o++)
                for (int64_t k = vectors; k < ins; k++)
                    sums[o * LANES + k - vectors] += dy[n * outs + o] * x[n * ins + k];
    }
    for (int64_t o = first; o < last; o++)
        for (int64_t k = vectors; k < ins; k++)
            dw[o * ins + k] = (fresh ? 0 : dw[o * ins + k]) + sums[o * LANES + k - vectors];
    return DONE;
}

/* y[n] = x[n] + b for the channels of x (N, C, …), or for all its elements: b (C), or b (C, …). */
KERNEL(add_bias)
{
    const real *x = arrays[0].at, *b = arrays[1].at;
    real *y = arrays[2].at;
    int64_t width = size_from(arrays[0], 1), addends = size_from(arrays[1], 0), cells = width / addends;
    for (int64_t row = 0; row < arrays[0].shape[0] * addends; row++)
        for (int64_t k = row * cells; k < (row + 1) * cells; k++) y[k] = x[k] + b[row % addends];
    return DONE;
}

/* y[n] = b: x (N, …), b (K), y (N, K) */
KERNEL(constant)
{
    const real *b = arrays[1].at;
    real *y = arrays[2].at;
    int64_t width = arrays[2].shape[1];
    for (int64_t n = 0; n < arrays[2].shape[0]; n++)
        for (int64_t k = 0; k < width; k++) y[n * width + k] = b[k];
    return DONE;
}

/* db += Σ dy over the samples and, unless each position has a bias of its own (untied), the positions: dy (N, C, …). */
KERNEL(bias_gradient)
{
    const real *dy = arrays[0].at;
    real *db = arrays[1].at;
    int64_t count = arrays[0].shape[0], width = size_from(arrays[0], 1), channels = arrays[0].shape[1];
    if (numbers[0].i) channels = width;
    int64_t cells = width / max64(channels, 1);
    for (int64_t n = 0; n < count; n++, dy += width) {
        if (cells == 1) {
            for (int64_t c = 0; c < channels; c++) db[c] += dy[c];
        } else {
            for (int64_t c = 0; c < channels; c++) db[c] += row_sum(dy + c * cells, cells);
        }
    }
    return DONE;
}
