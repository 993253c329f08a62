/* Pooling and its gradients. The equations are in reference/pooling.py.
 *
 * Neighboring windows of a row are pooled at a time, one in each lane. With a stride of 2, the lanes are every second
 * element of two vectors. A vector may pool more windows than a row has: the surplus is stored where the next row of
 * results begins, which overwrites it. Windows that are not wholly inside the columns of the image, those near the end
 * of an array, and those with larger strides, are pooled one by one. */
#include "tiles.h"
#include "row_sums.h"

typedef struct {
    int64_t rows, columns;               /* of a window */
    int64_t down, along;                 /* its strides */
    int64_t above, before;               /* the padding before the first row and column */
    int64_t height, width;               /* of the image */
    int64_t results_down, results_along; /* rows and columns of results */
} Pooling;

INLINE Pooling pooling_of(Array image, Array result, const Number *numbers)
{
    return (Pooling){numbers[0].i, numbers[1].i,   numbers[2].i,   numbers[3].i,    numbers[4].i,
                     numbers[6].i, image.shape[2], image.shape[3], result.shape[2], result.shape[3]};
}

/* What is computed of the elements of a window: their sum, their maximum, or this and the index of the first one. */
typedef enum { SUM, LARGEST, WINNER } Mode;

/* Pool one window, of the rows from first to last − 1 of an image. */
INLINE void pool_one(const real *image, int64_t first, int64_t last, int64_t column, const Pooling *p, real *y,
                     int32_t *winner, Mode mode)
{
    int64_t left = max64(column, 0), right = min64(column + p->columns, p->width), place = first * p->width + left;
    real best = mode == SUM ? 0 : image[place];
    for (int64_t h = first; h < last; h++) {
        for (int64_t k = left; k < right; k++) {
            real value = image[h * p->width + k];
            if (mode == SUM) {
                best += value;
            } else if (best == best && !(value <= best)) {
                best = value;
                place = h * p->width + k;
            }
        }
    }
    *y = best;
    if (mode == WINNER) *winner = (int32_t)place;
}

INLINE vec combined(vec a, vec b, Mode mode)
{
    if (mode == SUM) return a + b;
    return larger(a, b);
}

/* Pool LANES neighboring windows of `rows` rows, the first of which begins at `row`: their rows first, then columns. */
INLINE vec pool_lanes(const real *row, int64_t rows, int64_t columns, int64_t width, int along, Mode mode)
{
    vec result = {0};
    for (int64_t k = 0; k < columns; k += along) {
        vec a = at(row + k), b = along == 2 ? at(row + k + LANES) : a;
        for (int64_t h = 1; h < rows; h++) {
            a = combined(a, at(row + h * width + k), mode);
            if (along == 2) b = combined(b, at(row + h * width + k + LANES), mode);
        }
        vec first = along == 2 ? evens(a, b) : a;
        result = k ? combined(result, first, mode) : first;
        if (along == 2 && k + 1 < columns) result = combined(result, odds(a, b), mode);
    }
    return result;
}

/* The same for maxima with their indices; `place` is that of the first element. */
INLINE vec pool_winners(const real *row, int64_t place, int64_t rows, int64_t columns, int64_t width, int32_t *winner,
                        int along)
{
    mask steps = (mask){LANE_LIST(EVEN)} * along / 2, index = steps + (lane_int)place;
    vec best = {0};
    for (int64_t h = 0; h < rows; h++) {
        for (int64_t k = 0; k < columns; k++) {
            const real *x = row + h * width + (along == 2 ? k & ~1 : k);
            vec value = along == 1 ? at(x) : k & 1 ? odds(at(x), at(x + LANES)) : evens(at(x), at(x + LANES));
            if (h + k == 0) best = value;
            mask better = (best == best) & ~(value <= best);
            best = choose(better, value, best);
            index = (better & (steps + (lane_int)(place + h * width + k))) | (~better & index);
        }
    }
    EACH(lane, LANES) winner[lane] = (int32_t)index[lane];
    return best;
}

/* Pool all windows of images x into y and, for WINNER, winner. `rows`, `columns`: of a window, constants where known.
 */
INLINE void pool(Array images, Array results, int32_t *winner, const Pooling *p, int64_t rows, int64_t columns,
                 int along, Mode mode)
{
    const real *x = images.at;
    real *y = results.at;
    int64_t size = size_from(images, 0), results_size = size_from(results, 0), cells = p->results_along;
    int64_t inner =
        along > 2 ? cells : ceil_div(p->before, p->along); /* the windows inside the columns: from inner … */
    int64_t outer = p->width + p->before < columns ? inner : (p->width + p->before - columns) / p->along + 1;
    for (int64_t c = 0; c < images.shape[0] * images.shape[1]; c++) {
        const real *image = x + c * p->height * p->width;
        for (int64_t i = 0; i < p->results_down; i++) {
            int64_t top = i * p->down - p->above, first = max64(top, 0), last = min64(top + rows, p->height);
            int64_t output = (c * p->results_down + i) * cells, j = 0;
            for (; j < cells; j++) {
                int64_t column = j * p->along - p->before, place = first * p->width + column;
                const real *row = image + place;
                bool fits = j >= inner && j < outer && output + j + LANES <= results_size &&
                            row + (last - first - 1) * p->width + columns + 2 * LANES <= x + size;
                if (!fits) {
                    pool_one(image, first, last, column, p, y + output + j, winner + output + j, mode);
                    continue;
                }
                int64_t count = last - first == rows ? rows : last - first;
                vec pooled = mode == WINNER
                                 ? pool_winners(row, place, count, columns, p->width, winner + output + j, along)
                                 : pool_lanes(row, count, columns, p->width, along, mode);
                put(y + output + j, pooled);
                j = min64(j + LANES, outer) - 1;
            }
        }
    }
}

/* The most common windows, with loops of constant length. */
INLINE void pool_windows(Array images, Array results, int32_t *winner, const Pooling *p, Mode mode)
{
    if (p->along == 1) pool(images, results, winner, p, p->rows, p->columns, 1, mode);
    else if (p->along > 2) pool(images, results, winner, p, p->rows, p->columns, 3, mode);
    else if (p->rows == 2 && p->columns == 2) pool(images, results, winner, p, 2, 2, 2, mode);
    else if (p->rows == 3 && p->columns == 3) pool(images, results, winner, p, 3, 3, 2, mode);
    else pool(images, results, winner, p, p->rows, p->columns, 2, mode);
}

/* The maximum of each window: x (N, C, H, W), y (N, C, H', W'); nobody reads the indices of the maxima. */
KERNEL(largest_cells)
{
    Pooling p = pooling_of(arrays[0], arrays[1], numbers);
    pool_windows(arrays[0], arrays[1], NULL, &p, LARGEST);
    return DONE;
}

/* The maximum of each window, and its index in its channel: x (N, C, H, W), y and winner (N, C, H', W'). */
KERNEL(max_pool)
{
    Pooling p = pooling_of(arrays[0], arrays[1], numbers);
    pool_windows(arrays[0], arrays[1], arrays[2].at, &p, WINNER);
    return DONE;
}

/* dx[winner] += dy for each window: dy, winner (N, C, H', W'), dx (N, C, H, W). */
KERNEL(max_pool_dx)
{
    const real *dy = arrays[0].at;
    const int32_t *winner = arrays[1].at;
    real *dx = arrays[2].at;
    int64_t cells = size_from(arrays[2], 2), results = size_from(arrays[0], 2);
    memset(dx, 0, (size_t)size_from(arrays[2], 0) * sizeof(real));
    for (int64_t c = 0; c < arrays[0].shape[0] * arrays[0].shape[1]; c++, dy += results, winner += results, dx += cells)
        for (int64_t q = 0; q < results; q++) dx[winner[q]] += dy[q];
    return DONE;
}

enum { ONE, CELLS, WINDOW, DIVISOR = 8 }; /* what a sum is divided by: 1, the cells inside the image, all; its place */

/* How many elements of a window from `start` on are inside an axis of this size. */
INLINE int64_t inside(int64_t start, int64_t window, int64_t size)
{
    return min64(start + window, size) - max64(start, 0);
}

/* The reciprocals of the divisors of all windows, in scratch memory. */
INLINE real *factors_of(const Pooling *p, int64_t divisor)
{
    real *factors = reals(p->results_down * p->results_along);
    for (int64_t i = 0; i < p->results_down; i++) {
        int64_t rows = inside(i * p->down - p->above, p->rows, p->height);
        for (int64_t j = 0; j < p->results_along; j++) {
            int64_t cells = rows * inside(j * p->along - p->before, p->columns, p->width);
            int64_t count = divisor == ONE ? 1 : divisor == CELLS ? cells : p->rows * p->columns;
            factors[i * p->results_along + j] = 1 / (real)count;
        }
    }
    return factors;
}

/* The sum of each window, divided by its divisor: x (N, C, H, W), y (N, C, H', W'). */
KERNEL(average_pool)
{
    Pooling p = pooling_of(arrays[0], arrays[1], numbers);
    const real *factors = factors_of(&p, numbers[DIVISOR].i);
    real *y = arrays[1].at;
    pool_windows(arrays[0], arrays[1], NULL, &p, SUM);
    int64_t cells = p.results_down * p.results_along;
    for (int64_t c = 0; c < arrays[0].shape[0] * arrays[0].shape[1]; c++)
        for (int64_t q = 0; q < cells; q++) y[c * cells + q] *= factors[q];
    return DONE;
}

/* dx += dy / divisor for all elements of each window. All rows of a window receive the same, which is computed once. */
KERNEL(average_pool_dx)
{
    Pooling p = pooling_of(arrays[1], arrays[0], numbers);
    const real *dy = arrays[0].at, *factors = factors_of(&p, numbers[DIVISOR].i);
    real *dx = arrays[1].at, *rows = reals(p.results_down * p.width);
    for (int64_t c = 0; c < arrays[1].shape[0] * arrays[1].shape[1]; c++) {
        memset(rows, 0, (size_t)(p.results_down * p.width) * sizeof(real));
        for (int64_t i = 0; i < p.results_down; i++, dy += p.results_along) {
            for (int64_t j = 0; j < p.results_along; j++) {
                int64_t column = j * p.along - p.before, last = min64(column + p.columns, p.width);
                real slope = dy[j] * factors[i * p.results_along + j];
                for (int64_t k = max64(column, 0); k < last; k++) rows[i * p.width + k] += slope;
            }
        }
        for (int64_t h = 0; h < p.height; h++, dx += p.width) {
            int64_t first = max64(0, (h + p.above - p.rows + p.down) / p.down);
            int64_t last = min64(p.results_down, (h + p.above) / p.down + 1);
            memset(dx, 0, (size_t)p.width * sizeof(real));
            for (int64_t i = first; i < last; i++)
                for (int64_t k = 0; k < p.width; k++) dx[k] += rows[i * p.width + k];
        }
    }
    return DONE;
}

/* The sum of each channel, divided by the divisor: x (N, C, H, W), y (N, C, 1, 1). */
KERNEL(average_pool_whole)
{
    const real *x = arrays[0].at;
    real *y = arrays[1].at;
    int64_t size = size_from(arrays[0], 2);
    real factor = 1 / (real)(numbers[0].i == ONE ? 1 : size);
    for (int64_t c = 0; c < arrays[0].shape[0] * arrays[0].shape[1]; c++) y[c] = row_sum(x + c * size, size) * factor;
    return DONE;
}

/* dx = dy / divisor for all elements of each channel. */
KERNEL(average_pool_whole_dx)
{
    const real *dy = arrays[0].at;
    real *dx = arrays[1].at;
    int64_t size = size_from(arrays[1], 2);
    real factor = 1 / (real)(numbers[0].i == ONE ? 1 : size);
    for (int64_t c = 0; c < arrays[1].shape[0] * arrays[1].shape[1]; c++)
        for (int64_t q = c * size; q < (c + 1) * size; q++) dx[q] = dy[c] * factor;
    return DONE;
}
