/* Batch normalization. The equations are in reference/normalization.py.
 *
 * The statistics need the whole batch. Either a thread computes some channels of it, from `first` to `last` − 1, so
 * that the order of every sum does not depend on the number of threads; or, for long channels, there are steps:
 *
 *     forward   batch_norm_moments        mean and variance of each channel of each sample
 *               batch_norm_statistics     mean and variance of each channel of the batch
 *               batch_norm_inference      y, with these statistics
 *     backward  batch_norm_products       Σ dy (x − μ) and Σ dy of each channel of each sample
 *               batch_norm_coefficients   dγ, dβ and the coefficients of dx
 *               batch_norm_combination    dx
 *
 * Short channels are processed in groups: they are contiguous in a sample, so that their elements, side by side, fill
 * vectors. The numbers of each channel are then repeated for its elements. */
#include "row_sums.h"

enum { SHORT_CHANNEL = 64, GROUP_CELLS = 1024 }; /* elements: shorter channels are grouped; of a group */

/* An array (N, C, …) as rows: the elements of a channel of a sample. */
typedef struct {
    int64_t samples, channels, cells;
} Rows;

INLINE Rows rows_of(Array x) { return (Rows){x.shape[0], x.shape[1], size_from(x, 2)}; }

INLINE int64_t group_size(Rows rows) { return max64(GROUP_CELLS / max64(rows.cells, 1), 1); }

/* The channels from first to last − 1. */
typedef struct {
    int64_t first, last;
} Channels;

INLINE Channels channels_of(const Number *numbers, int64_t channels)
{
    return (Channels){numbers[0].i, numbers[1].i < 0 ? channels : numbers[1].i};
}

/* The mean and variance of a batch, from those of its samples, which are `step` elements apart. */
INLINE Sums pooled(const double *means, const double *variances, int64_t count)
{
    double total = 0, spread = 0;
    for (int64_t n = 0; n < count; n++) total += means[n];
    double mean = total / count;
    for (int64_t n = 0; n < count; n++) spread += variances[n] + (means[n] - mean) * (means[n] - mean);
    return (Sums){mean, spread / count};
}

static void long_statistics(const real *x, Rows rows, Channels group, real *mean, real *variance)
{
    double *moments = chainrule_scratch((size_t)rows.samples * 2 * sizeof(double));
    for (int64_t c = group.first; c < group.last; c++) {
        for (int64_t n = 0; n < rows.samples; n++) {
            Sums sums = mean_and_variance(x + (n * rows.channels + c) * rows.cells, rows.cells);
            moments[n] = sums.first;
            moments[rows.samples + n] = sums.second;
        }
        Sums sums = pooled(moments, moments + rows.samples, rows.samples);
        mean[c] = (real)sums.first;
        variance[c] = (real)sums.second;
    }
}

INLINE double sum_of(const double *x, int64_t count)
{
    double sum = 0;
    for (int64_t k = 0; k < count; k++) sum += x[k];
    return sum;
}

/* The same for short channels, from deviations from the channel's mean in sample 0: the variance E[x²] − E[x]² would be
 * the difference of two large numbers. Rounding may still make it negative, and then it is 0. */
static void short_statistics(const real *x, Rows rows, Channels group, real *mean, real *variance)
{
    int64_t cells = rows.cells, begin = group.first * cells, width = (group.last - group.first) * cells;
    double *center = chainrule_scratch((size_t)width * 3 * sizeof(double));
    double *total = center + width, *squares = total + width;
    for (int64_t q = 0; q < width; q++) {
        if (q % cells == 0) center[q] = finite_mean(x + begin + q, cells);
        else center[q] = center[q - 1];
        total[q] = squares[q] = 0;
    }
    for (int64_t n = 0; n < rows.samples; n++) {
        const real *line = x + n * rows.channels * cells + begin;
        for (int64_t q = 0; q < width; q++) {
            double deviation = line[q] - center[q];
            total[q] += deviation;
            squares[q] += deviation * deviation;
        }
    }
    for (int64_t c = group.first; c < group.last; c++) {
        int64_t k = (c - group.first) * cells;
        double count = (double)(rows.samples * cells), distance = sum_of(total + k, cells) / count;
        double spread = sum_of(squares + k, cells) / count - distance * distance;
        mean[c] = (real)(center[k] + distance);
        variance[c] = (real)(spread < 0 ? 0 : spread);
    }
}

/* A number per channel, repeated for the elements of the channels of a group, in scratch memory. */
INLINE real *repeated(const real *values, Channels group, int64_t cells)
{
    real *result = reals((group.last - group.first) * cells);
    for (int64_t c = group.first; c < group.last; c++)
        for (int64_t k = 0; k < cells; k++) result[(c - group.first) * cells + k] = values[c];
    return result;
}

/* y = clamp((x − μ) · scale + β) */
INLINE real normalized(real x, real mean, real scale, real beta, real least, real most)
{
    real value = (x - mean) * scale + beta;
    value = least > value ? least : value; /* NaN stays NaN */
    return most < value ? most : value;
}

static void normalize(const real *x, real *y, Rows rows, Channels group, const real *scale, const real *mean,
                      const real *beta, real least, real most)
{
    int64_t cells = rows.cells;
    if (cells >= SHORT_CHANNEL) {
        for (int64_t n = 0; n < rows.samples; n++) {
            for (int64_t c = group.first; c < group.last; c++) {
                const real *row = x + (n * rows.channels + c) * cells;
                real *result = y + (n * rows.channels + c) * cells, m = mean[c], s = scale[c], b = beta[c];
                for (int64_t k = 0; k < cells; k++) result[k] = normalized(row[k], m, s, b, least, most);
            }
        }
        return;
    }
    const real *means = repeated(mean, group, cells), *scales = repeated(scale, group, cells);
    const real *betas = repeated(beta, group, cells);
    for (int64_t n = 0; n < rows.samples; n++) {
        int64_t begin = (n * rows.channels + group.first) * cells, width = (group.last - group.first) * cells;
        for (int64_t k = 0; k < width; k++)
            y[begin + k] = normalized(x[begin + k], means[k], scales[k], betas[k], least, most);
    }
}

INLINE real scale_of(real gamma, real variance, double epsilon) { return (real)(gamma / sqrt(variance + epsilon)); }

/* y = γ (x − μ)/√(σ² + ε) + β and perhaps a ReLU, with the mean μ and variance σ² of each channel of the batch:
 * x, y (N, C, …), γ, β, μ, σ² (C). */
KERNEL(batch_norm)
{
    const real *x = arrays[0].at, *gamma = arrays[1].at, *beta = arrays[2].at;
    real *y = arrays[3].at, *mean = arrays[4].at, *variance = arrays[5].at;
    Rows rows = rows_of(arrays[0]);
    Channels all = channels_of(numbers + 2, rows.channels);
    real *scale = reals(rows.channels), least = numbers[1].i ? 0 : -(real)INFINITY;
    int64_t step = group_size(rows);
    for (int64_t c = all.first; c < all.last; c += step) {
        Channels group = {c, min64(c + step, all.last)};
        if (rows.cells < SHORT_CHANNEL) short_statistics(x, rows, group, mean, variance);
        else long_statistics(x, rows, group, mean, variance);
        for (int64_t k = group.first; k < group.last; k++) scale[k] = scale_of(gamma[k], variance[k], numbers[0].f);
        normalize(x, y, rows, group, scale, mean, beta, least, INFINITY);
    }
    return DONE;
}

/* y = γ (x − μ)/√(σ² + ε) + β and perhaps a ReLU, which may have a maximum, with given statistics. */
KERNEL(batch_norm_inference)
{
    const real *x = arrays[0].at, *gamma = arrays[1].at, *beta = arrays[2].at;
    const real *mean = arrays[3].at, *variance = arrays[4].at;
    Rows rows = rows_of(arrays[0]);
    Channels all = channels_of(numbers + 3, rows.channels);
    real *scale = reals(rows.channels), capped = (real)numbers[2].f;
    for (int64_t c = all.first; c < all.last; c++) scale[c] = scale_of(gamma[c], variance[c], numbers[0].f);
    real least = numbers[1].i || capped > 0 ? 0 : -(real)INFINITY, most = capped > 0 ? capped : (real)INFINITY;
    int64_t step = rows.cells >= SHORT_CHANNEL ? rows.channels : group_size(rows);
    for (int64_t c = all.first; c < all.last; c += step) {
        Channels group = {c, min64(c + step, all.last)};
        normalize(x, arrays[5].at, rows, group, scale, mean, beta, least, most);
    }
    return DONE;
}

/* dx = γ/√(σ² + ε) · dy with given statistics. */
KERNEL(batch_norm_inference_dx)
{
    const real *dy = arrays[0].at, *gamma = arrays[1].at, *variance = arrays[2].at;
    real *dx = arrays[3].at;
    Rows rows = rows_of(arrays[0]);
    for (int64_t row = 0; row < rows.samples * rows.channels; row++) {
        real scale = scale_of(gamma[row % rows.channels], variance[row % rows.channels], numbers[0].f);
        for (int64_t k = row * rows.cells; k < (row + 1) * rows.cells; k++) dx[k] = scale * dy[k];
    }
    return DONE;
}

/* Σ dy (x − μ) and Σ dy of some channels, in float64. The elements of short channels are summed side by side. */
static void channel_sums(const real *dy, const real *x, Rows rows, Channels group, const real *mean, Sums *sums)
{
    int64_t cells = rows.cells, width = (group.last - group.first) * cells;
    for (int64_t c = group.first; c < group.last; c++) sums[c] = (Sums){0, 0};
    if (cells >= SHORT_CHANNEL) {
        for (int64_t n = 0; n < rows.samples; n++) {
            for (int64_t c = group.first; c < group.last; c++) {
                int64_t begin = (n * rows.channels + c) * cells;
                Sums part = gradient_sums(dy + begin, x + begin, cells, mean[c]);
                sums[c].first += part.first;
                sums[c].second += part.second;
            }
        }
        return;
    }
    const real *means = repeated(mean, group, cells);
    double *products = chainrule_scratch((size_t)width * 2 * sizeof(double)), *slopes = products + width;
    memset(products, 0, (size_t)width * 2 * sizeof(double));
    for (int64_t n = 0; n < rows.samples; n++) {
        const real *slope = dy + (n * rows.channels + group.first) * cells;
        const real *line = x + (n * rows.channels + group.first) * cells;
        for (int64_t q = 0; q < width; q++) {
            products[q] += slope[q] * (line[q] - means[q]);
            slopes[q] += slope[q];
        }
    }
    for (int64_t c = group.first; c < group.last; c++) {
        int64_t k = (c - group.first) * cells;
        sums[c] = (Sums){sum_of(products + k, cells), sum_of(slopes + k, cells)};
    }
}

/* dγ += Σ dy x̂, dβ += Σ dy, where x̂ = (x − μ)/√(σ² + ε). */
KERNEL(batch_norm_dw)
{
    const real *dy = arrays[0].at, *x = arrays[1].at, *mean = arrays[2].at, *variance = arrays[3].at;
    real *dgamma = arrays[4].at, *dbeta = arrays[5].at;
    Rows rows = rows_of(arrays[1]);
    Channels all = channels_of(numbers + 1, rows.channels);
    Sums *sums = chainrule_scratch((size_t)rows.channels * sizeof(Sums));
    int64_t step = group_size(rows);
    for (int64_t c = all.first; c < all.last; c += step)
        channel_sums(dy, x, rows, (Channels){c, min64(c + step, all.last)}, mean, sums);
    for (int64_t c = all.first; c < all.last; c++) {
        dgamma[c] += (real)(sums[c].first / sqrt(variance[c] + numbers[0].f));
        dbeta[c] += (real)sums[c].second;
    }
    return DONE;
}

/* The coefficients of dx of each channel: mean of dy, mean of dy (x − μ) over σ² + ε, and γ/√(σ² + ε). */
typedef struct {
    real *mean_gradient, *correlation, *scale;
} Coefficients;

/* The coefficients of a channel with `count` elements; its part of dγ and dβ is added to them. */
INLINE void finish_channel(int64_t c, Sums sums, const real *gamma, const real *variance, double epsilon, double count,
                           real *dgamma, real *dbeta, Coefficients result)
{
    double inverse = 1 / sqrt(variance[c] + epsilon);
    dgamma[c] += (real)(sums.first * inverse);
    dbeta[c] += (real)sums.second;
    result.mean_gradient[c] = (real)(sums.second / count);
    result.correlation[c] = (real)(sums.first * inverse * inverse / count);
    result.scale[c] = (real)(gamma[c] * inverse);
}

/* dx = scale · (dy − mean_gradient − (x − μ) · correlation) of some channels of all samples. */
static void combine(const real *dy, const real *x, real *dx, Rows rows, Channels group, const real *mean,
                    Coefficients of)
{
    int64_t cells = rows.cells;
    if (cells >= SHORT_CHANNEL) {
        for (int64_t n = 0; n < rows.samples; n++) {
            for (int64_t c = group.first; c < group.last; c++) {
                int64_t begin = (n * rows.channels + c) * cells;
                real m = mean[c], g = of.mean_gradient[c], r = of.correlation[c], s = of.scale[c];
                for (int64_t k = begin; k < begin + cells; k++) dx[k] = s * (dy[k] - g - (x[k] - m) * r);
            }
        }
        return;
    }
    const real *m = repeated(mean, group, cells), *g = repeated(of.mean_gradient, group, cells);
    const real *r = repeated(of.correlation, group, cells), *s = repeated(of.scale, group, cells);
    for (int64_t n = 0; n < rows.samples; n++) {
        int64_t begin = (n * rows.channels + group.first) * cells, width = (group.last - group.first) * cells;
        for (int64_t k = 0; k < width; k++)
            dx[begin + k] = s[k] * (dy[begin + k] - g[k] - (x[begin + k] - m[k]) * r[k]);
    }
}

/* dβ += Σ dy, dγ += Σ dy x̂, dx = γ/σ (dy − Σ dy/n − x̂ Σ dy x̂/n): n elements in a channel, x̂ = (x − μ)/σ. A few
 * channels are summed, and then read a second time while they are in a cache. */
static void backward(const real *dy, const real *x, const real *gamma, const real *mean, const real *variance,
                     real *dgamma, real *dbeta, real *dx, Rows rows, double epsilon, Channels all)
{
    Sums *sums = chainrule_scratch((size_t)rows.channels * sizeof(Sums));
    Coefficients of = {reals(rows.channels), reals(rows.channels), reals(rows.channels)};
    int64_t step = group_size(rows);
    double count = (double)(rows.samples * rows.cells);
    for (int64_t c = all.first; c < all.last; c += step) {
        Channels group = {c, min64(c + step, all.last)};
        channel_sums(dy, x, rows, group, mean, sums);
        for (int64_t k = group.first; k < group.last; k++)
            finish_channel(k, sums[k], gamma, variance, epsilon, count, dgamma, dbeta, of);
        combine(dy, x, dx, rows, group, mean, of);
    }
}

KERNEL(batch_norm_backward)
{
    Rows rows = rows_of(arrays[1]);
    backward(arrays[0].at, arrays[1].at, arrays[2].at, arrays[3].at, arrays[4].at, arrays[5].at, arrays[6].at,
             arrays[7].at, rows, numbers[0].f, channels_of(numbers + 1, rows.channels));
    return DONE;
}

KERNEL(batch_norm_dx)
{
    Rows rows = rows_of(arrays[1]);
    size_t size = 2 * (size_t)rows.channels * sizeof(real);
    real *unused = memset(chainrule_scratch(size), 0, size);
    backward(arrays[0].at, arrays[1].at, arrays[2].at, arrays[3].at, arrays[4].at, unused, unused + rows.channels,
             arrays[5].at, rows, numbers[0].f, channels_of(numbers + 1, rows.channels));
    return DONE;
}

/* running ← (1 − m) · running + m · batch, with the momentum m and the unbiased variance of the batch; all (C). */
KERNEL(running_statistics)
{
    const real *mean = arrays[0].at, *variance = arrays[1].at, *old_mean = arrays[2].at, *old_variance = arrays[3].at;
    real *new_mean = arrays[4].at, *new_variance = arrays[5].at;
    double momentum = numbers[0].f, count = (double)numbers[1].i;
    for (int64_t c = 0; c < arrays[0].shape[0]; c++) {
        double unbiased = variance[c] * (count / (count > 2 ? count - 1 : 1));
        new_mean[c] = (real)((1 - momentum) * old_mean[c] + momentum * mean[c]);
        new_variance[c] = (real)((1 - momentum) * old_variance[c] + momentum * unbiased);
    }
    return DONE;
}

/* The mean and variance of each channel of each sample: x (N, C, …), moments (N, 2, C). */
KERNEL(batch_norm_moments)
{
    const real *x = arrays[0].at;
    real *moments = arrays[1].at;
    Rows rows = rows_of(arrays[0]);
    for (int64_t n = 0; n < rows.samples; n++) {
        for (int64_t c = 0; c < rows.channels; c++) {
            Sums sums = mean_and_variance(x + (n * rows.channels + c) * rows.cells, rows.cells);
            moments[2 * n * rows.channels + c] = (real)sums.first;
            moments[(2 * n + 1) * rows.channels + c] = (real)sums.second;
        }
    }
    return DONE;
}

/* μ, the mean of the samples' means, and σ², the mean over the samples of variance + (mean − μ)²: moments (N, 2, C). */
KERNEL(batch_norm_statistics)
{
    const real *moments = arrays[0].at;
    real *mean = arrays[1].at, *variance = arrays[2].at;
    int64_t samples = arrays[0].shape[0], channels = arrays[0].shape[2];
    Channels all = channels_of(numbers, channels);
    double *means = chainrule_scratch((size_t)samples * 2 * sizeof(double)), *variances = means + samples;
    for (int64_t c = all.first; c < all.last; c++) {
        for (int64_t n = 0; n < samples; n++) {
            means[n] = moments[2 * n * channels + c];
            variances[n] = moments[(2 * n + 1) * channels + c];
        }
        Sums sums = pooled(means, variances, samples);
        mean[c] = (real)sums.first;
        variance[c] = (real)sums.second;
    }
    return DONE;
}

/* Addends β + (b − μ)·factor, then factors γ/√(σ² + ε), which replace the biases b of a convolution; all (C). */
KERNEL(batch_norm_scale)
{
    const real *gamma = arrays[0].at, *beta = arrays[1].at, *mean = arrays[2].at, *variance = arrays[3].at;
    const real *b = arrays[4].at;
    real *scale = arrays[5].at;
    int64_t channels = arrays[0].shape[0];
    for (int64_t c = 0; c < channels; c++) {
        double factor = gamma[c] / sqrt(variance[c] + numbers[0].f);
        scale[c] = (real)(beta[c] + ((b ? b[c] : 0) - mean[c]) * factor);
        scale[channels + c] = (real)factor;
    }
    return DONE;
}

/* Σ dy (x − μ) and Σ dy of each channel of each sample: dy, x (N, C, …), products (N, 2, C). */
KERNEL(batch_norm_products)
{
    const real *dy = arrays[0].at, *x = arrays[1].at, *mean = arrays[2].at;
    real *products = arrays[3].at;
    Rows rows = rows_of(arrays[1]);
    for (int64_t n = 0; n < rows.samples; n++) {
        for (int64_t c = 0; c < rows.channels; c++) {
            int64_t begin = (n * rows.channels + c) * rows.cells;
            Sums sums = gradient_sums(dy + begin, x + begin, rows.cells, mean[c]);
            products[2 * n * rows.channels + c] = (real)sums.first;
            products[(2 * n + 1) * rows.channels + c] = (real)sums.second;
        }
    }
    return DONE;
}

/* The coefficients of dx, from products (N, 2, C); and dγ, dβ += …: coefficients (3, C). */
KERNEL(batch_norm_coefficients)
{
    const real *products = arrays[0].at, *gamma = arrays[1].at, *variance = arrays[2].at;
    real *coefficients = arrays[5].at;
    int64_t samples = arrays[0].shape[0], channels = arrays[0].shape[2];
    Channels all = channels_of(numbers + 2, channels);
    Coefficients of = {coefficients, coefficients + channels, coefficients + 2 * channels};
    for (int64_t c = all.first; c < all.last; c++) {
        Sums sums = {0, 0};
        for (int64_t n = 0; n < samples; n++) {
            sums.first += products[2 * n * channels + c];
            sums.second += products[(2 * n + 1) * channels + c];
        }
        double count = (double)(samples * numbers[1].i);
        finish_channel(c, sums, gamma, variance, numbers[0].f, count, arrays[3].at, arrays[4].at, of);
    }
    return DONE;
}

/* dx = scale · (dy − mean_gradient − (x − μ) · correlation): dy, x, dx (N, C, …), coefficients (3, C). */
KERNEL(batch_norm_combination)
{
    real *coefficients = arrays[3].at;
    Rows rows = rows_of(arrays[1]);
    Coefficients of = {coefficients, coefficients + rows.channels, coefficients + 2 * rows.channels};
    combine(arrays[0].at, arrays[1].at, arrays[4].at, rows, (Channels){0, rows.channels}, arrays[2].at, of);
    return DONE;
}
