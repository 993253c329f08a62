/* v clamped to [-128, 127] */
INLINE int8_t clamp_int8(int64_t v)
{
    return (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
}

/* sum multiplier / 2^shift + zero, rounded and clamped to int8: a sum of products on the scale of the result
   high: whether shift > 32, so that the lower half of the product does not matter */
INLINE int8_t rescale(int32_t sum, int32_t multiplier, int shift, int zero, int high)
{
    int64_t product = (int64_t)sum * multiplier;
    int32_t upper = (int32_t)((uint64_t)product >> 32);
    if (high)
        return clamp_int8(((upper + (1 << (shift - 33))) >> (shift - 32)) + zero);
    return clamp_int8(((product + ((int64_t)1 << (shift - 1))) >> shift) + zero);
}

/* y[e] = rescale(sum[e] + b[e] - w_zero[e] total); w_zero may be null */
INLINE void rescale_sums(const int32_t *sum, const int32_t *b, const int8_t *w_zero, int32_t total,
                         const int32_t *multiplier, const int8_t *shift, int8_t *y, int count, int zero, int high)
{
    INDEPENDENT
    for (int e = 0; e < count; e++)
        y[e] = rescale(sum[e] + b[e] - (w_zero ? w_zero[e] * total : 0), multiplier[e], shift[e], zero, high);
}

/* Return whether all shifts are larger than 32. */
INLINE int are_high(const int8_t *shift, int count)
{
    while (count && shift[count - 1] > 32)
        count--;
    return count == 0;
}

/* Four int8 or two int16 values at any address. DUAL_MULTIPLY: whether the processor multiplies two int16 pairs at a
   time, as Arm processors with the DSP extension do, such as Cortex-M4:
   EVEN(v), ODD(v)                     the int16 pair of bytes 0 and 2, or 1 and 3, of v
   ADD_EVEN(a, v), ADD_ODD(a, v)       the same plus the int16 pair a
   MULTIPLY_ADD(a, b, sum)             sum plus the products of two int16 pairs
   COLUMN_START(p, size), COLUMN_INDEX(at, width)   position of column p, and of its value `at`. For dual products,
       the columns are interleaved in groups of 4 values, of which the even ones come first
   DOT(a, b)                           sums of the products of neighboring int16 values of two vectors of DOT_VALUES */
typedef struct
#if defined(__GNUC__)
    __attribute__((packed, may_alias))
#endif
{
    int32_t values;
} word;
#if defined(__GNUC__) && defined(__ARM_FEATURE_DSP) && !defined(__aarch64__) && !defined(NETWORK_PLAIN)
#define DUAL_MULTIPLY 1
#define COLUMN_START(p, size) (4 * (p))
#define COLUMN_INDEX(at, width) ((at) / 4 * 4 * (width) + (at) % 2 * 2 + (at) / 2 % 2)
#define ASSEMBLE(code, a, b, c) \
    __extension__({ \
        int32_t result; \
        __asm__(code : "=r"(result) : "r"(a), "r"(b), "r"(c)); \
        result; \
    })
#define EVEN(v) ASSEMBLE("sxtb16 %0, %1", v, v, v)
#define ODD(v) ASSEMBLE("sxtb16 %0, %1, ror #8", v, v, v)
#define ADD_EVEN(a, v) ASSEMBLE("sxtab16 %0, %1, %2", a, v, v)
#define ADD_ODD(a, v) ASSEMBLE("sxtab16 %0, %1, %2, ror #8", a, v, v)
#define MULTIPLY_ADD(a, b, sum) ASSEMBLE("smlad %0, %1, %2, %3", a, b, sum)
#else
#define DUAL_MULTIPLY 0
#define COLUMN_START(p, size) ((p) * (size))
#define COLUMN_INDEX(at, width) ((void)(width), (at))
#endif
#if LANES > 1 && defined(__AVX2__)
#define DOT_VALUES 16
#define DOT __builtin_ia32_pmaddwd256
#if !defined(__clang__)
#define WIDEN(bytes, type) ((type)__builtin_ia32_pmovsxbw256(bytes))
#endif
#elif LANES > 1 && defined(__SSE2__)
#define DOT_VALUES 8
#define DOT __builtin_ia32_pmaddwd128
#elif LANES > 1 && defined(__wasm_simd128__)
#define DOT_VALUES 8
#define DOT __builtin_wasm_dot_s_i32x4_i16x8
#endif
#ifndef WIDEN
#define WIDEN(bytes, type) __builtin_convertvector(bytes, type)
#endif

/* x[p,c] = image[c,p] scale[c] + shift[c], rounded and clamped to int8; NaN becomes -128. p: positions
   scale = gain / step, shift = offset / step + zero: combines the normalization of the image with the scale of x
   scales: channels, or 1 if all channels have the same scale and shift */
static void quantize(const float *image, int8_t *x, const float *scale, const float *shift, int scales, int channels,
                     int plane)
{
    for (int p = 0; p < plane; p++)
        for (int c = 0; c < channels; c++) {
            int k = scales > 1 ? c : 0;
            float v = floorf(image[c * plane + p] * scale[k] + shift[k] + 0.5f);
            *x++ = (int8_t)(v >= -128 ? (v > 127 ? 127 : v) : -128);
        }
}

/* y[c,p] = step (x[p,c] - zero) */
static void dequantize(const int8_t *x, float *y, int channels, int plane, float step, int zero)
{
    for (int p = 0; p < plane; p++)
        for (int c = 0; c < channels; c++)
            y[c * plane + p] = step * (float)(*x++ - zero);
}

/* y = table[x + 128]: an element-wise function, given by its 256 results */
static void look_up(const int8_t *x, const int8_t *table, int8_t *y, int count)
{
    for (int e = 0; e < count; e++)
        y[e] = table[x[e] + 128];
}

/* Copy the window at position (i,j), with `channels` values per tap, to one of `width` columns of int16: x - x_zero, and 0
   in the padding. If sum is not null, it becomes the sum of the column. */
INLINE void gather_int8(const int8_t *x, int16_t *column, int32_t *sum, const sliding *s, int i, int j, int channels,
                        int x_zero, int width)
{
    int at = 0, depth = s->kernel_height * s->kernel_width * channels;
    for (int u = 0; u < s->kernel_height; u++)
        for (int v = 0; v < s->kernel_width; v++) {
            int h = i * s->stride_y + u * s->dilation_y - s->top, k = j * s->stride_x + v * s->dilation_x - s->left;
            int inside = h >= 0 && h < s->height && k >= 0 && k < s->width, c = 0;
            const int8_t *from = x + (h * s->width + k) * s->channels;
#if DUAL_MULTIPLY
            int32_t shift = (int32_t)((uint32_t)-x_zero << 16) | (-x_zero & 0xFFFF);
            for (; at % 4 == 0 && c + 4 <= channels; c += 4, at += 4) {
                word *to = (word *)(void *)(column + at * width);
                int32_t values = inside ? ((const word *)(const void *)(from + c))->values : 0;
                to[0].values = inside ? ADD_EVEN(shift, values) : 0;
                to[1].values = inside ? ADD_ODD(shift, values) : 0;
            }
#endif
            for (; c < channels; c++, at++)
                column[COLUMN_INDEX(at, width)] = (int16_t)(inside ? from[c] - x_zero : 0);
        }
    for (; at % 4; at++)
        column[COLUMN_INDEX(at, width)] = 0;
    if (sum)
        for (at = *sum = 0; at < (depth + 3) / 4 * 4; at++)
            *sum += column[COLUMN_INDEX(at, width)];
}

/* sums[p][o] = products of column p with filter o, for `width` columns of gather_int8 and `blocks` blocks of 4 filters
   w: [block][group][o][4], for each group of 4 values of a column; sums: 8 per column */
INLINE void products_int8(const int16_t *columns, const int8_t *w, int32_t *sums, int groups, int width, int blocks)
{
#if DUAL_MULTIPLY
    const int count = 4 / width; /* filters whose sums are in registers */
    for (int o = 0; o < 4; o += count) {
        const word *kernel = (const word *)(const void *)(w + 4 * o), *last = kernel + 4 * groups;
        const word *values = (const word *)(const void *)columns;
        int32_t sum[4] = {0};
        for (; kernel < last; kernel += 4, values += 2 * width) {
            UNROLL
            for (int f = 0; f < count; f++) {
                int32_t even = EVEN(kernel[f].values), odd = ODD(kernel[f].values);
                UNROLL
                for (int p = 0; p < width; p++)
                    sum[p * count + f] = MULTIPLY_ADD(
                        even, values[2 * p].values, MULTIPLY_ADD(odd, values[2 * p + 1].values, sum[p * count + f]));
            }
        }
        UNROLL
        for (int k = 0; k < 4; k++)
            sums[k / count * 8 + o + k % count] = sum[k];
    }
    (void)blocks; /* is 1 */
#elif defined(DOT)
    enum { COUNT = DOT_VALUES / 4, VECTORS = 8 / COUNT }; /* filters per vector, vectors of two blocks */
    typedef char bytes __attribute__((vector_size(DOT_VALUES), aligned(1), may_alias));
    typedef int16_t values __attribute__((vector_size(2 * DOT_VALUES), aligned(1), may_alias));
    typedef int32_t totals __attribute__((vector_size(2 * DOT_VALUES), aligned(4), may_alias));
    typedef int64_t quads __attribute__((vector_size(2 * DOT_VALUES), may_alias));
    typedef int64_t quad __attribute__((aligned(1), may_alias));
    totals sum[2][VECTORS] = {{{0}}};
    int32_t pairs[2 * 8];
    for (int k = 0; k < groups; k++)
        UNROLL
        for (int p = 0; p < width; p++) {
            values x = (values)(*(const quad *)(const void *)(columns + (p * groups + k) * 4) - (quads){0});
            UNROLL
            for (int v = 0; v < blocks * 4 / COUNT; v++) {
                const int8_t *kernel = w + (v * COUNT / 4 * groups + k) * 16 + v * COUNT % 4 * 4;
                sum[p][v] += (totals)DOT(x, WIDEN(*(const bytes *)kernel, values));
            }
        }
    for (int p = 0; p < width; p++) {
        UNROLL
        for (int v = 0; v < blocks * 4 / COUNT; v++)
            *(totals *)(pairs + v * 2 * COUNT) = sum[p][v];
        for (int o = 0; o < blocks * 4; o++)
            sums[8 * p + o] = pairs[2 * o] + pairs[2 * o + 1];
    }
#else
    for (int p = 0; p < width; p++)
        for (int o = 0; o < blocks * 4; o++) {
            int32_t sum = 0;
            for (int k = 0; k < groups; k++)
                for (int e = 0; e < 4; e++)
                    sum += columns[(p * groups + k) * 4 + e] * w[((o / 4 * groups + k) * 4 + o % 4) * 4 + e];
            sums[8 * p + o] = sum;
        }
#endif
}

/* y[i,j,o] = rescale(b[o] + sum over u,v,c of (x[s i + d u - top, s j + d v - left, c] - x_zero) (w[o,u,v,c] - w_zero[o]))
   b[i,j,o] if untied; w_zero: may be null, for zeros; multiplier[o], shift[o]: as in rescale
   w: as in products_int8, for each block of 4 filters of each group; columns: workspace */
static void cross_correlate_int8(const int8_t *x, const int8_t *w, const int8_t *w_zero, const int32_t *b,
                                 const int32_t *multiplier, const int8_t *shift, int8_t *columns, int8_t *y,
                                 const sliding *s, int x_zero, int y_zero, int untied)
{
    enum { POSITIONS = 2 };
    int16_t *column = (int16_t *)(void *)columns;
    int channels = s->channels / s->groups, filters = s->filters / s->groups, plane = s->rows * s->columns;
    int groups = (s->kernel_height * s->kernel_width * channels + 3) / 4, high = are_high(shift, s->filters);
    for (int first = 0; first < s->filters; first += filters, x += channels)
        for (int at = 0; at < plane; at += POSITIONS) {
            const int8_t *kernel = w + first / filters * ((filters + 3) / 4) * groups * 16;
            int width = at + 1 < plane ? POSITIONS : 1;
            int32_t sums[8 * POSITIONS], totals[POSITIONS] = {0};
            for (int p = 0; p < width; p++)
                gather_int8(x, column + COLUMN_START(p, 4 * groups), w_zero ? totals + p : 0, s,
                            (at + p) / s->columns, (at + p) % s->columns, channels, x_zero, width);
            for (int o = first, blocks; o < first + filters; kernel += 16 * groups * blocks) {
                blocks = !DUAL_MULTIPLY && o + 4 < first + filters ? 2 : 1;
                if (blocks == 2 && width == POSITIONS)
                    products_int8(column, kernel, sums, groups, POSITIONS, 2);
                else if (blocks == 2)
                    products_int8(column, kernel, sums, groups, 1, 2);
                else if (width == POSITIONS)
                    products_int8(column, kernel, sums, groups, POSITIONS, 1);
                else
                    products_int8(column, kernel, sums, groups, 1, 1);
                int count = first + filters - o < 4 * blocks ? first + filters - o : 4 * blocks;
                for (int p = 0; p < width; p++) {
                    int to = (at + p) * s->filters + o;
                    const int8_t *zeros = w_zero ? w_zero + o : 0;
                    const int32_t *bias = b + (untied ? to : o);
                    if (filters >= 8 && count == 8 && high && !w_zero) /* the first condition is for the compiler */
                        rescale_sums(sums + 8 * p, bias, 0, 0, multiplier + o, shift + o, y + to, 8, y_zero, 1);
                    else if (high)
                        rescale_sums(sums + 8 * p, bias, zeros, totals[p], multiplier + o, shift + o, y + to, count,
                                     y_zero, 1);
                    else
                        rescale_sums(sums + 8 * p, bias, zeros, totals[p], multiplier + o, shift + o, y + to, count,
                                     y_zero, 0);
                }
                o += count;
            }
        }
}

/* y[o] = step[o] (b[o] + sum over c of (w[o,c] - w_zero[o]) (x[c] - x_zero)): outputs of the last layer as floats
   w, columns: as in cross_correlate_int8 */
static void dense_to_floats(const int8_t *x, const int8_t *w, const int8_t *w_zero, const int32_t *b,
                            const float *step, int8_t *columns, float *y, const sliding *s, int x_zero)
{
    int16_t *column = (int16_t *)(void *)columns;
    int groups = (s->channels + 3) / 4;
    int32_t sums[4], total = 0;
    gather_int8(x, column, &total, s, 0, 0, s->channels, x_zero, 1);
    for (int o = 0; o < s->filters; o++) {
        if (o % 4 == 0)
            products_int8(column, w + o * groups * 4, sums, groups, 1, 1);
        y[o] = step[o] * (float)(sums[o % 4] + b[o] - (w_zero ? w_zero[o] * total : 0));
    }
}

/* sum[c] += sum over u,v of (x[u,v,c] - x_zero) (w[u,v,c] - w_zero[c]) for `count` channels and a range of taps
   pitch, row: distances in x of neighboring taps and of their rows */
INLINE void depthwise_sums_int8(const int8_t *x, const int8_t *w, const int8_t *w_zero, int32_t *sum, const sliding *s,
                                int rows, int columns, int row, int pitch, int x_zero, int count)
{
    for (int u = 0; u < rows; u++)
        for (int v = 0; v < columns; v++) {
            const int8_t *from = x + u * row + v * pitch, *kernel = w + (u * s->kernel_width + v) * s->channels;
#if DUAL_MULTIPLY
            if (count == 4 && !w_zero) {
                int32_t shift = (int32_t)((uint32_t)-x_zero << 16) | (-x_zero & 0xFFFF);
                int32_t values = ((const word *)(const void *)from)->values;
                int32_t weights = ((const word *)(const void *)kernel)->values;
                int32_t even = ADD_EVEN(shift, values), odd = ADD_ODD(shift, values);
                int32_t even_weights = EVEN(weights), odd_weights = ODD(weights);
                sum[0] += (int16_t)even * (int16_t)even_weights;
                sum[1] += (int16_t)odd * (int16_t)odd_weights;
                sum[2] += (even >> 16) * (even_weights >> 16);
                sum[3] += (odd >> 16) * (odd_weights >> 16);
                continue;
            }
#endif
            for (int c = 0; c < count; c++)
                sum[c] += (int16_t)(from[c] - x_zero) * (int16_t)(kernel[c] - (w_zero ? w_zero[c] : 0));
        }
}

/* Same equation as cross_correlate_int8 if each channel has one filter; w: [u][v][c] */
static void cross_correlate_depthwise_int8(const int8_t *x, const int8_t *w, const int8_t *w_zero, const int32_t *b,
                                           const int32_t *multiplier, const int8_t *shift, int8_t *y, const sliding *s,
                                           int x_zero, int y_zero, int untied)
{
    enum { BLOCK = DUAL_MULTIPLY ? 4 : 16 };
    int pitch = s->dilation_x * s->channels, row = s->dilation_y * s->width * s->channels, top, bottom, left, right;
    int high = are_high(shift, s->channels);
    int32_t sum[BLOCK];
    for (int i = 0; i < s->rows; i++)
        for (int j = 0; j < s->columns; j++, y += s->channels) {
            int h = i * s->stride_y - s->top, k = j * s->stride_x - s->left;
            const int32_t *bias = untied ? b + (i * s->columns + j) * s->channels : b;
            valid_positions(s->height, s->kernel_height, s->dilation_y, h, &top, &bottom);
            valid_positions(s->width, s->kernel_width, s->dilation_x, k, &left, &right);
            const int8_t *from = x + (h * s->width + k) * s->channels + top * row + left * pitch;
            const int8_t *kernel = w + (top * s->kernel_width + left) * s->channels;
            for (int c = 0; c < s->channels; c += BLOCK) {
                int count = s->channels - c < BLOCK ? s->channels - c : BLOCK;
                for (int e = 0; e < count; e++)
                    sum[e] = 0;
                if (s->channels >= BLOCK && count == BLOCK && !w_zero)
                    depthwise_sums_int8(from + c, kernel + c, 0, sum, s, bottom - top, right - left, row, pitch, x_zero,
                                        BLOCK);
                else
                    depthwise_sums_int8(from + c, kernel + c, w_zero ? w_zero + c : 0, sum, s, bottom - top,
                                        right - left, row, pitch, x_zero, count);
                if (s->channels >= BLOCK && count == BLOCK && high)
                    rescale_sums(sum, bias + c, 0, 0, multiplier + c, shift + c, y + c, BLOCK, y_zero, 1);
                else
                    rescale_sums(sum, bias + c, 0, 0, multiplier + c, shift + c, y + c, count, y_zero, 0);
            }
        }
}

/* y[i,j,c] = max over the window of x; the padding is skipped */
static void max_pool_int8(const int8_t *x, int8_t *y, const pooling *s)
{
    for (int i = 0; i < s->rows; i++)
        for (int j = 0; j < s->columns; j++, y += s->channels) {
            int top, bottom, left, right;
            window_bounds(i, s->height, s->window_height, s->stride_y, s->top, &top, &bottom);
            window_bounds(j, s->width, s->window_width, s->stride_x, s->left, &left, &right);
            for (int c = 0; c < s->channels; c++)
                y[c] = -128;
            for (int h = top; h < bottom; h++)
                for (int k = left; k < right; k++) {
                    const int8_t *from = x + (h * s->width + k) * s->channels;
                    for (int c = 0; c < s->channels; c++)
                        y[c] = from[c] > y[c] ? from[c] : y[c];
                }
        }
}

/* y[i,j,c] = mean over the window of (x - x_zero), times multiplier / 2^shift, plus y_zero, rounded and clamped to int8;
   the padding is excluded from the mean. Ties: even multiples of the step if ties_even, else integers away from 0 */
static void average_pool_int8(const int8_t *x, int8_t *y, const pooling *s, int multiplier, int shift, int x_zero,
                              int y_zero, int ties_even)
{
    for (int i = 0; i < s->rows; i++)
        for (int j = 0; j < s->columns; j++) {
            int top, bottom, left, right;
            int64_t count = window_bounds(i, s->height, s->window_height, s->stride_y, s->top, &top, &bottom);
            count *= window_bounds(j, s->width, s->window_width, s->stride_x, s->left, &left, &right);
            count <<= shift;
            for (int c = 0; c < s->channels; c++) {
                int sum = 0;
                for (int h = top; h < bottom; h++)
                    for (int k = left; k < right; k++)
                        sum += x[(h * s->width + k) * s->channels + c] - x_zero;
                int64_t doubled = 2 * (int64_t)sum * multiplier + count;
                int64_t mean = doubled / (2 * count) - (doubled % (2 * count) < 0);
                int rounds_down = doubled % (2 * count) == 0 && (ties_even ? mean & 1 : mean + y_zero <= 0);
                *y++ = clamp_int8(mean + y_zero - rounds_down);
            }
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
        y[e] = rescale((a[e] - a_zero) * (b[e] - b_zero), multiplier, shift, y_zero, 0);
}
