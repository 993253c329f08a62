/* Options of a convolution or pooling: the sizes of the image in memory (channels, height, width), the result (filters,
   rows, columns) and the kernel or window; strides, dilations, the padding above and to the left of the image, the
   number of groups, and whether the kernel is rotated by 180 degrees (flip). */
typedef struct {
    int channels, height, width;
    int filters, rows, columns;
    int kernel_height, kernel_width, stride_y, stride_x, dilation_y, dilation_x;
    int top, left, groups, flip;
} sliding;

/* Copy a channel (height, width) to y (rows, columns) at (top, left), cropped to y, which is zero elsewhere.
   Each row of y is split by phase: columns 0, stride, 2 stride, ..., then 1, stride + 1, ... and so on. At every kernel
   offset, neighboring windows then read neighboring elements with a single vector load. */
INLINE void lay_out_channel(const float *x, float *y, int height, int width, int top, int left, int rows,
                            int columns, int stride)
{
    int phase_columns = columns / stride;
    for (int i = 0; i < height && i + top < rows; i++)
        UNROLL
        for (int phase = 0; phase < stride; phase++) {
            int before = phase < left ? (left - phase + stride - 1) / stride : 0;
            int first = before * stride + phase - left;
            int count = first < width ? (width - 1 - first) / stride + 1 : 0;
            const float *from = x + i * width + first;
            float *to = y + (i + top) * columns + phase * phase_columns + before;
            count = count < phase_columns - before ? count : phase_columns - before;
            INDEPENDENT
            for (int j = 0; j < count; j++)
                to[j] = from[j * stride];
        }
}

/* y = x (channels, height, width) padded with zeros to (channels, rows, columns), each row split by phase as in
   lay_out_channel */
INLINE void zero_pad(const float *x, float *y, int channels, int height, int width, int top, int left, int rows,
                     int columns, int stride)
{
    for (int c = 0; c < channels; c++) {
        float *channel = y + c * rows * columns;
        for (int e = 0; e < rows * columns; e++)
            channel[e] = 0;
        lay_out_channel(x + c * height * width, channel, height, width, top, left, rows, columns, stride);
    }
}

/* The index of the first window's column k in a row of a padded image, split by phase. */
INLINE int column_of(const sliding *s, int k)
{
    return k % s->stride_x * (s->width / s->stride_x) + k / s->stride_x;
}

/* y = sum + plus; then max(0, y) if relu   for FILTERS neighbors of a row, or those of a `vector`; plus may be null */
INLINE void store_FILTERS(vector_FILTERS sum, const float *plus, float *y, int relu)
{
    if (plus)
        sum += *(const vector_FILTERS *)plus;
    *(vector_FILTERS *)y = relu ? RELU(sum) : sum;
}

/* y[j] = x[FILTERS j] + plus[j]; then max(0, y) if relu   for `count` neighbors of a row
   x: sums interleaved by filter, starting at the filter to store. plus may be null. The last vector of 4 may overlap
   the previous one. */
INLINE void store_run_FILTERS(const float *x, const float *plus, float *y, int count, int relu)
{
#if LANES > 1
    if (count >= 4) {
        UNROLL
        for (int first = 0; first < count; first += 4) {
            int j = first + 4 > count ? count - 4 : first;
            const float *from = x + FILTERS * j;
            vector_4 sum = {from[0], from[FILTERS], from[2 * FILTERS], from[3 * FILTERS]};
            store_4(sum, plus ? plus + j : plus, y + j, relu);
        }
        return;
    }
#endif
    UNROLL
    for (int j = 0; j < count; j++) {
        float sum = x[FILTERS * j];
        if (plus)
            sum += plus[j];
        y[j] = relu && sum <= 0 ? 0 : sum;
    }
}

/* Compute a tile of rows x columns positions and FILTERS filters. All sums stay in registers:
   y[o,i,j] = b[o] + plus[o,i,j] + sum over c,u,v of x[c, s i + d u, s j + d v] w[o,c,u,v]; then max(0, y) if relu
   x: the image at the first window, after zero_pad if it needs padding or strides; w: [c][u][v][o], so that a vector
   contains filters; count: filters to store (the last block may be incomplete); plus may be null */
INLINE void cross_correlate_tile_FILTERS(const float *x, const float *w, const float *b, const float *plus, float *y,
                                         const sliding *s, int rows, int columns, int count, int relu)
{
    enum { LENGTH = sizeof(vector_FILTERS) / sizeof(float), VECTORS = FILTERS / LENGTH };
    enum { MAX_POSITIONS = LANES > 1 ? 24 : 16 / FILTERS }; /* of all tiles: 24 vectors, or 16 floats without vectors */
    vector_FILTERS sum[MAX_POSITIONS][VECTORS];
    float results[MAX_POSITIONS * FILTERS];
    UNROLL
    for (int t = 0; t < rows * columns; t++)
        UNROLL
        for (int k = 0; k < VECTORS; k++)
            sum[t][k] = *(const vector_FILTERS *)(b + k * LENGTH);
    for (int c = 0; c < s->channels; c++)
        for (int u = 0; u < s->kernel_height; u++)
            for (int v = 0; v < s->kernel_width; v++) {
                int column = column_of(s, v * s->dilation_x);
                const float *from = x + (c * s->height + u * s->dilation_y) * s->width + column;
                UNROLL
                for (int t = 0; t < rows * columns; t++) {
                    float value = from[t / columns * s->stride_y * s->width + t % columns];
                    UNROLL
                    for (int k = 0; k < VECTORS; k++)
                        sum[t][k] += value * *(const vector_FILTERS *)(w + k * LENGTH);
                }
                w += FILTERS;
            }
    UNROLL
    for (int t = 0; t < rows * columns; t++)
        UNROLL
        for (int k = 0; k < VECTORS; k++)
            *(vector_FILTERS *)(results + t * FILTERS + k * LENGTH) = sum[t][k];
    for (int o = 0; o < count; o++)
        UNROLL
        for (int i = 0; i < rows; i++)
            store_run_FILTERS(results + i * columns * FILTERS + o, plus ? plus + (o * s->rows + i) * s->columns : plus,
                              y + (o * s->rows + i) * s->columns, columns, relu);
}

/* Same equation as cross_correlate_tile_FILTERS, for LANES neighboring positions of a row. Each filter has a vector of
   positions, which can be stored without the transposition needed for vectors of filters. */
INLINE void cross_correlate_row_FILTERS(const float *x, const float *w, const float *b, const float *plus, float *y,
                                        const sliding *s, int count, int relu)
{
    vector sum[FILTERS];
    UNROLL
    for (int o = 0; o < FILTERS; o++)
        sum[o] = b[o] - (vector){0}; /* b[o] in every lane; + 0 would lose the sign of -0 */
    for (int c = 0; c < s->channels; c++)
        for (int u = 0; u < s->kernel_height; u++)
            for (int v = 0; v < s->kernel_width; v++) {
                int column = column_of(s, v * s->dilation_x);
                const float *from = x + (c * s->height + u * s->dilation_y) * s->width + column;
                vector values = *(const vector *)from;
                UNROLL
                for (int o = 0; o < FILTERS; o++)
                    sum[o] += w[o] * values;
                w += FILTERS;
            }
    UNROLL
    for (int o = 0; o < FILTERS; o++)
        if (o < count) {
            int at = o * s->rows * s->columns;
            store_16(sum[o], plus ? plus + at : plus, y + at, relu); /* a vector_16 has at most LANES floats */
        }
}

/* y[o,i,j] = b[o] + plus[o,i,j] + sum over c,u,v of x[c, s i + d u, s j + d v] w[o,c,u,v]; then max(0, y) if relu
   x: the image, after zero_pad if it needs padding or strides; w: [block][c][u][v][o], `blocks` blocks of FILTERS
   filters; count: filters in each block. Tiles have tile_rows x tile_columns positions, or LANES positions of a row
   if tile_rows is 0. The last tile of an axis may overlap the previous one. plus may be null */
INLINE void cross_correlate_FILTERS(const float *x, const float *w, const float *b, const float *plus, float *y,
                                    const sliding *s, int blocks, int tile_rows, int tile_columns, int count, int relu)
{
    int taps = s->channels * s->kernel_height * s->kernel_width, plane = s->rows * s->columns;
    for (int block = 0; block < blocks; block++)
        for (int top = 0; top < s->rows; top += tile_rows ? tile_rows : 1)
            for (int left = 0; left < s->columns; left += tile_columns) {
                int i = top + tile_rows > s->rows ? s->rows - tile_rows : top;
                int j = left + tile_columns > s->columns ? s->columns - tile_columns : left;
                int at = block * FILTERS * plane + i * s->columns + j;
                const float *image = x + i * s->stride_y * s->width + j, *addend = plus ? plus + at : plus;
                const float *kernel = w + block * FILTERS * taps, *bias = b + block * FILTERS;
                if (tile_rows)
                    cross_correlate_tile_FILTERS(image, kernel, bias, addend, y + at, s, tile_rows, tile_columns, count,
                                                 relu);
                else
                    cross_correlate_row_FILTERS(image, kernel, bias, addend, y + at, s, count, relu);
            }
}

/* Return channel c of the padded image. If `padded` is null, x is already padded. Otherwise, the channel
   (height, width) is copied to `padded`, which has space for one channel. Its zeros are written only for channel 0:
   call this function in the order of the channels. */
INLINE const float *padded_channel(const float *x, float *padded, const sliding *s, int c, int height, int width,
                                   int top, int left)
{
    if (!padded)
        return x + c * s->height * s->width;
    for (int e = 0; c == 0 && e < s->height * s->width; e++)
        padded[e] = 0;
    lay_out_channel(x + c * height * width, padded, height, width, top, left, s->height, s->width, s->stride_x);
    return padded;
}

/* y[c,i,j] = b[c] + plus[c,i,j] + sum over u,v of x[c, s i + d u, s j + d v] w[c,u,v]; then max(0, y) if relu
   Each channel has one kernel. Tiles have tile_rows rows, each a vector of up to FILTERS positions. The last tile of an
   axis may overlap the previous one. padded, height, width, top, left: as in padded_channel; plus may be null */
INLINE void cross_correlate_depthwise_FILTERS(const float *x, const float *w, const float *b, const float *plus,
                                              float *padded, float *y, const sliding *s, int height, int width, int top,
                                              int left, int tile_rows, int relu)
{
    enum { LENGTH = sizeof(vector_FILTERS) / sizeof(float), MAX_ROWS = 4 };
    int taps = s->kernel_height * s->kernel_width, step = s->stride_y * s->width;
    for (int c = 0; c < s->channels; c++) {
        const float *image = padded_channel(x, padded, s, c, height, width, top, left);
        for (int row = 0; row < s->rows; row += tile_rows)
            for (int column = 0; column < s->columns; column += LENGTH) {
                int i = row + tile_rows > s->rows ? s->rows - tile_rows : row;
                int j = column + LENGTH > s->columns ? s->columns - LENGTH : column;
                const float *from = image + i * step + j;
                vector_FILTERS sum[MAX_ROWS];
                UNROLL
                for (int t = 0; t < tile_rows; t++)
                    sum[t] = b[c] - (vector_FILTERS){0}; /* b[c] in every lane; + 0 would lose the sign of -0 */
                UNROLL
                for (int e = 0; e < taps; e++) {
                    int u = e / s->kernel_width * s->dilation_y, v = column_of(s, e % s->kernel_width * s->dilation_x);
                    UNROLL
                    for (int t = 0; t < tile_rows; t++)
                        sum[t] += w[c * taps + e] * *(const vector_FILTERS *)(from + t * step + u * s->width + v);
                }
                UNROLL
                for (int t = 0; t < tile_rows; t++) {
                    int at = (c * s->rows + i + t) * s->columns + j;
                    store_FILTERS(sum[t], plus ? plus + at : plus, y + at, relu);
                }
            }
    }
}

/* Compute the range of positions first <= i < last for which the input element stride i + offset is in the image.
   Division takes much longer than a test. */
INLINE void valid_positions(int size, int positions, int stride, int offset, int *first, int *last)
{
    int before = stride - 1 - offset, after = size - 1 - offset;
    *first = offset < 0 ? (stride > 1 ? before / stride : before) : 0;
    *last = offset < size ? (stride > 1 ? after / stride : after) + 1 : 0;
    *last = *last < positions ? *last : positions;
    *first = *first < *last ? *first : *last;
}

/* Compute the forward operation or one of its gradients, by looping over the elements of the kernel:
   target 0: y[o,i,j] += x[c,h,k] w[o,c,u,v]
   target 1: dx[c,h,k] += dy[o,i,j] w[o,c,u,v]
   target 2: dw[o,c,u,v] += dy[o,i,j] x[c,h,k]
   where (h, k) = (s i + d u - top, s j + d v - left) is in the image. Pointers not used by a target are null. */
INLINE void cross_correlate_products(const float *read_x, float *write_x, const float *read_w, float *write_w,
                                     const float *read_y, float *write_y, const sliding *s, int target)
{
    int channels = s->channels / s->groups, filters = s->filters / s->groups;
    for (int o = 0; o < s->filters; o++)
        for (int c = 0; c < channels; c++)
            for (int u = 0; u < s->kernel_height; u++)
                for (int v = 0; v < s->kernel_width; v++) {
                    int i, top, bottom, left, right;
                    int w_row = s->flip ? s->kernel_height - 1 - u : u;
                    int w_column = s->flip ? s->kernel_width - 1 - v : v;
                    int tap = ((o * channels + c) * s->kernel_height + w_row) * s->kernel_width + w_column;
                    int channel = (o / filters * channels + c) * s->height;
                    int y_offset = u * s->dilation_y - s->top, x_offset = v * s->dilation_x - s->left;
                    float sum = 0, weight = target == 2 ? 0 : read_w[tap];
                    valid_positions(s->height, s->rows, s->stride_y, y_offset, &top, &bottom);
                    valid_positions(s->width, s->columns, s->stride_x, x_offset, &left, &right);
                    for (i = top; i < bottom; i++) {
                        int from = (channel + i * s->stride_y + y_offset) * s->width + x_offset;
                        int at = (o * s->rows + i) * s->columns;
                        INDEPENDENT
                        for (int j = left; j < right; j++) {
                            if (target == 0)
                                write_y[at + j] += read_x[from + j * s->stride_x] * weight;
                            if (target == 1)
                                write_x[from + j * s->stride_x] += read_y[at + j] * weight;
                            if (target == 2)
                                sum += read_y[at + j] * read_x[from + j * s->stride_x];
                        }
                    }
                    if (target == 2)
                        write_w[tap] += sum;
                }
}

/* y[o,i,j] = b[o] + sum over c,u,v of x[c, s i + d u - top, s j + d v - left] w[o,c,u,v]   b[o,i,j] if untied
   b may be null */
static void cross_correlate(const float *x, const float *w, const float *b, float *y, const sliding *s, int untied)
{
    int plane = s->rows * s->columns;
    for (int e = 0; e < s->filters * plane; e++)
        y[e] = b ? b[untied ? e : e / plane] : 0;
    cross_correlate_products(x, 0, w, 0, 0, y, s, 0);
}

/* dx[c,h,k] = sum over o,i,j,u,v of dy[o,i,j] w[o,c,u,v]   where h = s i + d u - top, k = s j + d v - left */
static void cross_correlate_dx(const float *dy, const float *w, float *dx, const sliding *s)
{
    fill(dx, s->channels * s->height * s->width, 0);
    cross_correlate_products(0, dx, w, 0, dy, 0, s, 1);
}
