/* Losses that sum over positions, and the comparison of classes. The equations are in reference/. The other losses are
 * generated. p are the outputs, t the targets (N, K, …). */
#include "rows.h"

typedef struct {
    real overlap, areas; /* Σ p t, Σ p + t */
} Sums;

/* The sums over the positions of one class. */
static Sums sums_of_class(const real *p, const real *t, int64_t positions)
{
    vec overlap = {0}, areas = {0};
    for (int64_t q = 0; q < positions; q += LANES) {
        vec outputs = some(p + q, positions - q), targets = some(t + q, positions - q);
        overlap += outputs * targets;
        areas += outputs + targets;
    }
    return (Sums){lane_sum(overlap), lane_sum(areas)};
}

/* loss = 1 − 1/K Σ (2 Σ p t + 1)/(Σ p + t + 1), for each sample */
KERNEL(dice)
{
    const real *p = arrays[0].at, *t = arrays[1].at;
    real *loss = arrays[2].at;
    int64_t classes = arrays[0].shape[1], positions = size_from(arrays[0], 2);
    for (int64_t n = 0; n < arrays[0].shape[0]; n++) {
        real total = 0;
        for (int64_t k = 0; k < classes; k++, p += positions, t += positions) {
            Sums sums = sums_of_class(p, t, positions);
            total += (2 * sums.overlap + 1) / (sums.areas + 1);
        }
        loss[n] = 1 - total / (real)classes;
    }
    return DONE;
}

/* dp = 1/K ((2 Σ p t + 1)/(Σ p + t + 1)² − 2 t/(Σ p + t + 1))/batch; numbers: batch (0: N) */
KERNEL(dice_dp)
{
    const real *p = arrays[0].at, *t = arrays[1].at;
    real *dp = arrays[2].at;
    int64_t classes = arrays[0].shape[1], positions = size_from(arrays[0], 2), batch = numbers[0].i;
    real divisor = (real)((batch ? batch : arrays[0].shape[0]) * classes);
    for (int64_t row = 0; row < arrays[0].shape[0] * classes; row++, p += positions, t += positions, dp += positions) {
        Sums sums = sums_of_class(p, t, positions);
        real share = (2 * sums.overlap + 1) / (sums.areas + 1), area = sums.areas + 1;
        for (int64_t q = 0; q < positions; q += LANES)
            put_some(dp + q, positions - q, (share - 2 * some(t + q, positions - q)) / area / divisor);
    }
    return DONE;
}

/* The index of the first NaN or, without NaN, of the first maximum. */
static int64_t index_of_largest(const real *row, int64_t classes, int64_t stride)
{
    int64_t best = 0;
    for (int64_t k = 1; k < classes && row[best * stride] == row[best * stride]; k++)
        if (!(row[k * stride] <= row[best * stride])) best = k;
    return best;
}

/* right = 1 for each row where the maxima of p and t have the same index, else 0 */
KERNEL(correct)
{
    const real *p = arrays[0].at, *t = arrays[1].at;
    real *right = arrays[2].at;
    int64_t classes = arrays[0].shape[1], positions = size_from(arrays[0], 2);
    for (int64_t n = 0; n < arrays[0].shape[0]; n++, p += classes * positions, t += classes * positions)
        for (int64_t q = 0; q < positions; q++)
            *right++ = index_of_largest(p + q, classes, positions) == index_of_largest(t + q, classes, positions);
    return DONE;
}
