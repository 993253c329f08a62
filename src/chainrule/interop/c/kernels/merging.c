/* y = VALUE   NaN propagates */
static void COMBINE(const float *a, const float *b, float *y, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = VALUE;
}
