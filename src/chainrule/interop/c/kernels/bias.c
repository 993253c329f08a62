/* y[o,i,j] = x[o,i,j] + b[o], or b[o,i,j] if untied   plane: elements of a channel */
static void add_bias(const float *x, const float *b, float *y, int channels, int plane, int untied)
{
    for (int e = 0; e < channels * plane; e++)
        y[e] = x[e] + b[untied ? e : e / plane];
}
