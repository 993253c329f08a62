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

/* y[m] = x[m - before] inside x, else `zero`; before is negative for crops
   m: four indices; shapes with fewer axes are padded with leading ones */
static void pad_NUMBER(const NUMBER *x, NUMBER *y, const int *x_shape, const int *y_shape, const int *before, NUMBER zero)
{
    int m[4];
    for (m[0] = 0; m[0] < y_shape[0]; m[0]++)
        for (m[1] = 0; m[1] < y_shape[1]; m[1]++)
            for (m[2] = 0; m[2] < y_shape[2]; m[2]++)
                for (m[3] = 0; m[3] < y_shape[3]; m[3]++) {
                    int at = 0, is_inside = 1;
                    for (int a = 0; a < 4; a++) {
                        int k = m[a] - before[a];
                        is_inside = is_inside && k >= 0 && k < x_shape[a];
                        at = at * x_shape[a] + k;
                    }
                    *y++ = is_inside ? x[at] : zero;
                }
}

/* y[m] = x[k], k[axes[a]] = m[a]   m: rank indices, at most 8; steps[a]: stride in x of axis a of y,
   0 along an axis that repeats x */
static void permute_NUMBER(const NUMBER *x, NUMBER *y, int rank, const int *y_shape, const int *steps)
{
    int m[8] = {0}, at = 0, a;
    do {
        *y++ = x[at];
        for (a = rank - 1; a >= 0; a--) {
            at += steps[a];
            if (++m[a] < y_shape[a])
                break;
            at -= y_shape[a] * steps[a];
            m[a] = 0;
        }
    } while (a >= 0);
}

/* dx[k] = sum of dy[m] over all m that repeat k   size: elements of dx; the others as for permute */
static void broadcast_dx(const float *dy, float *dx, int size, int rank, const int *dy_shape, const int *steps)
{
    int m[8] = {0}, at = 0, a;
    for (int e = 0; e < size; e++)
        dx[e] = 0;
    do {
        dx[at] += *dy++;
        for (a = rank - 1; a >= 0; a--) {
            at += steps[a];
            if (++m[a] < dy_shape[a])
                break;
            at -= dy_shape[a] * steps[a];
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

/* dx[h] = sum of dy[e] over all e with i[e] = h   count: elements of dy; size: elements of dx */
static void gather_dx(const float *dy, const float *i, float *dx, int count, int size)
{
    for (int h = 0; h < size; h++)
        dx[h] = 0;
    for (int e = 0; e < count; e++)
        dx[i[e] > 0 && i[e] < size ? (int)i[e] : 0] += dy[e];
}
