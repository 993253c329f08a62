/* y[c,k] = y[c,k + columns] for k < kept, then x[c]   c: a channel; y: kept + columns values, which remain until the next call */
static void append(const float *x, float *y, int channels, int kept, int columns)
{
    for (int c = 0; c < channels; c++) {
        for (int k = 0; k < kept; k++)
            y[k] = y[k + columns];
        y += kept;
        for (int k = 0; k < columns; k++)
            *y++ = *x++;
    }
}

/* y[e] = value   count: elements of y */
static void fill_NUMBER(NUMBER *y, int count, NUMBER value)
{
    for (int e = 0; e < count; e++)
        y[e] = value;
}

/* y[k] ASSIGN x[h] for all m with 0 <= m[a] < shape[a]   a: an axis, of at most 8
   h = sum over a of x_steps[a] m[a], k = sum over a of y_steps[a] m[a]; a step of 0 repeats an element */
static void STRIDED(const NUMBER *x, NUMBER *y, int rank, const int *shape, const int *x_steps, const int *y_steps)
{
    int m[8] = {0}, a, last = rank - 1;
    do {
        for (int e = 0; e < shape[last]; e++)
            y[e * y_steps[last]] ASSIGN x[e * x_steps[last]];
        for (a = last - 1; a >= 0; a--) {
            x += x_steps[a];
            y += y_steps[a];
            if (++m[a] < shape[a])
                break;
            x -= shape[a] * x_steps[a];
            y -= shape[a] * y_steps[a];
            m[a] = 0;
        }
    } while (a >= 0);
}

/* y[e] = x[i[e]]   count: elements of y; size: elements of x; an index outside x counts as 0 */
static void gather_NUMBER(const NUMBER *x, const float *i, NUMBER *y, int count, int size)
{
    for (int e = 0; e < count; e++)
        y[e] = x[i[e] > 0 && i[e] < size ? (int)i[e] : 0];
}
