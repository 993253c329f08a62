/* The rows top <= h < bottom and the columns left <= k < right of the image that a window covers. */
typedef struct {
    int top, bottom, left, right;
} area;

/* Compute the area under the window of y[c,i,j]. Return its size. */
INLINE int covered(const sliding *s, int i, int j, area *a)
{
    a->top = s->stride_y * i - s->top;
    a->left = s->stride_x * j - s->left;
    a->bottom = a->top + s->kernel_height < s->height ? a->top + s->kernel_height : s->height;
    a->right = a->left + s->kernel_width < s->width ? a->left + s->kernel_width : s->width;
    a->top = a->top > 0 ? a->top : 0;
    a->left = a->left > 0 ? a->left : 0;
    return (a->bottom - a->top) * (a->right - a->left);
}

/* y[c,i,j] = max over u,v of x[c,h,k]   h = s i + u - top, k = s j + v - left; the padding is skipped
   winner[c,i,j] = h width + k: position of the first maximum, or of the first NaN if there is one.
   winner may be null. */
INLINE void max_pool(const float *x, float *y, int *winner, const sliding *s)
{
    for (int c = 0; c < s->channels; c++)
        for (int i = 0; i < s->rows; i++)
            for (int j = 0; j < s->columns; j++) {
                const float *plane = x + c * s->height * s->width;
                int best, out = (c * s->rows + i) * s->columns + j;
                area a;
                covered(s, i, j, &a);
                best = a.top * s->width + a.left;
                for (int h = a.top; h < a.bottom; h++)
                    for (int k = a.left; k < a.right; k++) {
                        int at = h * s->width + k, is_first_nan = plane[at] != plane[at] && plane[best] == plane[best];
                        best = plane[at] > plane[best] || is_first_nan ? at : best;
                    }
                y[out] = plane[best];
                if (winner)
                    winner[out] = best;
            }
}

/* y[c,i,j] = max or 1/D sum over u,v of x[c, s i + u, s j + v]   for windows within the image
   maximum: whether it is the maximum, where NaN propagates; D: the divisor, or the size of the window if it is 0 */
INLINE void pool_unpadded(const float *x, float *y, const sliding *s, int divisor, int maximum)
{
    int taps = s->kernel_height * s->kernel_width, D = divisor ? divisor : taps;
    for (int c = 0; c < s->channels; c++)
        for (int i = 0; i < s->rows; i++) {
            const float *row = x + (c * s->height + s->stride_y * i) * s->width;
            INDEPENDENT
            for (int j = 0; j < s->columns; j++) {
                float result = maximum ? row[s->stride_x * j] : 0;
                UNROLL
                for (int t = maximum; t < taps; t++) {
                    float value = row[t / s->kernel_width * s->width + s->stride_x * j + t % s->kernel_width];
                    if (maximum)
                        result = UNLIKELY(value != value) ? value : value > result ? value : result;
                    else
                        result += value;
                }
                y[(c * s->rows + i) * s->columns + j] = maximum ? result : result / (float)D;
            }
        }
}

/* y[c,i,j] = max over u,v of x[c, s i + u, s j + v]   for windows within the image */
INLINE void max_pool_unpadded(const float *x, float *y, const sliding *s)
{
    pool_unpadded(x, y, s, 0, 1);
}

/* y[c,i,j] = 1/D sum over u,v of x[c, s i + u, s j + v]   for windows within the image; D: see pool_unpadded */
INLINE void average_pool_unpadded(const float *x, float *y, const sliding *s, int divisor)
{
    pool_unpadded(x, y, s, divisor, 0);
}

/* back 0: y[c,i,j] = 1/D sum over u,v of x[c,h,k], where from = x and to = y
   back 1: dx[c,h,k] += dy[c,i,j] / D for all u,v, where from = dy and to = dx
   h = s i + u - top, k = s j + v - left; the padding is skipped
   D: the divisor, or the number of image elements under the window if the divisor is 0 */
INLINE void average_pool_sums(const float *from, float *to, const sliding *s, int divisor, int back)
{
    for (int i = 0; i < s->rows; i++)
        for (int j = 0; j < s->columns; j++) {
            area a;
            int count = covered(s, i, j, &a);
            for (int c = 0; c < s->channels; c++) {
                int at = (c * s->rows + i) * s->columns + j;
                float sum = 0, D = (float)(divisor ? divisor : count);
                for (int h = a.top; h < a.bottom; h++)
                    for (int k = a.left; k < a.right; k++) {
                        int image = (c * s->height + h) * s->width + k;
                        if (back)
                            to[image] += from[at] / D;
                        else
                            sum += from[image];
                    }
                if (!back)
                    to[at] = sum / D;
            }
        }
}

/* y[c,i,j] = mean over the window; see average_pool_sums */
INLINE void average_pool(const float *x, float *y, const sliding *s, int divisor)
{
    average_pool_sums(x, y, s, divisor, 0);
}

/* y[c] = mean over i,j of x[c,i,j]   plane: elements of a channel */
static void average_plane(const float *x, float *y, int channels, int plane)
{
    for (int c = 0; c < channels; c++) {
        const float *channel = x + c * plane;
        vector sums = (vector){0};
        float total = 0;
        int p = 0;
        for (; p + LANES <= plane; p += LANES)
            sums += *(const vector *)(channel + p);
        for (int k = 0; k < LANES; k++)
            total += LANE(sums, k);
        for (; p < plane; p++)
            total += channel[p];
        y[c] = total / (float)plane;
    }
}
