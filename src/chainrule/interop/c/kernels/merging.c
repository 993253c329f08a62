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

/* Copy one input of a concatenation: `rows` runs of `length` elements. Rows of y have `pitch` elements, and the run
   starts at `offset` in its row. rows: product of the sizes before the axis */
static void concatenate_NUMBER(const NUMBER *x, NUMBER *y, int rows, int length, int pitch, int offset)
{
    for (int r = 0; r < rows; r++)
        for (int e = 0; e < length; e++)
            y[r * pitch + offset + e] = x[r * length + e];
}
