/* y[c,i,j] = gamma[c] (x[c,i,j] - mean[c]) / sqrt(variance[c] + epsilon) + beta[c]   plane: elements of a channel */
static void batch_norm_inference(const float *x, const float *gamma, const float *beta, const float *mean,
                                 const float *variance, float *y, int channels, int plane, float epsilon)
{
    for (int c = 0; c < channels; c++) {
        float scale = gamma[c] / sqrtf(variance[c] + epsilon);
        INDEPENDENT
        for (int e = c * plane; e < (c + 1) * plane; e++)
            y[e] = scale * (x[e] - mean[c]) + beta[c];
    }
}

/* dx[c,i,j] = gamma[c] / sqrt(variance[c] + epsilon) dy[c,i,j] */
static void batch_norm_inference_dx(const float *dy, const float *gamma, const float *variance, float *dx,
                                    int channels, int plane, float epsilon)
{
    for (int e = 0; e < channels * plane; e++)
        dx[e] = gamma[e / plane] / sqrtf(variance[e / plane] + epsilon) * dy[e];
}

/* sum = sum of x - shift, squares = sum of (x - shift)^2, of `count` elements
   The sums are over blocks of 128 elements, which bounds the rounding errors. */
INLINE void shifted_sums(const float *x, int count, float shift, float *sum, float *squares)
{
    const int block = 128;
    *sum = *squares = 0;
    for (int first = 0; first < count; first += block) {
        float part = 0, part_squares = 0;
        for (int e = first; e < first + block && e < count; e++) {
            part += x[e] - shift;
            part_squares += (x[e] - shift) * (x[e] - shift);
        }
        *sum += part;
        *squares += part_squares;
    }
}

/* mean = 1/M sum of x, variance = 1/M sum of (x - mean)^2   M = count
   Differences to the first element reduce the rounding errors if the mean is far from 0. */
static void mean_and_variance(const float *x, int count, float *mean, float *variance)
{
    float sum, squares, M = (float)count;
    shifted_sums(x, count, x[0], &sum, &squares);
    *mean = x[0] + sum / M;
    shifted_sums(x, count, *mean, &sum, &squares);
    sum /= M; /* the difference of the mean from its rounded value */
    *variance = squares / M - sum * sum;
}

/* running_mean[c] <- (1 - momentum) running_mean[c] + momentum mean[c]
   running_variance[c] <- (1 - momentum) running_variance[c] + momentum variance[c] M/(M - 1)
   M = count: number of elements from which the statistics were computed */
static void running_statistics(const float *mean, const float *variance, float *running_mean, float *running_variance,
                               int channels, int count, float momentum)
{
    float unbiased = (float)count / (float)(count > 1 ? count - 1 : 1);
    for (int c = 0; c < channels; c++) {
        running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean[c];
        running_variance[c] = (1 - momentum) * running_variance[c] + momentum * (variance[c] * unbiased);
    }
}
