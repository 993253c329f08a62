/* Sums over a row of contiguous elements, such as a channel.
 *
 * Several vectors are summed side by side, so that an addition need not wait for the one before. Parts of a long row
 * are summed in the precision of the array, and the sums of the parts in float64. */
#ifndef CHAINRULE_ROW_SUMS_H
#define CHAINRULE_ROW_SUMS_H

#include "kernel.h"

enum { CHAINS = 4, PART = 2048 }; /* vectors of sums; elements of a part */

typedef struct {
    double first, second;
} Sums;

/* Σ x[k] for k < count */
INLINE real row_sum(const real *x, int64_t count)
{
    vec sums[CHAINS] = {{0}};
    int64_t k = 0;
    for (; k + CHAINS * LANES <= count; k += CHAINS * LANES)
        EACH(c, CHAINS) sums[c] += at(x + k + c * LANES);
    for (; k + LANES <= count; k += LANES) sums[0] += at(x + k);
    real rest = 0;
    for (; k < count; k++) rest += x[k];
    return lane_sum((sums[0] + sums[1]) + (sums[2] + sums[3])) + rest;
}

/* Σ d[k] (x[k] − center) and Σ d[k] for k < count; without d, Σ (x − center)² and Σ (x − center). */
INLINE Sums part_sums(const real *d, const real *x, int64_t count, real center)
{
    vec products[CHAINS] = {{0}}, sums[CHAINS] = {{0}}, middle = spread(center);
    int64_t k = 0;
    for (; k + CHAINS * LANES <= count; k += CHAINS * LANES) {
        EACH(c, CHAINS) {
            vec deviation = at(x + k + c * LANES) - middle, slope = d ? at(d + k + c * LANES) : deviation;
            products[c] += slope * deviation;
            sums[c] += slope;
        }
    }
    for (; k + LANES <= count; k += LANES) {
        vec deviation = at(x + k) - middle, slope = d ? at(d + k) : deviation;
        products[0] += slope * deviation;
        sums[0] += slope;
    }
    real product = 0, sum = 0;
    for (; k < count; k++) {
        real deviation = x[k] - center, slope = d ? d[k] : deviation;
        product += slope * deviation;
        sum += slope;
    }
    return (Sums){lane_sum((products[0] + products[1]) + (products[2] + products[3])) + product,
                  lane_sum((sums[0] + sums[1]) + (sums[2] + sums[3])) + sum};
}

/* Σ d (x − center) and Σ d over a row, in float64. */
INLINE Sums gradient_sums(const real *d, const real *x, int64_t count, real center)
{
    Sums total = {0, 0};
    for (int64_t k = 0; k < count; k += PART) {
        Sums part = part_sums(d + k, x + k, min64(PART, count - k), center);
        total.first += part.first;
        total.second += part.second;
    }
    return total;
}

/* About the mean of a row, or 0 if that is not finite: subtracted before squaring, so that few digits are lost. */
INLINE real finite_mean(const real *x, int64_t count)
{
    real mean = row_sum(x, count) / (real)count;
    return isfinite(mean) ? mean : 0;
}

/* The mean (first) and the variance (second) of a row, in float64.
 *
 * The deviations of a part are from its own mean. Parts are combined with deviations from the mean of the first part,
 * whose squared distance from the mean of the row is at most the variance times the number of parts. */
INLINE Sums mean_and_variance(const real *x, int64_t count)
{
    double origin = finite_mean(x, min64(PART, count)), total = 0, squares = 0;
    for (int64_t k = 0; k < count; k += PART) {
        int64_t size = min64(PART, count - k);
        real center = k ? finite_mean(x + k, size) : (real)origin;
        Sums part = part_sums(NULL, x + k, size, center);
        double shift = center - origin;
        total += part.second + size * shift;
        squares += part.first + shift * (2 * part.second + size * shift);
    }
    double distance = total / count, variance = squares / count - distance * distance;
    return (Sums){origin + distance, variance < 0 ? 0 : variance};
}

#endif
