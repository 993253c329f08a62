/* s[c,p] = k + alpha/size sum over m of x[m,p]^2   m: all existing channels from c - size/2 to c + size/2 */
static float response_scale(const float *x, int c, int p, int channels, int plane, int size, float alpha, float k)
{
    float squares = 0;
    for (int m = c - size / 2; m <= c + size / 2; m++)
        if (m >= 0 && m < channels)
            squares += x[m * plane + p] * x[m * plane + p];
    return k + alpha / (float)size * squares;
}

/* y[c,p] = x[c,p] s[c,p]^-beta   s: response_scale; p: a position of the plane */
static void local_response_norm(const float *x, float *y, int channels, int plane, int size, float alpha, float beta,
                                float k)
{
    for (int c = 0; c < channels; c++)
        for (int p = 0; p < plane; p++)
            y[c * plane + p] =
                x[c * plane + p] * powf(response_scale(x, c, p, channels, plane, size, alpha, k), -beta);
}
