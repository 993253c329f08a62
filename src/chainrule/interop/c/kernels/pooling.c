/* How a window slides over the channels of an image. */
typedef struct {
    int channels, height, width, rows, columns, window_height, window_width, stride_y, stride_x, top, left;
} pooling;

/* y[c,i,j] = max over u,v of x[c,h,k]   h = s i + u - top, k = s j + v - left, on the image only
   winner[c,i,j] = h W + k of that cell: the first; the first NaN when there is one */
INLINE void max_pool(const float *x, float *y, int *winner, const pooling *s)
{
    for (int c = 0; c < s->channels; c++)
        for (int i = 0; i < s->rows; i++)
            for (int j = 0; j < s->columns; j++) {
                const float *plane = x + c * s->height * s->width;
                int best = -1, at = (c * s->rows + i) * s->columns + j;
                for (int u = 0; u < s->window_height; u++)
                    for (int v = 0; v < s->window_width; v++) {
                        int h = s->stride_y * i + u - s->top, k = s->stride_x * j + v - s->left, cell = h * s->width + k;
                        if (h < 0 || h >= s->height || k < 0 || k >= s->width)
                            continue;
                        if (best < 0 || plane[cell] > plane[best] ||
                            (plane[cell] != plane[cell] && plane[best] == plane[best]))
                            best = cell;
                    }
                y[at] = plane[best];
                if (winner)
                    winner[at] = best;
            }
}

/* y[c,i,j] = max over u,v of x[c, s i + u, s j + v]   where no window reaches beyond the image; NaN propagates */
INLINE void max_pool_unpadded(const float *x, float *y, const pooling *s)
{
    for (int c = 0; c < s->channels; c++)
        for (int i = 0; i < s->rows; i++)
            for (int j = 0; j < s->columns; j++) {
                const float *corner = x + (c * s->height + s->stride_y * i) * s->width + s->stride_x * j;
                float best = *corner;
                UNROLL
                for (int t = 1; t < s->window_height * s->window_width; t++) {
                    float value = corner[t / s->window_width * s->width + t % s->window_width];
                    best = UNLIKELY(value != value) ? value : value > best ? value : best;
                }
                y[(c * s->rows + i) * s->columns + j] = best;
            }
}

/* dx[c,h,k] = sum over i,j of dy[c,i,j]   over the windows that cell (h, k) won: winner[c,i,j] = h W + k */
static void max_pool_dx(const float *dy, const int *winner, float *dx, int channels, int plane, int cells)
{
    for (int e = 0; e < channels * cells; e++)
        dx[e] = 0;
    for (int e = 0; e < channels * plane; e++)
        dx[e / plane * cells + winner[e]] += dy[e];
}

/* Rows (or columns) of the image under window i: first <= h < last; returns how many. */
static int window_bounds(int i, int size, int window, int stride, int before, int *first, int *last)
{
    *first = stride * i - before;
    *last = *first + window < size ? *first + window : size;
    *first = *first > 0 ? *first : 0;
    return *last - *first;
}

/* y[c,i,j] = 1/D sum over u,v of x[c,h,k]   h = s i + u - top, k = s j + v - left, on the image only
   D: the number of those cells (divisor 0), or the divisor */
INLINE void average_pool(const float *x, float *y, const pooling *s, int divisor)
{
    for (int i = 0; i < s->rows; i++)
        for (int j = 0; j < s->columns; j++) {
            int top, bottom, left, right;
            int rows = window_bounds(i, s->height, s->window_height, s->stride_y, s->top, &top, &bottom);
            int cells = rows * window_bounds(j, s->width, s->window_width, s->stride_x, s->left, &left, &right);
            for (int c = 0; c < s->channels; c++) {
                float sum = 0;
                for (int h = top; h < bottom; h++)
                    for (int k = left; k < right; k++)
                        sum += x[(c * s->height + h) * s->width + k];
                y[(c * s->rows + i) * s->columns + j] = sum / (float)(divisor ? divisor : cells);
            }
        }
}

/* y[c,i,j] = 1/D sum over u,v of x[c, s i + u, s j + v]   where no window reaches beyond the image */
INLINE void average_pool_unpadded(const float *x, float *y, const pooling *s, int divisor)
{
    for (int c = 0; c < s->channels; c++)
        for (int i = 0; i < s->rows; i++) {
            const float *row = x + (c * s->height + s->stride_y * i) * s->width;
            INDEPENDENT
            for (int j = 0; j < s->columns; j++) {
                float sum = 0;
                UNROLL
                for (int t = 0; t < s->window_height * s->window_width; t++)
                    sum += row[t / s->window_width * s->width + s->stride_x * j + t % s->window_width];
                y[(c * s->rows + i) * s->columns + j] = sum / (float)(divisor ? divisor : s->window_height * s->window_width);
            }
        }
}

/* y[c] = mean over i,j of x[c,i,j] */
static void average_plane(const float *x, float *y, int channels, int plane)
{
    for (int c = 0; c < channels; c++) {
        const float *cells = x + c * plane;
        vector sums = (vector){0};
        float total = 0;
        int p = 0;
        for (; p + LANES <= plane; p += LANES)
            sums += *(const vector *)(cells + p);
        for (int k = 0; k < LANES; k++)
            total += LANE(sums, k);
        for (; p < plane; p++)
            total += cells[p];
        y[c] = total / (float)plane;
    }
}

/* dx[c,h,k] = sum over i,j of dy[c,i,j] / D   over the windows that cover cell (h, k) */
static void average_pool_dx(const float *dy, float *dx, const pooling *s, int divisor)
{
    for (int e = 0; e < s->channels * s->height * s->width; e++)
        dx[e] = 0;
    for (int i = 0; i < s->rows; i++)
        for (int j = 0; j < s->columns; j++) {
            int top, bottom, left, right;
            int rows = window_bounds(i, s->height, s->window_height, s->stride_y, s->top, &top, &bottom);
            int cells = rows * window_bounds(j, s->width, s->window_width, s->stride_x, s->left, &left, &right);
            for (int c = 0; c < s->channels; c++)
                for (int h = top; h < bottom; h++)
                    for (int k = left; k < right; k++)
                        dx[(c * s->height + h) * s->width + k] +=
                            dy[(c * s->rows + i) * s->columns + j] / (float)(divisor ? divisor : cells);
        }
}
