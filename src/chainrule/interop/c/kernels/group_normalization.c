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
