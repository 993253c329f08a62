/* y = a + b */
static void add(const float *a, const float *b, float *y, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = a[e] + b[e];
}

/* y = a b */
static void multiply(const float *a, const float *b, float *y, int count)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = a[e] * b[e];
}

/* y = max(a, b); NaN propagates */
static void maximum(const float *a, const float *b, float *y, int count)
{
    for (int e = 0; e < count; e++)
        y[e] = a[e] < b[e] || b[e] != b[e] ? b[e] : a[e];
}

/* y = min(a, b); NaN propagates */
static void minimum(const float *a, const float *b, float *y, int count)
{
    for (int e = 0; e < count; e++)
        y[e] = b[e] < a[e] || b[e] != b[e] ? b[e] : a[e];
}
