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

/* y[m] = x[k], k[axes[a]] = m[a]   m: rank indices, at most 8; steps[a]: stride in x of axis a of y */
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
