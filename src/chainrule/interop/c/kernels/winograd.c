/* v[p][c][t] = (B' d B)[p], p = 0 ... 15, for the 4x4 elements d of tile t in channel c, in groups of 16 tiles
   Row by row, B' d is d0 - d2, d1 + d2, d2 - d1, d1 - d3.
   x: the image padded by zero_pad with stride 2: even columns precede odd ones in each row. Tiles are 2 elements apart,
   with `tiles_per_row` in a row; first: first tile of the group. Vectors contain up to FILTERS neighboring tiles. */
INLINE void winograd_input_FILTERS(const float *x, float *v, const sliding *s, int first, int tiles_per_row)
{
    enum { LENGTH = sizeof(vector_FILTERS) / sizeof(float), PARTS = 16 / LENGTH };
    int point = (s->channels + 1) * 16, width = s->width, at[PARTS];
    for (int k = 0; k < PARTS; k++) {
        int t = first + k * LENGTH;
        at[k] = 2 * (t / tiles_per_row) * width + t % tiles_per_row;
    }
    for (int c = 0; c < s->channels; c++) {
        UNROLL
        for (int k = 0; k < PARTS; k++) {
            vector_FILTERS e[4][4];
            UNROLL
            for (int b = 0; b < 4; b++) {
                const float *column = x + at[k] + b % 2 * (width / 2) + b / 2;
                vector_FILTERS d[4];
                UNROLL
                for (int a = 0; a < 4; a++)
                    d[a] = *(const vector_FILTERS *)(column + a * width);
                e[0][b] = d[0] - d[2];
                e[1][b] = d[1] + d[2];
                e[2][b] = d[2] - d[1];
                e[3][b] = d[1] - d[3];
            }
            UNROLL
            for (int a = 0; a < 4; a++) {
                float *row = v + 4 * a * point + k * LENGTH;
                *(vector_FILTERS *)row = e[a][0] - e[a][2];
                *(vector_FILTERS *)(row + point) = e[a][1] + e[a][2];
                *(vector_FILTERS *)(row + 2 * point) = e[a][2] - e[a][1];
                *(vector_FILTERS *)(row + 3 * point) = e[a][1] - e[a][3];
            }
        }
        x += s->height * width;
        v += 16;
    }
}

/* m[p][o][t] = sum over c of w[p][c][o] v[p][c][t]   for 16 filters o and 16 tiles t; the sums stay in registers */
INLINE void winograd_products(const float *v, const float *w, float *m, int channels)
{
    enum { SUMS = PICK(16, 4, 4, 2, 1), VECTORS = 16 / LANES }; /* SUMS: number of filters with sums in registers */
    for (int p = 0; p < 16; p++)
        for (int first = 0; first < 16; first += SUMS) {
            const float *weights = w + p * channels * 16 + first, *inputs = v + p * (channels + 1) * 16;
            vector sum[SUMS][VECTORS];
            UNROLL
            for (int o = 0; o < SUMS; o++)
                UNROLL
                for (int k = 0; k < VECTORS; k++)
                    sum[o][k] = (vector){0};
            for (int c = 0; c < channels; c++) {
                vector input[VECTORS];
                UNROLL
                for (int k = 0; k < VECTORS; k++)
                    input[k] = *(const vector *)(inputs + 16 * c + k * LANES);
                UNROLL
                for (int o = 0; o < SUMS; o++)
                    UNROLL
                    for (int k = 0; k < VECTORS; k++)
                        sum[o][k] += weights[16 * c + o] * input[k];
            }
            UNROLL
            for (int o = 0; o < SUMS; o++)
                UNROLL
                for (int k = 0; k < VECTORS; k++)
                    *(vector *)(m + (16 * p + first + o) * 16 + k * LANES) = sum[o][k];
        }
}

/* Store up to 8 results of four tiles in a row: even[0], odd[0], even[1], odd[1], ...
   count: remaining elements of the row; plus is added if it is not null; then max(0, y) if relu */
INLINE void store_pairs(const float *even, const float *odd, const float *plus, float *y, int count, int relu)
{
    if (count >= 8) {
        vector_4 a = *(const vector_4 *)even, b = *(const vector_4 *)odd;
        vector_4 left = {a[0], b[0], a[1], b[1]}, right = {a[2], b[2], a[3], b[3]};
        store_4(left, plus, y, relu);
        store_4(right, plus ? plus + 4 : plus, y + 4, relu);
        return;
    }
    for (int j = 0; j < count && j < 8; j++) {
        float sum = j % 2 ? odd[j / 2] : even[j / 2];
        if (plus)
            sum += plus[j];
        y[j] = relu && sum <= 0 ? 0 : sum;
    }
}

/* y = A' m A + b + plus; then max(0, y) if relu   for 16 tiles from `first` and `count` filters
   Row by row, A' m is m0 + m1 + m2, m1 - m2 - m3. Results outside the image are discarded. plus may be null. */
INLINE void winograd_output(const float *m, const float *b, const float *plus, float *y, const sliding *s, int first,
                            int tiles_per_row, int count, int relu)
{
    float results[2][2][16];
    int at[4], rows[4], columns[4];
    for (int q = 0; q < 4; q++) {
        int t = first + 4 * q, i = t / tiles_per_row * 2, j = t % tiles_per_row * 2;
        at[q] = i * s->columns + j;
        rows[q] = s->rows - i;
        columns[q] = s->columns - j;
    }
    for (int o = 0; o < count; o++) {
        UNROLL
        for (int k = 0; k < 16; k += LANES) {
            vector e[2][4];
            UNROLL
            for (int q = 0; q < 4; q++) {
                vector d[4];
                UNROLL
                for (int a = 0; a < 4; a++)
                    d[a] = *(const vector *)(m + ((4 * a + q) * 16 + o) * 16 + k);
                e[0][q] = d[0] + d[1] + d[2];
                e[1][q] = d[1] - d[2] - d[3];
            }
            UNROLL
            for (int a = 0; a < 2; a++) {
                *(vector *)(results[a][0] + k) = e[a][0] + e[a][1] + e[a][2] + b[o];
                *(vector *)(results[a][1] + k) = e[a][1] - e[a][2] - e[a][3] + b[o];
            }
        }
        UNROLL
        for (int q = 0; q < 4; q++)
            UNROLL
            for (int a = 0; a < 2; a++)
                if (a < rows[q] && columns[q] > 0) {
                    int out = o * s->rows * s->columns + at[q] + a * s->columns;
                    store_pairs(results[a][0] + 4 * q, results[a][1] + 4 * q, plus ? plus + out : plus, y + out,
                                columns[q], relu);
                }
    }
}

/* Cross-correlation with 3x3 kernels at stride 1 by Winograd's F(2x2, 3x3): a tile of 4x4 elements has 2x2 results,
   which need 16 products per channel instead of 36.
   x: as in winograd_input; w: [block][p][c][o], transformed kernels in `blocks` blocks of 16 filters; count: filters in
   the last block; work: 256 (channels + 1) + 4096 floats; tiles: number of tiles, a multiple of 16; plus may be null */
static void winograd(const float *x, const float *w, const float *b, const float *plus, float *work, float *y,
                     const sliding *s, int tiles, int tiles_per_row, int blocks, int count, int relu)
{
    float *m = work, *v = work + 16 * 16 * 16;
    for (int t = 0; t < tiles; t += 16) {
        if (tiles_per_row % 16 == 0)
            winograd_input_16(x, v, s, t, tiles_per_row);
        else if (tiles_per_row % 8 == 0)
            winograd_input_8(x, v, s, t, tiles_per_row);
        else
            winograd_input_4(x, v, s, t, tiles_per_row);
        for (int block = 0; block < blocks; block++) {
            int at = block * 16 * s->rows * s->columns;
            winograd_products(v, w + block * 256 * s->channels, m, s->channels);
            winograd_output(m, b + block * 16, plus ? plus + at : plus, y + at, s, t, tiles_per_row,
                            block + 1 < blocks ? 16 : count, relu);
        }
    }
}
