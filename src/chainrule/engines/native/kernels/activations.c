/* Softmax, dropout, PReLU and their gradients. The equations are in reference/. The other activations are generated. */
#include "rows.h"

/* A loop over the vectors of rows: e is the offset of one, and `left` the number of its elements. */
#define EACH_CLASS(rows)                                                                                               \
    for (int64_t k = 0, e = 0, left = lanes_left(rows, 0); k < rows.classes;                                           \
         k += rows.step, e = k * rows.stride, left = lanes_left(rows, k))

INLINE vec maximum_of_classes(Rows rows, const real *x)
{
    vec maxima = spread(-INFINITY);
    EACH_CLASS(rows) maxima = max_or_b(choose(first_lanes(left), some(x + e, left), maxima), maxima);
    return maximum_of(rows, maxima);
}

/* y = e^(x − max x) / Σ e^(x − max x) over the classes K of x, y (N, K, …) */
KERNEL(softmax)
{
    for (int64_t block = 0; block < row_blocks(arrays[0]); block++) {
        Rows rows = rows_of(arrays[0], block);
        const real *x = (const real *)arrays[0].at + rows.first;
        real *y = (real *)arrays[1].at + rows.first;
        vec maximum = maximum_of_classes(rows, x), sum = {0};
        EACH_CLASS(rows)
        {
            vec power = exponential(some(x + e, left) - maximum);
            sum += choose(first_lanes(left), power, spread(0));
            put_some(y + e, left, power);
        }
        sum = sum_of(rows, sum);
        EACH_CLASS(rows) put_some(y + e, left, some(y + e, left) / sum);
    }
    return DONE;
}

/* dx = y (dy − Σ dy y) over the classes K of dy, y, dx (N, K, …) */
KERNEL(softmax_dx)
{
    for (int64_t block = 0; block < row_blocks(arrays[1]); block++) {
        Rows rows = rows_of(arrays[1], block);
        const real *dy = (const real *)arrays[0].at + rows.first, *y = (const real *)arrays[1].at + rows.first;
        real *dx = (real *)arrays[2].at + rows.first;
        vec sum = {0};
        EACH_CLASS(rows) sum += some(dy + e, left) * some(y + e, left);
        sum = sum_of(rows, sum);
        EACH_CLASS(rows) put_some(dx + e, left, some(y + e, left) * (some(dy + e, left) - sum));
    }
    return DONE;
}

/* y = x − max x − log Σ e^(x − max x) over the classes K of x, y (N, K, …) */
KERNEL(log_softmax)
{
    for (int64_t block = 0; block < row_blocks(arrays[0]); block++) {
        Rows rows = rows_of(arrays[0], block);
        const real *x = (const real *)arrays[0].at + rows.first;
        real *y = (real *)arrays[1].at + rows.first;
        vec maximum = maximum_of_classes(rows, x), sum = {0};
        EACH_CLASS(rows) sum += choose(first_lanes(left), exponential(some(x + e, left) - maximum), spread(0));
        vec log_sum = logarithm(sum_of(rows, sum));
        EACH_CLASS(rows) put_some(y + e, left, some(x + e, left) - maximum - log_sum);
    }
    return DONE;
}

/* dx = dy − e^y Σ dy over the classes K of dy, y, dx (N, K, …) */
KERNEL(log_softmax_dx)
{
    for (int64_t block = 0; block < row_blocks(arrays[1]); block++) {
        Rows rows = rows_of(arrays[1], block);
        const real *dy = (const real *)arrays[0].at + rows.first, *y = (const real *)arrays[1].at + rows.first;
        real *dx = (real *)arrays[2].at + rows.first;
        vec sum = {0};
        EACH_CLASS(rows) sum += some(dy + e, left);
        sum = sum_of(rows, sum);
        EACH_CLASS(rows) put_some(dx + e, left, some(dy + e, left) - exponential(some(y + e, left)) * sum);
    }
    return DONE;
}

/* A key combined with one coordinate, as core/randomness.py does (SplitMix64); `hashed` takes key + (value + 1) GOLDEN.
 */
#define GOLDEN (uint64_t)0x9E3779B97F4A7C15
INLINE uint64_t hashed(uint64_t z)
{
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}
INLINE uint64_t mixed(uint64_t key, uint64_t value) { return hashed(key + (value + 1) * GOLDEN); }

/* y = x/(1 − rate) where the draw of (seed, stream, step, first + n, element) is at least rate, else 0; x, y (N, C, …).
 * A draw is a pseudorandom number in [0, 1), (hash >> 11)/2⁵³; hashes are compared with the smallest one that is kept.
 *
 * numbers: rate, stream, seed, step, first: index in the batch of the first sample, lowest and highest: the first
 * channel to compute, and the channel after the last (−1: all channels) */
KERNEL(dropout)
{
    enum { PIECE = 64 };
    const real *x = arrays[0].at, scale = (real)(1 / (1 - numbers[0].f));
    real *y = arrays[1].at;
    int64_t channels = arrays[0].shape[1], cells = size_from(arrays[0], 2);
    int64_t begin = cells * numbers[5].i, end = cells * (numbers[6].i < 0 ? channels : numbers[6].i);
    uint64_t key = mixed(mixed((uint64_t)numbers[2].i, (uint64_t)numbers[1].i), (uint64_t)numbers[3].i);
    uint64_t threshold = (uint64_t)ceil(numbers[0].f * 0x1p53) << 11;
    uint64_t multiples[PIECE];
    for (int e = 0; e < PIECE; e++) multiples[e] = (uint64_t)e * GOLDEN;
    for (int64_t n = 0; n < arrays[0].shape[0]; n++, x += channels * cells, y += channels * cells) {
        uint64_t sample = mixed(key, (uint64_t)(numbers[4].i + n));
        for (int64_t piece = begin; piece < end; piece += PIECE) {
            lane_int kept[PIECE];
            uint64_t first = sample + (uint64_t)(piece + 1) * GOLDEN;
            for (int e = 0; e < PIECE; e++) kept[e] = hashed(first + multiples[e]) >= threshold ? -1 : 0;
            for (int64_t e = piece; e < min64(piece + PIECE, end); e += LANES) {
                vec scaled = some(x + e, end - e) * scale;
                put_some(y + e, end - e, (vec)((mask)scaled & *(const mask *)(kept + e - piece)));
            }
        }
    }
    return DONE;
}

/* y = slope · x where sign ≤ 0, elsewhere x, for a row of (N, C, …); `step` is 1 if each element has its own slope. */
INLINE void select_by_sign(const real *x, const real *sign, const real *slope, int step, real *y, int64_t count)
{
    for (int64_t k = 0; k < count; k += LANES) {
        vec values = some(x + k, count - k), slopes = step ? some(slope + k, count - k) : spread(*slope);
        put_some(y + k, count - k, choose(some(sign + k, count - k) <= 0, slopes * values, values));
    }
}

static void select_by_signs(Array values, const real *sign, const real *slope, real *y)
{
    const real *x = values.at;
    int64_t channels = values.shape[1], cells = size_from(values, 2);
    for (int64_t n = 0; n < values.shape[0]; n++) {
        int64_t row = n * channels * cells;
        if (cells == 1) select_by_sign(x + row, sign + row, slope, 1, y + row, channels);
        else
            for (int64_t c = 0; c < channels; c++, row += cells)
                select_by_sign(x + row, sign + row, slope + c, 0, y + row, cells);
    }
}

/* y = x where x > 0, else slope · x; x, y (N, C, …), slope (C) */
KERNEL(prelu)
{
    select_by_signs(arrays[0], arrays[0].at, arrays[1].at, arrays[2].at);
    return DONE;
}

/* dx = dy where x > 0, else slope · dy */
KERNEL(prelu_dx)
{
    select_by_signs(arrays[0], arrays[1].at, arrays[2].at, arrays[3].at);
    return DONE;
}

/* dslope += Σ dy x over the elements x ≤ 0 of each channel. Up to PART elements are summed in the precision of the
 * array, and these sums in float64. */
KERNEL(prelu_dw)
{
    enum { PART = 2048 };
    const real *dy = arrays[0].at, *x = arrays[1].at;
    real *dslope = arrays[2].at;
    int64_t channels = arrays[0].shape[1], cells = size_from(arrays[0], 2);
    for (int64_t c = 0; c < channels; c++) {
        double total = 0;
        for (int64_t n = 0; n < arrays[0].shape[0]; n++) {
            int64_t row = (n * channels + c) * cells;
            for (int64_t part = 0; part < cells; part += PART) {
                vec sums = {0};
                int64_t end = min64(part + PART, cells);
                for (int64_t p = part; p < end; p += LANES) {
                    vec values = some(x + row + p, end - p);
                    sums += choose(values <= 0, some(dy + row + p, end - p) * values, spread(0));
                }
                total += lane_sum(sums);
            }
        }
        dslope[c] += (real)total;
    }
    return DONE;
}
