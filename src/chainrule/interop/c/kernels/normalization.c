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
