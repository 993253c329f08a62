/* Sums over a row of contiguous elements, in several vectors, so that an addition need not wait for the one before. */
#ifndef CHAINRULE_ROW_SUMS_H
#define CHAINRULE_ROW_SUMS_H

#include "kernel.h"

enum { CHAINS = 8 }; /* vectors of sums */

/* Σ x[k] for k < count */
INLINE real row_sum(const real *x, int64_t count)
{
    vec sums[CHAINS] = {{0}};
    real rest = 0;
    int64_t k = 0;
    for (; k + CHAINS * LANES <= count; k += CHAINS * LANES) EACH(c, CHAINS) sums[c] += at(x + k + c * LANES);
    for (; k + LANES <= count; k += LANES) sums[0] += at(x + k);
    for (; k < count; k++) rest += x[k];
    EACH(c, CHAINS - 1) sums[0] += sums[c + 1];
    return lane_sum(sums[0]) + rest;
}

#endif
