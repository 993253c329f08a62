/* y[o,i,j] = x[o,i,j] + b[o], or b[o,i,j] if untied   plane: elements of a channel */
static void add_bias(const float *x, const float *b, float *y, int channels, int plane, int untied)
{
    for (int e = 0; e < channels * plane; e++)
        y[e] = x[e] + b[untied ? e : e / plane];
}

/* db[o] = sum over i,j of dy[o,i,j]; db = dy if untied */
static void bias_gradient(const float *dy, float *db, int channels, int plane, int untied)
{
    for (int o = 0; o < channels * (untied ? plane : 1); o++) {
        float sum = 0;
        for (int e = 0; e < (untied ? 1 : plane); e++)
            sum += dy[untied ? o : o * plane + e];
        db[o] = sum;
    }
}
