/* Group normalization and local response normalization. The equations are in reference/normalization.py.
 *
 * The elements of a group of one sample are contiguous: a row. If a channel has a single element, γ and β differ from
 * element to element of a row; otherwise, they are constant over each of its channels. */
#include "row_sums.h"

/* The groups of an array (N, C, …): number of samples, of groups, of channels in a group, of elements in a channel. */
typedef struct {
    int64_t samples, groups, depth, cells;
    bool shared; /* whether all groups have the same γ and β */
} Groups;

INLINE Groups groups_of(Array x, const Number *numbers)
{
    return (Groups){x.shape[0], numbers[0].i, x.shape[1] / numbers[0].i, size_from(x, 2), numbers[1].i != 0};
}

/* y = γ (x − μ)/√(σ² + ε) + β, with the mean μ and variance σ² of each group: x, y (N, C, …), μ, σ² (N, groups). */
KERNEL(group_norm)
{
    const real *x = arrays[0].at, *gamma = arrays[1].at, *beta = arrays[2].at;
    real *y = arrays[3].at, *mean = arrays[4].at, *variance = arrays[5].at;
    Groups of = groups_of(arrays[0], numbers);
    int64_t size = of.depth * of.cells;
    for (int64_t group = 0; group < of.samples * of.groups; group++) {
        const real *row = x + group * size, *scale = gamma + (of.shared ? 0 : group % of.groups * of.depth);
        const real *shift = beta + (scale - gamma);
        real *result = y + group * size;
        Sums sums = mean_and_variance(row, size);
        real m = (real)sums.first, inverse = (real)(1 / sqrt(sums.second + numbers[2].f));
        mean[group] = m;
        variance[group] = (real)sums.second;
        if (of.cells == 1) {
            for (int64_t d = 0; d < size; d++) result[d] = (row[d] - m) * inverse * scale[d] + shift[d];
            continue;
        }
        for (int64_t d = 0; d < of.depth; d++) {
            real factor = scale[d] * inverse, addend = shift[d];
            for (int64_t k = d * of.cells; k < (d + 1) * of.cells; k++) result[k] = (row[k] - m) * factor + addend;
        }
    }
    return DONE;
}

/* Σ γ dy (x − μ) and Σ γ dy over a group, in float64; `weighted` is memory for γ dy of channels of one element. */
INLINE Sums weighted_sums(const real *dy, const real *x, const real *gamma, Groups of, real mean, real *weighted)
{
    Sums total = {0, 0};
    if (of.cells == 1) {
        for (int64_t d = 0; d < of.depth; d++) weighted[d] = gamma[d] * dy[d];
        return gradient_sums(weighted, x, of.depth, mean);
    }
    for (int64_t d = 0; d < of.depth; d++) {
        Sums part = gradient_sums(dy + d * of.cells, x + d * of.cells, of.cells, mean);
        total.first += gamma[d] * part.first;
        total.second += gamma[d] * part.second;
    }
    return total;
}

/* dx = (γ dy − mean γ dy − x̂ mean(γ dy x̂))/√(σ² + ε); the means are over a group of one sample. */
KERNEL(group_norm_dx)
{
    const real *dy = arrays[0].at, *x = arrays[1].at, *gamma = arrays[2].at;
    const real *mean = arrays[3].at, *variance = arrays[4].at;
    real *dx = arrays[5].at;
    Groups of = groups_of(arrays[1], numbers);
    int64_t size = of.depth * of.cells;
    real *weighted = reals(of.depth);
    for (int64_t group = 0; group < of.samples * of.groups; group++) {
        const real *slope = dy + group * size, *row = x + group * size;
        const real *scale = gamma + (of.shared ? 0 : group % of.groups * of.depth);
        real *result = dx + group * size, m = mean[group];
        Sums sums = weighted_sums(slope, row, scale, of, m, weighted);
        double inverse = 1 / sqrt(variance[group] + numbers[2].f);
        real mean_gradient = (real)(sums.second / size), correlation = (real)(sums.first * inverse * inverse / size);
        real factor = (real)inverse;
        if (of.cells == 1) {
            for (int64_t d = 0; d < size; d++)
                result[d] = (scale[d] * slope[d] - mean_gradient - (row[d] - m) * correlation) * factor;
            continue;
        }
        for (int64_t d = 0; d < of.depth; d++) {
            real g = scale[d];
            for (int64_t k = d * of.cells; k < (d + 1) * of.cells; k++)
                result[k] = (g * slope[k] - mean_gradient - (row[k] - m) * correlation) * factor;
        }
    }
    return DONE;
}

/* dγ += Σ dy x̂, dβ += Σ dy. The samples of the block are summed in float64. */
KERNEL(group_norm_dw)
{
    const real *dy = arrays[0].at, *x = arrays[1].at, *mean = arrays[2].at, *variance = arrays[3].at;
    real *dgamma = arrays[4].at, *dbeta = arrays[5].at;
    Groups of = groups_of(arrays[1], numbers);
    int64_t parameters = arrays[4].shape[0];
    Sums *sums = chainrule_scratch((size_t)parameters * sizeof(Sums));
    memset(sums, 0, (size_t)parameters * sizeof(Sums));
    for (int64_t group = 0; group < of.samples * of.groups; group++) {
        Sums *own = sums + (of.shared ? 0 : group % of.groups * of.depth);
        double inverse = 1 / sqrt(variance[group] + numbers[2].f);
        for (int64_t d = 0; d < of.depth; d++) {
            int64_t k = (group * of.depth + d) * of.cells;
            Sums part = {dy[k] * (x[k] - mean[group]), dy[k]};
            if (of.cells > 1) part = gradient_sums(dy + k, x + k, of.cells, mean[group]);
            own[d].first += part.first * inverse;
            own[d].second += part.second;
        }
    }
    for (int64_t d = 0; d < parameters; d++) {
        dgamma[d] += (real)sums[d].first;
        dbeta[d] += (real)sums[d].second;
    }
    return DONE;
}

/* value · s^−β */
INLINE real divided_by_power(real value, real s, real beta)
{
    if (beta == (real)0.75) return value / REAL(sqrt)(s * REAL(sqrt)(s));
    return value * REAL(pow)(s, -beta);
}

/* total = Σ rows[m] over the window of channel c, the channels c − half to c + half, for each position. */
static void window_sum(const real *rows, int64_t channels, int64_t cells, int64_t c, int64_t half, real *total)
{
    int64_t first = max64(0, c - half), last = min64(channels, c + half + 1), k = 0;
    for (; k + LANES <= cells; k += LANES) {
        vec sum = {0};
        for (int64_t m = first; m < last; m++) sum += at(rows + m * cells + k);
        put(total + k, sum);
    }
    for (; k < cells; k++) {
        total[k] = 0;
        for (int64_t m = first; m < last; m++) total[k] += rows[m * cells + k];
    }
}

/* The options of a local response normalization: s = k + α/size Σ x² over a window of `size` channels. */
typedef struct {
    int64_t channels, cells, half;
    real factor, beta, k;
} Response;

INLINE Response response_of(Array x, const Number *numbers)
{
    return (Response){x.shape[1],         size_from(x, 2),   numbers[0].i / 2, (real)(numbers[1].f / numbers[0].i),
                      (real)numbers[2].f, (real)numbers[3].f};
}

/* scales = s for one sample; `squares` is scratch memory of the same size. */
static void set_scales(const real *x, Response of, real *squares, real *scales)
{
    for (int64_t q = 0; q < of.channels * of.cells; q++) squares[q] = x[q] * x[q];
    for (int64_t c = 0; c < of.channels; c++, scales += of.cells) {
        window_sum(squares, of.channels, of.cells, c, of.half, scales);
        for (int64_t q = 0; q < of.cells; q++) scales[q] = of.k + of.factor * scales[q];
    }
}

/* y = x s^−β: x, y (N, C, …) */
KERNEL(local_response_norm)
{
    const real *x = arrays[0].at;
    real *y = arrays[1].at;
    Response of = response_of(arrays[0], numbers);
    int64_t size = of.channels * of.cells;
    real *squares = reals(size), *scales = reals(size);
    for (int64_t n = 0; n < arrays[0].shape[0]; n++, x += size, y += size) {
        set_scales(x, of, squares, scales);
        for (int64_t q = 0; q < size; q++) y[q] = divided_by_power(x[q], scales[q], of.beta);
    }
    return DONE;
}

/* dx = dy s^−β − 2αβ/size · x Σ dy x s^(−β−1) over the window of channels. */
KERNEL(local_response_norm_dx)
{
    const real *dy = arrays[0].at, *x = arrays[1].at;
    real *dx = arrays[2].at;
    Response of = response_of(arrays[1], numbers);
    int64_t size = of.channels * of.cells;
    real *products = reals(size), *scales = reals(size), *total = reals(of.cells);
    real factor = (real)(2 * numbers[1].f * numbers[2].f / numbers[0].i);
    for (int64_t n = 0; n < arrays[1].shape[0]; n++, dy += size, x += size, dx += size) {
        set_scales(x, of, products, scales);
        for (int64_t q = 0; q < size; q++) {
            dx[q] = divided_by_power(dy[q], scales[q], of.beta);
            products[q] = dx[q] * x[q] / scales[q];
        }
        for (int64_t c = 0; c < of.channels; c++) {
            window_sum(products, of.channels, of.cells, c, of.half, total);
            for (int64_t k = 0; k < of.cells; k++) dx[c * of.cells + k] -= factor * x[c * of.cells + k] * total[k];
        }
    }
    return DONE;
}
