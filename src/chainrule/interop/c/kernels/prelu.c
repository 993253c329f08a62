/* dx[c,i,j] = dy[c,i,j] where x[c,i,j] > 0, else slope[c] dy[c,i,j]   plane: elements of a channel */
static void prelu_dx(const float *dy, const float *x, const float *slope, float *dx, int channels, int plane)
{
    for (int e = 0; e < channels * plane; e++)
        dx[e] = x[e] <= 0 ? slope[e / plane] * dy[e] : dy[e];
}

/* y[c,i,j] = x[c,i,j] where x[c,i,j] > 0, else slope[c] x[c,i,j] */
static void prelu(const float *x, const float *slope, float *y, int channels, int plane)
{
    prelu_dx(x, x, slope, y, channels, plane);
}
