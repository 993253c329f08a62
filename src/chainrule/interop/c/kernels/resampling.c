/* The cells that output i of an axis reads, from `first` on, and the weights of the first and of the others; returns
   their number. mode 0: the mean of the cells under it, 1: the nearest, 2: between two cells, by distance */
static int resampling_weights(int mode, int size, int outputs, int i, int *first, float *own, float *other)
{
    int over = (2 * i + 1) * size - outputs, last = ((i + 1) * size + outputs - 1) / outputs;
    *first = i * size / outputs;
    *own = *other = 1;
    if (mode == 1)
        return 1;
    if (mode == 0) {
        *own = *other = 1 / (float)(last - *first);
        return last - *first;
    }
    over = over > 0 ? over : 0;
    *first = over / (2 * outputs);
    *other = (float)(over % (2 * outputs)) / (float)(2 * outputs);
    if (*first + 1 >= size)
        return 1;
    *own = 1 - *other;
    return 2;
}

/* y[c,i,j] = sum over h,k of a[i,h] b[j,k] x[c,h,k], and its transpose dx[c,h,k] = sum over i,j of a b dy[c,i,j] */
static void resample_or_transpose(const float *from, float *to, int channels, int height, int width, int rows, int columns,
                            int mode, int back)
{
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) {
                int top, left, at = (c * rows + i) * columns + j;
                float up, down, near, far, sum = 0;
                int tall = resampling_weights(mode, height, rows, i, &top, &up, &down);
                int broad = resampling_weights(mode, width, columns, j, &left, &near, &far);
                for (int h = 0; h < tall; h++)
                    for (int k = 0; k < broad; k++) {
                        float weight = (h ? down : up) * (k ? far : near);
                        int cell = (c * height + top + h) * width + left + k;
                        if (back)
                            to[cell] += weight * from[at];
                        else
                            sum += weight * from[cell];
                    }
                if (!back)
                    to[at] = sum;
            }
}

/* y[c,i,j] = sum over h,k of a[i,h] b[j,k] x[c,h,k] */
static void resample(const float *x, float *y, int channels, int height, int width, int rows, int columns, int mode)
{
    resample_or_transpose(x, y, channels, height, width, rows, columns, mode, 0);
}

/* dx[c,h,k] = sum over i,j of a[i,h] b[j,k] dy[c,i,j] */
static void resample_dx(const float *dy, float *dx, int channels, int height, int width, int rows, int columns,
                        int mode)
{
    for (int e = 0; e < channels * height * width; e++)
        dx[e] = 0;
    resample_or_transpose(dy, dx, channels, height, width, rows, columns, mode, 1);
}
