/* y[c,i,j] = gamma[k] (x[c,i,j] - mean[g]) / sqrt(variance[g] + epsilon) + beta[k]
   g = c / D: the group of channel c, with D channels per group; k = c, or c mod D if all groups share their scales.
   mean, variance: outputs, the statistics of each group of x. Batch normalization of one image has D = 1. */
static void group_norm(const float *x, const float *gamma, const float *beta, float *y, float *mean, float *variance,
                       int groups, int D, int plane, int shared, float epsilon)
{
    for (int g = 0; g < groups; g++)
        mean_and_variance(x + g * D * plane, D * plane, mean + g, variance + g);
    for (int c = 0; c < groups * D; c++) {
        int g = c / D, k = shared ? c % D : c;
        batch_norm_inference(x + c * plane, gamma + k, beta + k, mean + g, variance + g, y + c * plane, 1, plane,
                             epsilon);
    }
}

/* dx = (gamma[k] dy - a[g] - n b[g]) / sqrt(variance[g] + epsilon)   n = (x - mean[g]) / sqrt(variance[g] + epsilon)
   a[g] = 1/M sum of gamma[k] dy, b[g] = 1/M sum of gamma[k] dy n, over the M elements of group g
   g, k: as in group_norm */
static void group_norm_dx(const float *dy, const float *x, const float *gamma, const float *mean,
                          const float *variance, float *dx, int groups, int D, int plane, int shared, float epsilon)
{
    for (int g = 0; g < groups; g++) {
        float a = 0, b = 0, deviation = sqrtf(variance[g] + epsilon), M = (float)(D * plane);
        const float *scales = gamma + (shared ? 0 : g * D);
        for (int e = 0; e < D * plane; e++) {
            float slope = scales[e / plane] * dy[e];
            a += slope / M;
            b += slope * (x[e] - mean[g]) / deviation / M;
        }
        for (int e = 0; e < D * plane; e++)
            *dx++ = (scales[e / plane] * *dy++ - a - (*x++ - mean[g]) / deviation * b) / deviation;
    }
}

/* dgamma[k] = sum over i,j of dy n, dbeta[k] = sum over i,j of dy; also over the groups if they share their scales
   n = (x - mean[g]) / sqrt(variance[g] + epsilon); g, k: as in group_norm */
static void group_norm_dw(const float *dy, const float *x, const float *mean, const float *variance, float *dgamma,
                          float *dbeta, int groups, int D, int plane, int shared, float epsilon)
{
    for (int k = 0; k < (shared ? D : groups * D); k++)
        dgamma[k] = dbeta[k] = 0;
    for (int c = 0; c < groups * D; c++) {
        int g = c / D, k = shared ? c % D : c;
        float products = 0, sum = 0, deviation = sqrtf(variance[g] + epsilon);
        for (int e = 0; e < plane; e++) {
            products += *dy * (*x++ - mean[g]) / deviation;
            sum += *dy++;
        }
        dgamma[k] += products;
        dbeta[k] += sum;
    }
}
