/* Cross-correlation with stride 1, and its gradients, with Winograd's algorithms F(4×4, 3×3) and F(2×2, 5×5).
 *
 * A tile is a block of neighboring results of one image; its input has 6×6 elements. Input and weights are transformed
 * along both axes, to values at 36 points, and multiplied point by point. The results of a tile thus take 36 products
 * per channel, instead of 144 for the 4×4 results of a 3×3 kernel, or 100 for the 2×2 results of a 5×5 kernel.
 *
 *     y = Aᵀ [Σ_c (G w[o,c] Gᵀ) ⊙ (Bᵀ x̄[c] B)] A        x̄[c]: the 6×6 inputs of a tile, including padding
 *
 * All these steps are linear, so that the gradients have the same form:
 *
 *     dx  the same sums over dy, with the kernels rotated by 180°
 *     dw  dw[o,c] = Gᵀ [Σ_tiles (A dy[o] Aᵀ) ⊙ (Bᵀ x̄[c] B)] G
 *
 * The lanes of vectors are channels or filters. BLOCK tiles at a time are transformed; at each of the 36 points, a
 * matrix of tiles by channels is then multiplied by a matrix of channels by filters. An input that is not finite makes
 * all results of its tiles NaN. `taps` are the rows of a kernel, 3 or 5, and `side` = 7 − taps those of the results of
 * a tile.
 *
 * Source: Lavin, Gray: Fast Algorithms for Convolutional Neural Networks, 2015; docs/algorithms.md */
#include "layout.h"
#include "tiles.h"
#include "transposing.h"

enum {
    POINTS = 36,
    COLUMNS = REGISTERS == 32 ? 8 : 6, /* tiles or channels with sums in registers at once */
    BLOCK = 24,                        /* tiles that are transformed and multiplied at once; a multiple of COLUMNS */
    TILES_PER_BAND = 64,               /* tiles whose inputs are laid out at once */
    CHANNEL_STRIP = 256,               /* channels whose sums are computed at once, in tiles of two vectors */
};

/* ------------------------------------------------------------------ transforms
 *
 * The algorithm multiplies polynomials through their values at the six points 0, ±p, ±q and ∞, with p = 3/4, q = 3/2
 * (Toom and Cook): rounding errors are at most twice those of plain sums. The values at ±p are the sum and the
 * difference of the even and the odd terms. So each matrix is applied in two steps: one in which half of the entries
 * are 0, and then the sums and the differences of rows 1 and 2, and of rows 3 and 4. */

typedef enum { WEIGHTS, CELLS, RESULTS } Matrix; /* G, Bᵀ and A */

static const real OF_CELLS[6][6] = {
    {81 / 64., 0, -45 / 16., 0, 1, 0}, {0, 0, -9 / 4., 0, 1, 0},        {0, -27 / 16., 0, 3 / 4., 0, 0},
    {0, 0, -9 / 16., 0, 1, 0},         {0, -27 / 32., 0, 3 / 2., 0, 0}, {0, 81 / 64., 0, -45 / 16., 0, 1},
};
static const real P_POWERS[5] = {1, 3 / 4., 9 / 16., 27 / 64., 81 / 256.};
static const real Q_POWERS[5] = {1, 3 / 2., 9 / 4., 27 / 8., 81 / 16.};
/* The normalization of each row of G, which Bᵀ omits: 1/(p² q²), 1/(2 p² (p² − q²)), 1/(2 q² (q² − p²)) and 1. */
static const real SCALES[6] = {64 / 81., -128 / 243., -128 / 243., 32 / 243., 32 / 243., 1};

/* An entry of a matrix for `count` weights or results, before the sums and differences of its rows. */
INLINE real entry(Matrix matrix, int count, int row, int column)
{
    if (matrix == CELLS) return OF_CELLS[row][column];
    real value = 0;
    if (row == 0) value = column == 0;
    else if (row == 5) value = column == count - 1;
    else if (column % 2 == (row - 1) % 2) value = row < 3 ? P_POWERS[column] : Q_POWERS[column];
    return matrix == WEIGHTS ? value * SCALES[row] : value;
}

INLINE void sums_and_differences(vec *v)
{
    for (int k = 1; k < 5; k += 2) {
        vec sum = v[k] + v[k + 1];
        v[k + 1] = v[k] - v[k + 1];
        v[k] = sum;
    }
}

/* points[k] = Σ_b M[k, b] values[b] */
INLINE void to_points(const vec *values, vec *points, Matrix matrix, int count)
{
    EACH(k, 6) {
        vec sum = {0};
        EACH(b, count)
            if (entry(matrix, count, k, b) == 1) sum += values[b];
        EACH(b, count)
            if (entry(matrix, count, k, b) != 0 && entry(matrix, count, k, b) != 1)
                sum += values[b] * entry(matrix, count, k, b);
        points[k] = sum;
    }
    sums_and_differences(points);
}

/* values[b] = Σ_k M[k, b] points[k]; the points are changed. */
INLINE void from_points(vec *points, vec *values, Matrix matrix, int count)
{
    sums_and_differences(points);
    EACH(b, count) {
        vec sum = {0};
        EACH(k, 6)
            if (entry(matrix, count, k, b) == 1) sum += points[k];
        EACH(k, 6)
            if (entry(matrix, count, k, b) != 0 && entry(matrix, count, k, b) != 1)
                sum += points[k] * entry(matrix, count, k, b);
        values[b] = sum;
    }
}

/* M v Mᵀ for the count × count vectors v at x + i down + j right; point (i, j) is stored at y + (6 i + j) step. */
INLINE void square_to_points(const real *x, int64_t down, int64_t right, real *y, int64_t step, Matrix matrix,
                             int count)
{
    vec between[6][6], values[6], points[6];
    EACH(j, count) {
        EACH(i, count) values[i] = at(x + i * down + j * right);
        to_points(values, points, matrix, count);
        EACH(i, 6) between[i][j] = points[i];
    }
    EACH(i, 6) {
        to_points(between[i], points, matrix, count);
        EACH(j, 6) put(y + (6 * i + j) * step, points[j]);
    }
}

/* Mᵀ v M for the 6×6 vectors v at x + (6 i + j) step, in count × count vectors result[i][j]. */
INLINE void square_from_points(const real *x, int64_t step, vec result[6][6], Matrix matrix, int count)
{
    vec between[6][6], values[6], points[6];
    EACH(j, 6) {
        EACH(i, 6) points[i] = at(x + (6 * i + j) * step);
        from_points(points, values, matrix, count);
        EACH(i, count) between[i][j] = values[i];
    }
    EACH(i, count) from_points(between[i], result[i], matrix, count);
}

/* ------------------------------------------------------------------ bands of tiles */

/* The division of results into bands of `rows` × `along` tiles in each of `images` images, which are computed at once.
 * The inputs and the results of a tile are `dilation` elements apart, like the taps of a kernel. Tiles are therefore
 * interleaved: the tiles of a row start in neighboring columns. An image has `down` rows of tiles. */
typedef struct {
    int64_t down, along, rows, images;
    const int64_t *dilation;
} Bands;

INLINE Bands bands_of(int64_t samples, int64_t height, int64_t width, const int64_t *dilation, int side)
{
    Bands bands = {ceil_div(height, side * dilation[0]) * dilation[0],
                   ceil_div(width, side * dilation[1]) * dilation[1], 0, 1, dilation};
    int64_t rows = max64(1, TILES_PER_BAND / (bands.along * dilation[0])) * dilation[0];
    bands.rows = min64(bands.down, rows);
    if (bands.rows == bands.down) bands.images = min64(samples, max64(1, TILES_PER_BAND / (bands.down * bands.along)));
    return bands;
}

/* The offsets in the workspace of `count` tiles of a band, from tile `first` on. The images of a band lie one below the
 * other. Tiles read 6 inputs every `side` columns: a row of inputs has a margin of 6 − side more, a row of results
 * none. */
static void tile_offsets(const Bands *bands, int64_t rows, int64_t first, int64_t count, int side, int margin,
                         int64_t *offsets)
{
    int64_t down = bands->dilation[0], right = bands->dilation[1];
    int64_t height = side * rows + margin * down, width = side * bands->along + margin * right;
    for (int64_t t = 0; t < count; t++) {
        int64_t line = (first + t) / bands->along, j = (first + t) % bands->along, i = line % rows;
        int64_t row = line / rows * height + i / down * side * down + i % down;
        offsets[t] = row * width + j / right * side * right + j % right;
    }
}

/* Images (N, C, H, W) with `top` rows of padding above and `left` columns before them, and a workspace for a band. */
typedef struct {
    Array images;
    int64_t top, left, width; /* width: channels, rounded up to whole vectors */
    int64_t rows, line;       /* of the workspace, for one image */
    real *cells, *dense;      /* with `width` contiguous channels per element; `dense` without padding */
} Work;

INLINE Work new_work(Array x, int64_t top, int64_t left, const Bands *bands, int side, int64_t below, int64_t right)
{
    Work work = {x, top, left, round_up(x.shape[1], LANES), side * bands->rows + below, side * bands->along + right,
                 0, 0};
    work.cells = zeros(bands->images * work.rows * work.line * work.width);
    work.dense = zeros(min64(work.rows, x.shape[2]) * x.shape[3] * work.width);
    return work;
}

/* Lay out `rows` rows of image n, from padded row `begin` on, as image `index` of the band. */
static void lay_out_band(const Work *work, int64_t n, int64_t begin, int64_t rows, int64_t index)
{
    int64_t channels = work->images.shape[1], height = work->images.shape[2], image_width = work->images.shape[3];
    int64_t first = max64(begin - work->top, 0), last = max64(min64(begin - work->top + rows, height), 0);
    int64_t columns = min64(image_width, work->line - work->left), width = work->width;
    const real *x = (const real *)work->images.at + (n * channels * height + first) * image_width;
    if (last > first)
        NAME(transpose_matrix)(x, height * image_width, channels, (last - first) * image_width, work->dense, width);
    for (int64_t i = 0; i < rows; i++) {
        real *line = work->cells + (index * rows + i) * work->line * width;
        int64_t row = begin + i - work->top;
        if (row < first || row >= last) {
            memset(line, 0, (size_t)(work->line * width) * sizeof(real));
        } else {
            const real *source = work->dense + (row - first) * image_width * width;
            memcpy(line + work->left * width, source, (size_t)(columns * width) * sizeof(real));
        }
    }
}

/* ------------------------------------------------------------------ values at the points */

/* For each of the 36 points, a matrix with rows of `width` channels or filters; `step` elements apart. */
typedef struct {
    real *values;
    int64_t step, width;
} Points;

/* Space for BLOCK tiles, and for reads beyond the last one. The points of a tile do not map to the same cache lines. */
INLINE Points new_points(int64_t channels)
{
    int64_t width = round_up(channels, LANES), step = BLOCK * width + LANES;
    return (Points){reals(POINTS * step + COLUMNS), step, width};
}

/* G w Gᵀ of filters in panels: one matrix (o, c) per point, in panels of filters o as well. */
INLINE void weights_to_points(const real *panels, Points points, int64_t ins, bool flip, int taps)
{
    for (int64_t o = 0; o < points.width; o += LANES) {
        int64_t pairs = points.width / (2 * LANES) * 2 * LANES, wide = o < pairs ? 2 * LANES : LANES,
                begin = o / wide * wide;
        if (o >= pairs) begin = o;
        for (int64_t c = 0; c < ins; c++) {
            const real *w = panels + begin * ins * taps * taps + o - begin + c * taps * taps * wide;
            int64_t step = flip ? -wide : wide;
            if (flip) w += (taps * taps - 1) * wide;
            real *result = points.values + begin * ins + o - begin + c * wide;
            square_to_points(w, taps * step, step, result, points.step, WEIGHTS, taps);
        }
    }
}

/* Bᵀ x̄ B of the inputs of tiles (CELLS), or A dy Aᵀ of upstream gradients (RESULTS). Zeros follow the inputs of the
 * last tile, because products are computed for COLUMNS tiles at once. */
INLINE void tiles_to_points(const Work *work, const Bands *bands, int64_t rows, int64_t first, int64_t count,
                            Points points, Matrix matrix, int side)
{
    int64_t offsets[BLOCK], right = bands->dilation[1] * work->width,
                            below = bands->dilation[0] * work->line * work->width;
    tile_offsets(bands, rows, first, count, side, matrix == CELLS ? 6 - side : 0, offsets);
    for (int64_t t = 0; t < count; t++)
        for (int64_t c = 0; c < work->width; c += LANES)
            square_to_points(work->cells + offsets[t] * work->width + c, below, right,
                             points.values + t * points.width + c, points.step, matrix, matrix == CELLS ? 6 : side);
    if (matrix != CELLS) return;
    int64_t end = min64((count / COLUMNS + 1) * COLUMNS, BLOCK) * points.width + LANES, begin = count * points.width;
    for (int64_t p = 0; p < POINTS; p++)
        memset(points.values + p * points.step + begin, 0, (size_t)(end - begin) * sizeof(real));
}

/* products[p, t, o] = Σ_c cells[p, t, c] kernels[p, c, o] for `count` tiles t and filters from `begin` to `end` − 1. */
INLINE void multiply_panels(Points cells, Points kernels, Points products, int64_t ins, int64_t count, int64_t begin,
                            int64_t end, int vectors)
{
    int64_t wide = vectors * LANES, strip = CHANNEL_STRIP * 2 / vectors;
    for (int64_t p = 0; p < POINTS; p++) {
        for (int64_t o = begin; o < end; o += wide) {
            for (int64_t first = 0; first < ins; first += strip) {
                const real *kernel = kernels.values + p * kernels.step + o * ins;
                int64_t last = min64(first + strip, ins);
                for (int64_t t = 0; t < count; t += COLUMNS) {
                    real *sums = products.values + p * products.step + t * products.width + o;
                    const real *cell = cells.values + p * cells.step + t * cells.width;
                    vec tile[2 * COLUMNS];
                    if (first) tile_load(tile, sums, products.width, vectors, COLUMNS);
                    else tile_zeros(tile, vectors, COLUMNS);
                    for (int64_t c = first; c < last; c++)
                        tile_add_outer(tile, kernel + c * wide, cell + c, cells.width, vectors, COLUMNS);
                    tile_store(tile, sums, products.width, vectors, COLUMNS);
                }
            }
        }
    }
}

SEPARATE void multiply_pairs(Points cells, Points kernels, Points products, int64_t ins, int64_t count, int64_t end)
{
    multiply_panels(cells, kernels, products, ins, count, 0, end, 2);
}

SEPARATE void multiply_last(Points cells, Points kernels, Points products, int64_t ins, int64_t count, int64_t begin)
{
    multiply_panels(cells, kernels, products, ins, count, begin, kernels.width, 1);
}

/* sums[p, c, o] += Σ_t cells[p, t, c] upstream[p, t, o], or = if `fresh`, for filters from `begin` to `end` − 1. */
INLINE void add_panels(Points cells, Points upstream, Points sums, bool fresh, int64_t ins, int64_t count,
                       int64_t begin, int64_t end, int vectors)
{
    for (int64_t p = 0; p < POINTS; p++) {
        for (int64_t o = begin; o < end; o += vectors * LANES) {
            for (int64_t c = 0; c < ins; c += COLUMNS) {
                real *sum = sums.values + p * sums.step + c * sums.width + o;
                const real *slope = upstream.values + p * upstream.step + o, *cell = cells.values + p * cells.step + c;
                vec tile[2 * COLUMNS];
                if (fresh) tile_zeros(tile, vectors, COLUMNS);
                else tile_load(tile, sum, sums.width, vectors, COLUMNS);
                for (int64_t t = 0; t < count; t++)
                    tile_add_outer(tile, slope + t * upstream.width, cell + t * cells.width, 1, vectors, COLUMNS);
                tile_store(tile, sum, sums.width, vectors, COLUMNS);
            }
        }
    }
}

SEPARATE void add_pairs(Points cells, Points upstream, Points sums, bool fresh, int64_t ins, int64_t count, int64_t end)
{
    add_panels(cells, upstream, sums, fresh, ins, count, 0, end, 2);
}

SEPARATE void add_last(Points cells, Points upstream, Points sums, bool fresh, int64_t ins, int64_t count,
                       int64_t begin)
{
    add_panels(cells, upstream, sums, fresh, ins, count, begin, sums.width, 1);
}

/* The rows and filters of y to write, and what is applied to sums: factors, addends and bounds. */
typedef struct {
    Array y;
    int64_t first, last, lowest, outs;
    real *addends, *factors; /* of whole vectors of filters */
    Epilogue epilogue;
} Results;

INLINE Results results_of(Array y, int64_t first, int64_t last, int64_t lowest, int64_t outs, Epilogue epilogue)
{
    int64_t width = round_up(outs, LANES);
    Results results = {y, first, last, lowest, outs, zeros(width), reals(width), epilogue};
    for (int64_t o = 0; o < width; o++) {
        if (o < outs && epilogue.addends) results.addends[o] = epilogue.addends[lowest + o];
        results.factors[o] = o < outs && epilogue.factors ? epilogue.factors[lowest + o] : 1;
    }
    return results;
}

/* Aᵀ m A of the sums m at the points for `count` tiles, and the epilogue, in rows of results with contiguous filters.
 */
INLINE void results_from_points(Points products, const Bands *bands, int64_t rows, int64_t first, int64_t count,
                                const Results *results, real *rows_of_sums, int side)
{
    int64_t offsets[BLOCK], width = products.width, right = bands->dilation[1] * width;
    int64_t below = side * bands->along * bands->dilation[0] * width;
    tile_offsets(bands, rows, first, count, side, 0, offsets);
    for (int64_t o = 0; o < width; o += LANES) {
        vec addend = at(results->addends + o), factor = at(results->factors + o);
        for (int64_t t = 0; t < count; t++) {
            vec result[6][6];
            real *target = rows_of_sums + offsets[t] * width + o;
            square_from_points(products.values + t * width + o, products.step, result, RESULTS, side);
            EACH(i, side)
                EACH(j, side) {
                    vec value = result[i][j] * factor + addend;
                    if (results->epilogue.clamps)
                        value = clamped(value, results->epilogue.least, results->epilogue.most);
                    put(target + i * below + j * right, value);
                }
        }
    }
}

/* The results of all images, one band of tiles at a time. A band is laid out; BLOCK tiles at a time are transformed,
 * multiplied and transformed back. Rows of results end with those of incomplete tiles, which are removed before the
 * results are transposed into y, where the elements of a filter are contiguous. */
INLINE void correlate_tiles(Array x, int64_t top, int64_t left, Points kernels, const Results *results,
                            const int64_t *dilation, int side)
{
    int64_t samples = x.shape[0], ins = x.shape[1], height = results->last - results->first,
            width = results->y.shape[3];
    Bands bands = bands_of(samples, height, width, dilation, side);
    int64_t below = (6 - side) * dilation[0], right = (6 - side) * dilation[1], line = side * bands.along;
    Work work = new_work(x, top, left, &bands, side, below, right);
    Points cells = new_points(ins), products = new_points(results->outs);
    int64_t plane = results->y.shape[2] * width, pairs = kernels.width / (2 * LANES) * 2 * LANES;
    real *sums = reals(side * bands.images * bands.rows * line * kernels.width), *y = results->y.at;
    for (int64_t start = 0; start < samples; start += bands.images) {
        int64_t count = min64(bands.images, samples - start);
        for (int64_t row = 0; row < bands.down; row += bands.rows) {
            int64_t rows = min64(bands.rows, bands.down - row), written = min64(side * rows, height - side * row);
            for (int64_t n = 0; n < count; n++) lay_out_band(&work, start + n, side * row, side * rows + below, n);
            for (int64_t first = 0; first < count * rows * bands.along; first += BLOCK) {
                int64_t tiles = min64(BLOCK, count * rows * bands.along - first);
                tiles_to_points(&work, &bands, rows, first, tiles, cells, CELLS, side);
                multiply_pairs(cells, kernels, products, ins, tiles, pairs);
                multiply_last(cells, kernels, products, ins, tiles, pairs);
                results_from_points(products, &bands, rows, first, tiles, results, sums, side);
            }
            for (int64_t n = 0; n < count; n++) {
                real *image = sums + n * side * rows * line * kernels.width;
                size_t length = (size_t)(width * kernels.width) * sizeof(real);
                for (int64_t i = 1; width < line && i < written; i++)
                    memmove(image + i * width * kernels.width, image + i * line * kernels.width, length);
                real *target = y + ((start + n) * results->y.shape[1] + results->lowest) * plane +
                               (results->first + side * row) * width;
                NAME(transpose_matrix)(image, kernels.width, written * width, results->outs, target, plane);
            }
        }
    }
}

/* The filters of w (C_out, C, taps, taps) from `lowest` to `highest` − 1, at the points. */
INLINE void pack(Array w, bool flip, int64_t lowest, int64_t highest, real *packed, int taps)
{
    int64_t ins = w.shape[1], columns = ins * taps * taps, outs = highest - lowest;
    Points points = {packed + lowest * ins, conflict_free(ins * round_up(w.shape[0], LANES)), round_up(outs, LANES)};
    real *panels = reals(points.width * columns + 2 * LANES * LANES); /* packing may write beyond the last one */
    NAME(pack)((Rows){(const real *)w.at + lowest * columns, 1, outs, columns, columns}, panels);
    weights_to_points(panels, points, ins, flip, taps);
}

KERNEL(pack_points)
{
    bool flip = window_of(numbers).flip;
    int64_t lowest = numbers[10].i, highest = numbers[11].i < 0 ? arrays[0].shape[0] : numbers[11].i;
    if (arrays[0].shape[2] == 3) pack(arrays[0], flip, lowest, highest, arrays[1].at, 3);
    else pack(arrays[0], flip, lowest, highest, arrays[1].at, 5);
    return DONE;
}

/* y = w ⋆ x + b, and the epilogue. Row `first` of y is treated as row 0 of a smaller result, whose padding is larger or
 * smaller by as many rows; it must be a multiple of `side` times the dilation, so that tiles do not depend on chunks.
 */
INLINE void forward(const Array *arrays, const Number *numbers, int taps)
{
    Array x = arrays[0], w = arrays[1], y = arrays[3];
    Window window = window_of(numbers);
    Chunk chunk = chunk_of(numbers, y.shape[2], y.shape[1]);
    int64_t first = chunk.rows[0], last = chunk.rows[1], lowest = chunk.filters[0], outs = chunk.filters[1] - lowest;
    if (last <= first || outs <= 0) return;
    int64_t step = conflict_free(x.shape[1] * round_up(w.shape[0], LANES));
    real *points = w.at;
    if (!numbers[PACKED].i) {
        points = reals(POINTS * step);
        pack(w, window.flip, lowest, lowest + outs, points, taps);
    }
    Results results = results_of(y, first, last, lowest, outs, epilogue_of(numbers, arrays[2], y.shape[1]));
    Points kernels = {points + lowest * x.shape[1], step, round_up(outs, LANES)};
    correlate_tiles(x, window.padding[0][0] - first, window.padding[1][0], kernels, &results, window.dilation,
                    7 - taps);
}

/* dx[c, i] = Σ_{o, u} w[o, c, u] dy[o, i + p − d u], on both axes, with the padding p and the dilation d. */
INLINE void input_gradient(const Array *arrays, const Number *numbers, int taps)
{
    Array dy = arrays[0], w = arrays[1], dx = arrays[2];
    Window window = window_of(numbers);
    int64_t outs = w.shape[0], ins = w.shape[1], area = taps * taps, width = round_up(ins, LANES);
    int64_t below = (taps - 1) * window.dilation[0], right = (taps - 1) * window.dilation[1];
    real *panels = reals(width * outs * area + 2 * LANES * LANES);
    NAME(pack)((Rows){w.at, outs, ins, area, area}, panels);
    Points kernels = {NULL, conflict_free(outs * width), width};
    kernels.values = reals(POINTS * kernels.step);
    weights_to_points(panels, kernels, outs, !window.flip, taps);
    Results results = results_of(dx, 0, dx.shape[2], 0, ins, (Epilogue){0});
    correlate_tiles(dy, below - window.padding[0][0], right - window.padding[1][0], kernels, &results, window.dilation,
                    7 - taps);
}

/* dw += x ⋆ dy. The products of all tiles are summed at the points; the transform back follows at the end. */
INLINE void kernel_gradient(const Array *arrays, const Number *numbers, int taps)
{
    Array x = arrays[0], dy = arrays[1];
    Window window = window_of(numbers);
    int64_t samples = x.shape[0], ins = x.shape[1], outs = dy.shape[1], side = 7 - taps, area = taps * taps;
    if (samples == 0) return;
    int64_t below = (taps - 1) * window.dilation[0], right = (taps - 1) * window.dilation[1];
    Bands bands = bands_of(samples, dy.shape[2], dy.shape[3], window.dilation, 7 - taps);
    Work work = new_work(x, window.padding[0][0], window.padding[1][0], &bands, 7 - taps, below, right);
    Work upstream_work = new_work(dy, 0, 0, &bands, 7 - taps, 0, 0);
    Points cells = new_points(ins), upstream = new_points(outs);
    int64_t width = upstream.width, pairs = width / (2 * LANES) * 2 * LANES;
    Points sums = {NULL, conflict_free((ins + COLUMNS) * width),
                   width}; /* the last tile also adds to channels not read */
    sums.values = reals(POINTS * sums.step);
    bool fresh = true;
    for (int64_t start = 0; start < samples; start += bands.images) {
        int64_t count = min64(bands.images, samples - start);
        for (int64_t row = 0; row < bands.down; row += bands.rows) {
            int64_t rows = min64(bands.rows, bands.down - row);
            for (int64_t n = 0; n < count; n++) {
                lay_out_band(&work, start + n, side * row, side * rows + below, n);
                lay_out_band(&upstream_work, start + n, side * row, side * rows, n);
            }
            for (int64_t first = 0; first < count * rows * bands.along; first += BLOCK) {
                int64_t tiles = min64(BLOCK, count * rows * bands.along - first);
                tiles_to_points(&work, &bands, rows, first, tiles, cells, CELLS, 7 - taps);
                tiles_to_points(&upstream_work, &bands, rows, first, tiles, upstream, RESULTS, 7 - taps);
                add_pairs(cells, upstream, sums, fresh, ins, tiles, pairs);
                add_last(cells, upstream, sums, fresh, ins, tiles, pairs);
                fresh = false;
            }
        }
    }
    real *gradient = reals(area * ins * width);
    for (int64_t c = 0; c < ins; c++) {
        for (int64_t o = 0; o < width; o += LANES) {
            vec result[6][6];
            square_from_points(sums.values + c * width + o, sums.step, result, WEIGHTS, taps);
            EACH(u, taps)
                EACH(v, taps) {
                    int64_t tap = window.flip ? area - 1 - (taps * u + v) : taps * u + v;
                    put(gradient + (c * area + tap) * width + o, result[u][v]);
                }
        }
    }
    NAME(add_transposed)(gradient, width, ins * area, arrays[2].at, outs);
}

KERNEL(correlate_winograd)
{
    forward(arrays, numbers, 3);
    return DONE;
}

KERNEL(correlate_winograd_dx)
{
    input_gradient(arrays, numbers, 3);
    return DONE;
}

KERNEL(correlate_winograd_dw)
{
    kernel_gradient(arrays, numbers, 3);
    return DONE;
}

KERNEL(correlate_winograd_5x5)
{
    forward(arrays, numbers, 5);
    return DONE;
}

KERNEL(correlate_winograd_5x5_dx)
{
    input_gradient(arrays, numbers, 5);
    return DONE;
}

KERNEL(correlate_winograd_5x5_dw)
{
    kernel_gradient(arrays, numbers, 5);
    return DONE;
}
