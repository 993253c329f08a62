/* Copy the window at position (i,j), with `channels` values per tap, to one of `width` columns of int16: x - x_zero, and 0
   in the padding. If sum is not null, it becomes the sum of the column. Taps that are adjacent in memory are copied at
   once. */
INLINE void gather_column_int8(const int8_t *x, int16_t *column, int32_t *sum, const sliding *s, int i, int j, int channels,
                               int x_zero, int width)
{
    int at = 0, depth = s->kernel_height * s->kernel_width * channels, left = j * s->stride_x - s->left;
    int is_adjacent = s->dilation_x == 1 && s->groups == 1 && left >= 0 && left + s->kernel_width <= s->width;
    int taps = is_adjacent ? s->kernel_width : 1, run = taps * channels;
    for (int u = 0; u < s->kernel_height; u++)
        for (int v = 0; v < s->kernel_width; v += taps) {
            int h = i * s->stride_y + u * s->dilation_y - s->top, k = left + v * s->dilation_x;
            int inside = h >= 0 && h < s->height && k >= 0 && k < s->width, c = 0;
            const int8_t *from = x + (inside ? h * s->width + k : 0) * s->channels; /* vectors are read in any case */
#if DUAL_MULTIPLY
            int32_t shift = (int32_t)((uint32_t)-x_zero << 16) | (-x_zero & 0xFFFF);
            for (; at % 4 == 0 && c + 4 <= run; c += 4, at += 4) {
                word *to = (word *)(void *)(column + at * width);
                int32_t values = ((const word *)(const void *)(from + c))->values;
                to[0].values = inside ? ADD_EVEN(shift, values) : 0;
                to[1].values = inside ? ADD_ODD(shift, values) : 0;
            }
#elif defined(DOT)
            for (; c + DOT_VALUES <= run; c += DOT_VALUES, at += DOT_VALUES)
                *(short_vector *)(column + at) =
                    (WIDEN(*(const byte_vector *)(from + c), short_vector) - (int16_t)x_zero) & (int16_t)-inside;
#ifdef OCTETS
            for (; c + 8 <= run; c += 8, at += 8)
                *(short_octet *)(column + at) =
                    (__builtin_convertvector(*(const octet *)(from + c), short_octet) - (int16_t)x_zero) &
                    (int16_t)-inside;
#endif
#endif
            for (int e = 0, rest = run - c; e < rest; e++) /* c++ and at++ would warn of overflows with gcc 12 */
                column[COLUMN_INDEX(at + e, width)] = (int16_t)(inside ? from[c + e] - x_zero : 0);
            at += run - c;
        }
    for (; at % 4; at++)
        column[COLUMN_INDEX(at, width)] = 0;
    if (sum)
        for (at = *sum = 0; at < (depth + 3) / 4 * 4; at++)
            *sum += column[COLUMN_INDEX(at, width)];
}

/* sums[p][o] = products of column p with filter o, for `width` columns of gather_column_int8 and `blocks` blocks of 4 filters
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
    int_vector sum[2][VECTORS] = {{{0}}};
    int32_t pairs[2 * 8];
    for (int k = 0; k < groups; k++)
        UNROLL
        for (int p = 0; p < width; p++) {
            const quad *group = (const quad *)(const void *)(columns + (p * groups + k) * 4);
            short_vector x = (short_vector)(*group - (long_vector){0});
            UNROLL
            for (int v = 0; v < blocks * 4 / COUNT; v++) {
                const int8_t *kernel = w + (v * COUNT / 4 * groups + k) * 16 + v * COUNT % 4 * 4;
                sum[p][v] += (int_vector)DOT(x, WIDEN(*(const byte_vector *)kernel, short_vector));
            }
        }
    for (int p = 0; p < width; p++) {
#ifdef OCTETS
        long_vector halves = (long_vector)__builtin_ia32_phaddd256(sum[p][0], sum[p][1]);
        *(int_vector *)(sums + 8 * p) = (int_vector)(long_vector){halves[0], halves[2], halves[1], halves[3]};
        continue;
#endif
        UNROLL
        for (int v = 0; v < blocks * 4 / COUNT; v++)
            *(int_vector *)(pairs + v * 2 * COUNT) = sum[p][v];
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
   b[i,j,o] if untied; w_zero: may be null, for zeros; multiplier[o], shift[o], high: as in rescale, for all filters
   w: as in products_int8, for each block of 4 filters of each group; columns: workspace */
static void cross_correlate_int8(const int8_t *x, const int8_t *w, const int8_t *w_zero, const int32_t *b,
                                 const int32_t *multiplier, const int8_t *shift, int8_t *columns, int8_t *y,
                                 const sliding *s, int x_zero, int y_zero, int untied, int high)
{
    enum { POSITIONS = 2 };
    int16_t *column = (int16_t *)(void *)columns;
    int channels = s->channels / s->groups, filters = s->filters / s->groups, plane = s->rows * s->columns;
    int groups = (s->kernel_height * s->kernel_width * channels + 3) / 4;
    for (int first = 0; first < s->filters; first += filters, x += channels)
        for (int at = 0, i = 0, j = 0; at < plane; at += POSITIONS) {
            const int8_t *kernel = w + first / filters * ((filters + 3) / 4) * groups * 16;
            int width = at + 1 < plane ? POSITIONS : 1;
            int32_t sums[8 * POSITIONS], totals[POSITIONS] = {0};
            for (int p = 0; p < width; p++, j++) {
                if (j == s->columns) {
                    j = 0;
                    i++;
                }
                gather_column_int8(x, column + COLUMN_START(p, 4 * groups), w_zero ? totals + p : 0, s, i, j, channels, x_zero,
                            width);
            }
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
                        rescale_octets(sums + 8 * p, bias, multiplier + o, shift + o, y + to, 8, y_zero);
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
    int32_t sums[8], total = 0;
    gather_column_int8(x, column, &total, s, 0, 0, s->channels, x_zero, 1);
    for (int o = 0; o < s->filters; o++) {
        if (o % 4 == 0)
            products_int8(column, w + o * groups * 4, sums, groups, 1, 1);
        y[o] = step[o] * (float)(sums[o % 4] + b[o] - (w_zero ? w_zero[o] * total : 0));
    }
}

/* sum[c] = sum over u,v of (x[u,v,c] - x_zero) (w[u,v,c] - w_zero[c]) for `count` channels and a range of taps
   pitch, row: distances in x of neighboring taps and of their rows */
INLINE void depthwise_sums_int8(const int8_t *x, const int8_t *w, const int8_t *w_zero, int32_t *sum, const sliding *s,
                                int rows, int columns, int row, int pitch, int x_zero, int count)
{
#ifdef OCTETS
    if (count == 8 && !w_zero) {
        int_vector sums = {0};
        for (int u = 0; u < rows; u++)
            for (int v = 0; v < columns; v++) {
                int_vector weights = OCTET(w + (u * s->kernel_width + v) * s->channels) & 0xFFFF;
                sums += (int_vector)DOT((short_vector)(OCTET(x + u * row + v * pitch) - x_zero), (short_vector)weights);
            }
        *(int_vector *)sum = sums;
        return;
    }
#endif
    for (int c = 0; c < count; c++)
        sum[c] = 0;
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
                                           int x_zero, int y_zero, int untied, int high)
{
    enum { BLOCK = DUAL_MULTIPLY ? 4 : 8 };
    int pitch = s->dilation_x * s->channels, row = s->dilation_y * s->width * s->channels, top, bottom, left, right;
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
                if (s->channels >= BLOCK && count == BLOCK && !w_zero)
                    depthwise_sums_int8(from + c, kernel + c, 0, sum, s, bottom - top, right - left, row, pitch, x_zero,
                                        BLOCK);
                else
                    depthwise_sums_int8(from + c, kernel + c, w_zero ? w_zero + c : 0, sum, s, bottom - top,
                                        right - left, row, pitch, x_zero, count);
                if (s->channels >= BLOCK && count == BLOCK && high)
                    rescale_octets(sum, bias + c, multiplier + c, shift + c, y + c, BLOCK, y_zero);
                else
                    rescale_sums(sum, bias + c, 0, 0, multiplier + c, shift + c, y + c, count, y_zero, 0);
            }
        }
}
