/* Rows: what a softmax or a loss computes one result for: the classes of a sample, or of a position in an image. */
#ifndef CHAINRULE_ROWS_H
#define CHAINRULE_ROWS_H

#include "elementary.h"

/* The rows of a block: one row, whose classes are next to each other and fill the lanes of vectors, or a row per lane.
 *
 * count             rows
 * classes, step     classes of a row, and those in a vector: LANES or 1
 * stride            elements between two classes
 * first, first_row  index of the first element, and of its row */
typedef struct {
    int64_t count, classes, step, stride, first, first_row;
} Rows;

/* The number of blocks of rows of x (N, K, …), and one of them. With one class, all elements are rows. */
INLINE int64_t row_blocks(Array x)
{
    int64_t positions = size_from(x, 2);
    if (x.shape[1] == 1) return ceil_div(x.shape[0] * positions, LANES);
    return x.shape[0] * (positions == 1 ? 1 : ceil_div(positions, LANES));
}

INLINE Rows rows_of(Array x, int64_t block)
{
    int64_t classes = x.shape[1], positions = size_from(x, 2) * (classes == 1 ? x.shape[0] : 1);
    if (positions == 1) return (Rows){1, classes, LANES, 1, block * classes, block};
    int64_t blocks = ceil_div(positions, LANES), n = block / blocks, q = block % blocks * LANES;
    return (Rows){min64(LANES, positions - q), classes, 1, positions, n * classes * positions + q, n * positions + q};
}

/* The number of lanes of the vector from class k on that have an element. */
INLINE int64_t lanes_left(Rows rows, int64_t k) { return rows.step == 1 ? rows.count : min64(LANES, rows.classes - k); }

/* The sum over the classes of each row, from the sums of each lane; and the maximum. */
INLINE vec sum_of(Rows rows, vec sums) { return rows.step == 1 ? sums : spread(lane_sum(sums)); }
INLINE vec maximum_of(Rows rows, vec maxima)
{
    if (rows.step == 1) return maxima;
    real maximum = maxima[0];
    EACH(lane, LANES) maximum = maxima[lane] > maximum ? maxima[lane] : maximum;
    return spread(maximum);
}

/* The number of rows over which a loss is averaged: `batch`, or if this is 0, all of p (N, K, …). */
INLINE int64_t row_count(Array p, int64_t batch) { return batch ? batch : p.shape[0] * size_from(p, 2); }

#endif
