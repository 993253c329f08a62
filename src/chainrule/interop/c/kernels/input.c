/* x = image gain + offset: the normalization of the training data */
static void normalize(const float *image, float *x, int count, float gain, float offset)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        x[e] = image[e] * gain + offset;
}

/* y = x */
static void copy(const float *x, float *y, int count)
{
    for (int e = 0; e < count; e++)
        y[e] = x[e];
}
