/* Updates of optimizers, and other kernels of a training step. The equations are in reference/updates.py.
 *
 * An update is one pass over parameters p, gradients g and moments, all (P), and works in place. `sums` contains Σ
 * loss, the number of correct predictions, and then numbers that add up to Σ g², in float64. */
#include "row_sums.h"

/* min(1, limit / (norm + 10⁻⁶)) */
INLINE double clipping(double norm, double limit)
{
    double ratio = limit / (norm + 1e-6);
    return ratio > 1 ? 1 : ratio;
}

/* The factor of each norm. */
KERNEL(clip_factor)
{
    const real *norm = arrays[0].at;
    real *factor = arrays[1].at;
    for (int64_t k = 0; k < size_from(arrays[1], 0); k++) factor[k] = (real)clipping(norm[k], numbers[0].f);
    return DONE;
}

/* p ← (1 − rate · decay) p − rate g; numbers: rate, decay */
KERNEL(sgd_update)
{
    real *p = arrays[0].at, rate = (real)numbers[0].f, keep = (real)(1 - numbers[0].f * numbers[1].f);
    const real *g = arrays[1].at;
    for (int64_t k = 0; k < size_from(arrays[0], 0); k++) p[k] = keep * p[k] - rate * g[k];
    return DONE;
}

/* h = g + decay p;  v ← μ v + h;  p ← p − rate v, or with Nesterov p − rate (h + μ v); numbers: rate, μ, Nesterov,
 * decay */
KERNEL(momentum_update)
{
    real *restrict p = arrays[0].at, *restrict v = arrays[2].at;
    const real *restrict g = arrays[1].at;
    real rate = (real)numbers[0].f, momentum = (real)numbers[1].f, decay = (real)numbers[3].f;
    real of_slope = numbers[2].i ? 1 : 0, of_speed = numbers[2].i ? momentum : 1;
    for (int64_t k = 0; k < size_from(arrays[0], 0); k++) {
        real slope = g[k] + decay * p[k], speed = momentum * v[k] + slope;
        p[k] -= rate * (of_slope * slope + of_speed * speed);
        v[k] = speed;
    }
    return DONE;
}

/* h = g + decay p;  v ← α v + (1 − α) h²;  u ← μ u + h/(√v + ε);  p ← p − rate u; numbers: rate, α, ε, μ, decay */
KERNEL(rmsprop_update)
{
    real *restrict p = arrays[0].at, *restrict v = arrays[2].at, *restrict u = arrays[3].at;
    const real *restrict g = arrays[1].at;
    real rate = (real)numbers[0].f, alpha = (real)numbers[1].f, rest = (real)(1 - numbers[1].f);
    real epsilon = (real)numbers[2].f, momentum = (real)numbers[3].f, decay = (real)numbers[4].f;
    for (int64_t k = 0; k < size_from(arrays[0], 0); k++) {
        real slope = g[k] + decay * p[k], square = alpha * v[k] + rest * slope * slope;
        real speed = momentum * u[k] + slope / (REAL(sqrt)(square) + epsilon);
        p[k] -= rate * speed;
        v[k] = square;
        u[k] = speed;
    }
    return DONE;
}

/* m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  p ← (1 − rate · decay) p − rate m̂/(√v̂ + ε), with the moments
 * corrected for their bias after t steps; numbers: rate, t, β₁, β₂, ε, decay */
KERNEL(adam_update)
{
    real *restrict p = arrays[0].at, *restrict m = arrays[2].at, *restrict v = arrays[3].at;
    const real *restrict g = arrays[1].at;
    double step = (double)numbers[1].i, beta1 = numbers[2].f, beta2 = numbers[3].f;
    real b1 = (real)beta1, b2 = (real)beta2, c1 = (real)(1 - beta1), c2 = (real)(1 - beta2),
         epsilon = (real)numbers[4].f;
    real rate = (real)(numbers[0].f / (1 - pow(beta1, step))), correction = (real)(1 / sqrt(1 - pow(beta2, step)));
    real keep = (real)(1 - numbers[0].f * numbers[5].f);
    for (int64_t k = 0; k < size_from(arrays[0], 0); k++) {
        real first = b1 * m[k] + c1 * g[k], second = b2 * v[k] + c2 * g[k] * g[k];
        p[k] = keep * p[k] - rate * first / (REAL(sqrt)(second) * correction + epsilon);
        m[k] = first;
        v[k] = second;
    }
    return DONE;
}

/* Set the elements from `first` to `last` − 1 of gradient k, a row of parts (T, P), to 0; numbers: k, first, last */
KERNEL(clear)
{
    real *row = (real *)arrays[0].at + numbers[0].i * arrays[0].shape[1];
    if (numbers[2].i > numbers[1].i)
        memset(row + numbers[1].i, 0, (size_t)(numbers[2].i - numbers[1].i) * sizeof(real));
    return DONE;
}

/* Add the gradients in the other rows of parts (T, P) to row 0, in order, for parameters from `first` to `last` − 1,
 * and Σ g² over these to sums[2 + k]; numbers: first, last, k */
KERNEL(add_up)
{
    real *total = arrays[0].at;
    int64_t size = arrays[0].shape[1], first = numbers[0].i, last = numbers[1].i;
    for (int64_t part = 1; part < arrays[0].shape[0]; part++)
        for (int64_t k = first; k < last; k++) total[k] += total[part * size + k];
    if (last > first)
        ((double *)arrays[1].at)[2 + numbers[2].i] += part_sums(NULL, total + first, last - first, 0).first;
    return DONE;
}

/* sums (P) = Σ of the rows of parts (T, P), in order */
KERNEL(add_parts)
{
    const real *parts = arrays[0].at;
    real *sums = arrays[1].at;
    int64_t size = arrays[1].shape[0];
    memcpy(sums, parts, (size_t)size * sizeof(real));
    for (int64_t part = 1; part < arrays[0].shape[0]; part++)
        for (int64_t k = 0; k < size; k++) sums[k] += parts[part * size + k];
    return DONE;
}

/* sums[0] += Σ loss, sums[1] += Σ correct: loss and correct (N) */
KERNEL(ends)
{
    const real *loss = arrays[0].at, *correct = arrays[1].at;
    double *sums = arrays[2].at;
    for (int64_t n = 0; n < arrays[0].shape[0]; n++) {
        sums[0] += loss[n];
        sums[1] += correct[n];
    }
    return DONE;
}

/* g ← scale g; numbers: scale */
KERNEL(scaled)
{
    real *g = arrays[0].at, scale = (real)numbers[0].f;
    if (numbers[0].f != 1)
        for (int64_t k = 0; k < arrays[0].shape[0]; k++) g[k] *= scale;
    return DONE;
}

/* copy = values */
KERNEL(copied)
{
    memcpy(arrays[1].at, arrays[0].at, (size_t)arrays[0].shape[0] * sizeof(real));
    return DONE;
}

/* Accept the results of a training step, unless a loss, a gradient or a new running statistic is not finite: store the
 * statistics, and in row `number` of outcomes (·, 4) Σ loss, the number of correct predictions, Σ g², and the factor of
 * the gradient, less than 1 if its norm exceeds `clip`: after, statistics (S), sums; numbers: number, clip */
KERNEL(accepted)
{
    const real *after = arrays[0].at;
    const double *sums = arrays[2].at;
    double *outcome = (double *)arrays[3].at + 4 * numbers[0].i, squares = 0;
    for (int64_t k = 2; k < arrays[2].shape[0]; k++) squares += sums[k];
    bool finite = isfinite(sums[0]) && isfinite(squares);
    for (int64_t k = 0; k < arrays[0].shape[0]; k++) finite = finite && isfinite(after[k]);
    if (!finite) return NOT_FINITE;
    memcpy(arrays[1].at, after, (size_t)arrays[0].shape[0] * sizeof(real));
    outcome[0] = sums[0];
    outcome[1] = sums[1];
    outcome[2] = squares;
    outcome[3] = clipping(sqrt(squares), numbers[1].f);
    return DONE;
}

/* sums[2] += |dy|² |x|², which is Σ g² of the gradient g = dy xᵀ of a dense layer for one sample. */
KERNEL(outer_squares)
{
    double x_square = part_sums(NULL, arrays[0].at, size_from(arrays[0], 0), 0).first;
    ((double *)arrays[2].at)[2] += x_square * part_sums(NULL, arrays[1].at, size_from(arrays[1], 0), 0).first;
    return DONE;
}

/* g = rows from `first` to `last` − 1 of the gradient dy xᵀ, times `scale`; numbers: first, last, scale */
KERNEL(outer_rows)
{
    const real *x = arrays[0].at, *dy = arrays[1].at;
    real *g = arrays[2].at;
    int64_t size = arrays[0].shape[0];
    for (int64_t o = numbers[0].i; o < numbers[1].i; o++, g += size) {
        real slope = (real)numbers[2].f * dy[o];
        for (int64_t k = 0; k < size; k++) g[k] = slope * x[k];
    }
    return DONE;
}
