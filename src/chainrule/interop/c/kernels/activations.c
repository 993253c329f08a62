/* max over k of x[k plane]: the largest channel at a position of the plane */
static float largest(const float *x, int channels, int plane)
{
    float maximum = *x;
    for (int k = 1; k < channels; k++)
        maximum = x[k * plane] > maximum ? x[k * plane] : maximum;
    return maximum;
}

/* y[k] = e^(x[k] - m) / sum over l of e^(x[l] - m)   m = max over l of x[l]
   k, l: channels, at each position of the plane */
static void softmax(const float *x, float *y, int channels, int plane)
{
    for (int p = 0; p < plane; p++) {
        float maximum = largest(x + p, channels, plane), total = 0;
        for (int k = 0; k < channels; k++)
            total += y[k * plane + p] = exponential(x[k * plane + p] - maximum);
        for (int k = 0; k < channels; k++)
            y[k * plane + p] /= total;
    }
}

/* y[k] = x[k] - m - log(sum over l of e^(x[l] - m))   m = max over l of x[l]
   k, l: channels, at each position of the plane */
static void log_softmax(const float *x, float *y, int channels, int plane)
{
    for (int p = 0; p < plane; p++) {
        float maximum = largest(x + p, channels, plane), total = 0;
        for (int k = 0; k < channels; k++)
            total += exponential(x[k * plane + p] - maximum);
        const float level = logf(total);
        for (int k = 0; k < channels; k++)
            y[k * plane + p] = x[k * plane + p] - maximum - level;
    }
}
