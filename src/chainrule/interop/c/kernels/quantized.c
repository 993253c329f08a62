/* v clamped to [-128, 127] */
static int8_t clamp_int8(int64_t v)
{
    return (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
}

/* sum multiplier / 2^shift + zero, rounded and clamped to int8: a sum of products on the scale of the result */
static int8_t rescale(int32_t sum, int32_t multiplier, int shift, int zero)
{
    int64_t product = (int64_t)sum * multiplier + ((int64_t)1 << (shift - 1));
    return clamp_int8((product >> shift) + zero);
}

/* x = image scale + shift of each channel, rounded and clamped to int8; NaN becomes -128
   scale = gain / step, shift = offset / step + zero: combines the normalization of the image with the scale of x */
static void quantize(const float *image, int8_t *x, const float *scale, const float *shift, int channels, int plane)
{
    for (int e = 0; e < channels * plane; e++) {
        float v = floorf(image[e] * scale[e / plane] + shift[e / plane] + 0.5f);
        x[e] = (int8_t)(v >= -128 ? (v > 127 ? 127 : v) : -128);
    }
}

/* y = step (x - zero) */
static void dequantize(const int8_t *x, float *y, int count, float step, int zero)
{
    for (int e = 0; e < count; e++)
        y[e] = step * (float)(x[e] - zero);
}

/* y = table[x + 128]: an element-wise function, given by its 256 results */
static void look_up(const int8_t *x, const int8_t *table, int8_t *y, int count)
{
    for (int e = 0; e < count; e++)
        y[e] = table[x[e] + 128];
}

/* y[o,i,j] = rescale(b[o] + sum over c,u,v of (x[c, s i + d u - top, s j + d v - left] - x_zero) (w[o,c,u,v] - w_zero[o]))
   b[o,i,j] if untied; w_zero: may be null, for zeros; multiplier[o], shift[o]: as in rescale. The padding is skipped: its value x_zero represents 0. */
static void cross_correlate_int8(const int8_t *x, const int8_t *w, const int8_t *w_zero, const int32_t *b,
                                 const int32_t *multiplier, const int8_t *shift, int8_t *y, const sliding *s,
                                 int x_zero, int y_zero, int untied)
{
    int channels = s->channels / s->groups, filters = s->filters / s->groups;
    for (int o = 0; o < s->filters; o++)
        for (int i = 0; i < s->rows; i++)
            for (int j = 0; j < s->columns; j++) {
                int at = (o * s->rows + i) * s->columns + j;
                const int8_t *kernel = w + o * channels * s->kernel_height * s->kernel_width;
                int32_t sum = b[untied ? at : o];
                int zero = w_zero ? w_zero[o] : 0;
                for (int c = 0; c < channels; c++)
                    for (int u = 0; u < s->kernel_height; u++) {
                        int h = i * s->stride_y + u * s->dilation_y - s->top;
                        int row = ((o / filters * channels + c) * s->height + h) * s->width;
                        for (int v = 0; v < s->kernel_width && h >= 0 && h < s->height; v++) {
                            int k = j * s->stride_x + v * s->dilation_x - s->left;
                            if (k >= 0 && k < s->width)
                                sum += (x[row + k] - x_zero) *
                                       (kernel[(c * s->kernel_height + u) * s->kernel_width + v] - zero);
                        }
                    }
                y[at] = rescale(sum, multiplier[o], shift[o], y_zero);
            }
}

/* b[o] + sum over c of (w[o,c] - w_zero[o]) (x[c] - x_zero) */
static int32_t dense_sum(const int8_t *x, const int8_t *w, const int8_t *w_zero, const int32_t *b, int inputs, int o,
                         int x_zero)
{
    int32_t sum = b[o];
    int zero = w_zero ? w_zero[o] : 0;
    for (int c = 0; c < inputs; c++)
        sum += (x[c] - x_zero) * (w[o * inputs + c] - zero);
    return sum;
}

/* y[o] = rescale(b[o] + sum over c of (w[o,c] - w_zero[o]) (x[c] - x_zero)) */
static void dense_int8(const int8_t *x, const int8_t *w, const int8_t *w_zero, const int32_t *b,
                       const int32_t *multiplier, const int8_t *shift, int8_t *y, int inputs, int outputs, int x_zero,
                       int y_zero)
{
    for (int o = 0; o < outputs; o++)
        y[o] = rescale(dense_sum(x, w, w_zero, b, inputs, o, x_zero), multiplier[o], shift[o], y_zero);
}

/* y[o] = step[o] (b[o] + sum over c of (w[o,c] - w_zero[o]) (x[c] - x_zero)): outputs of the last layer as floats */
static void dense_to_floats(const int8_t *x, const int8_t *w, const int8_t *w_zero, const int32_t *b,
                            const float *step, float *y, int inputs, int outputs, int x_zero)
{
    for (int o = 0; o < outputs; o++)
        y[o] = step[o] * (float)dense_sum(x, w, w_zero, b, inputs, o, x_zero);
}

/* y[c,i,j] = max over the window of x; the padding is skipped */
static void max_pool_int8(const int8_t *x, int8_t *y, const pooling *s)
{
    for (int c = 0; c < s->channels; c++)
        for (int i = 0; i < s->rows; i++)
            for (int j = 0; j < s->columns; j++) {
                int top, bottom, left, right, best = -128;
                window_bounds(i, s->height, s->window_height, s->stride_y, s->top, &top, &bottom);
                window_bounds(j, s->width, s->window_width, s->stride_x, s->left, &left, &right);
                for (int h = top; h < bottom; h++)
                    for (int k = left; k < right; k++) {
                        int value = x[(c * s->height + h) * s->width + k];
                        best = value > best ? value : best;
                    }
                y[(c * s->rows + i) * s->columns + j] = (int8_t)best;
            }
}

/* y[c,i,j] = mean over the window of (x - x_zero), times multiplier / 2^shift, plus y_zero, rounded and clamped to int8;
   the padding is excluded from the mean. Ties: even multiples of the step if ties_even, else integers away from 0 */
static void average_pool_int8(const int8_t *x, int8_t *y, const pooling *s, int multiplier, int shift, int x_zero,
                              int y_zero, int ties_even)
{
    for (int c = 0; c < s->channels; c++)
        for (int i = 0; i < s->rows; i++)
            for (int j = 0; j < s->columns; j++) {
                int top, bottom, left, right, sum = 0;
                int64_t count = window_bounds(i, s->height, s->window_height, s->stride_y, s->top, &top, &bottom);
                count *= window_bounds(j, s->width, s->window_width, s->stride_x, s->left, &left, &right);
                for (int h = top; h < bottom; h++)
                    for (int k = left; k < right; k++)
                        sum += x[(c * s->height + h) * s->width + k] - x_zero;
                count <<= shift;
                int64_t doubled = 2 * (int64_t)sum * multiplier + count;
                int64_t mean = doubled / (2 * count) - (doubled % (2 * count) < 0);
                int rounds_down = doubled % (2 * count) == 0 && (ties_even ? mean & 1 : mean + y_zero <= 0);
                y[(c * s->rows + i) * s->columns + j] = clamp_int8(mean + y_zero - rounds_down);
            }
}

/* y = a + b on the scale of y: ((a - a_zero) a_multiplier + (b - b_zero) b_multiplier) / 2^shift + y_zero, rounded */
static void add_int8(const int8_t *a, const int8_t *b, int8_t *y, int count, int a_multiplier, int b_multiplier,
                     int shift, int a_zero, int b_zero, int y_zero)
{
    for (int e = 0; e < count; e++) {
        int32_t sum = (a[e] - a_zero) * a_multiplier + (b[e] - b_zero) * b_multiplier;
        y[e] = clamp_int8(((sum + (1 << (shift - 1))) >> shift) + y_zero);
    }
}

/* y = a b on the scale of y: rescale((a - a_zero) (b - b_zero)) */
static void multiply_int8(const int8_t *a, const int8_t *b, int8_t *y, int count, int multiplier, int shift, int a_zero,
                          int b_zero, int y_zero)
{
    for (int e = 0; e < count; e++)
        y[e] = rescale((a[e] - a_zero) * (b[e] - b_zero), multiplier, shift, y_zero);
}
