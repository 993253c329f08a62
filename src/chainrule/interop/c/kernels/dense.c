/* y[o] = b[o] + sum over c of w[o,c] x[c] for up to 8 rows, with a vector of partial sums per row. b may be null. */
INLINE void dense_rows(const float *x, const float *w, const float *b, float *y, int inputs, int rows)
{
    vector sum[8];
    int whole = inputs / LANES * LANES;
    UNROLL
    for (int o = 0; o < rows; o++)
        sum[o] = (vector){0};
    for (int c = 0; c < whole; c += LANES)
        UNROLL
        for (int o = 0; o < rows; o++)
            sum[o] += *(const vector *)(w + o * inputs + c) * *(const vector *)(x + c);
    for (int o = 0; o < rows; o++) {
        float total = b ? b[o] : 0;
        for (int k = 0; k < LANES; k++)
            total += LANE(sum[o], k);
        for (int c = whole; c < inputs; c++)
            total += w[o * inputs + c] * x[c];
        y[o] = total;
    }
}

/* y[o] = b[o] + sum over c of w[o,c] x[c], in blocks of 8 rows, then 2, then 1. b may be null. */
INLINE void dense(const float *x, const float *w, const float *b, float *y, int inputs, int outputs)
{
    int o = 0;
    for (; o + 8 <= outputs; o += 8)
        dense_rows(x, w + o * inputs, b ? b + o : b, y + o, inputs, 8);
    for (; o + 2 <= outputs; o += 2)
        dense_rows(x, w + o * inputs, b ? b + o : b, y + o, inputs, 2);
    for (; o < outputs; o++)
        dense_rows(x, w + o * inputs, b ? b + o : b, y + o, inputs, 1);
}
