/* x = ((image - origin) - rest) gain: the normalization of the training data, of each channel or of all as one channel */
static void normalize(const float *image, float *x, const float *origin, const float *rest, const float *gain,
                      int channels, int plane)
{
    for (int c = 0; c < channels; c++, image += plane, x += plane) {
        INDEPENDENT
        for (int e = 0; e < plane; e++)
            x[e] = image[e] - origin[c];
        INDEPENDENT
        for (int e = 0; e < plane; e++) /* apart, since -ffast-math would add origin and rest */
            x[e] = (x[e] - rest[c]) * gain[c];
    }
}

/* y = x */
static void copy_NUMBER(const NUMBER *x, NUMBER *y, int count)
{
    for (int e = 0; e < count; e++)
        y[e] = x[e];
}
