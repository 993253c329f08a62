/* The dense layer. The equations are in reference/dense.py. */
#include "kernel.h"

/* y[n] = x[n] + b for the channels of x (N, C, …), or for all its elements: b (C), or b (C, …). */
KERNEL(add_bias)
{
    (void)numbers;
    const real *x = arrays[0].at, *b = arrays[1].at;
    real *y = arrays[2].at;
    int64_t width = size_from(arrays[0], 1), addends = size_from(arrays[1], 0), cells = width / addends;
    for (int64_t row = 0; row < arrays[0].shape[0] * addends; row++)
        for (int64_t k = row * cells; k < (row + 1) * cells; k++) y[k] = x[k] + b[row % addends];
    return DONE;
}
