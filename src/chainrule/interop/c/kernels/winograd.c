/* The cells of 16 tiles, transformed: v[p][c][t] = (B' d B)[p] for the 4x4 cells d of tile t in channel c, where B' d is
   d0 - d2, d1 + d2, d2 - d1, d1 - d3. Tiles lie two cells apart, `across` in a row, FILTERS of them in vectors.
   x: the padded image, in which the even cells of each row come before the odd ones */
INLINE void winograd_input_FILTERS(const float *x, float *v, const sliding *s, int first, int across)
{
    enum { LENGTH = sizeof(vector_FILTERS) / sizeof(float), PARTS = 16 / LENGTH };
    int point = (s->channels + 1) * 16, width = s->width, at[PARTS];
    for (int k = 0; k < PARTS; k++) {
        int t = first + k * LENGTH;
        at[k] = 2 * (t / across) * width + t % across;
    }
    for (int c = 0; c < s->channels; c++) {
        UNROLL
        for (int k = 0; k < PARTS; k++) {
            vector_FILTERS e[4][4];
            UNROLL
            for (int b = 0; b < 4; b++) {
                const float *cell = x + at[k] + b % 2 * (width / 2) + b / 2;
                vector_FILTERS d[4];
                UNROLL
                for (int a = 0; a < 4; a++)
                    d[a] = *(const vector_FILTERS *)(cell + a * width);
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

/* m[p][o][t] = sum over c of w[p][c][o] v[p][c][t] for 16 filters and 16 tiles */
INLINE void winograd_products(const float *v, const float *w, float *m, int channels)
{
    enum { SUMS = PICK(16, 4, 4, 2, 1), VECTORS = 16 / LANES };
    for (int p = 0; p < 16; p++)
        for (int first = 0; first < 16; first += SUMS) {
            const float *weights = w + p * channels * 16 + first, *cells = v + p * (channels + 1) * 16;
            vector sum[SUMS][VECTORS];
            UNROLL
            for (int o = 0; o < SUMS; o++)
                UNROLL
                for (int k = 0; k < VECTORS; k++)
                    sum[o][k] = (vector){0};
            for (int c = 0; c < channels; c++) {
                vector cell[VECTORS];
                UNROLL
                for (int k = 0; k < VECTORS; k++)
                    cell[k] = *(const vector *)(cells + 16 * c + k * LANES);
                UNROLL
                for (int o = 0; o < SUMS; o++)
                    UNROLL
                    for (int k = 0; k < VECTORS; k++)
                        sum[o][k] += weights[16 * c + o] * cell[k];
            }
            UNROLL
            for (int o = 0; o < SUMS; o++)
                UNROLL
                for (int k = 0; k < VECTORS; k++)
                    *(vector *)(m + (16 * p + first + o) * 16 + k * LANES) = sum[o][k];
        }
}

/* A row of the results of four tiles, two of each: even[0], odd[0], even[1], odd[1] and so on, as far as there are */
INLINE void store_pairs(const float *even, const float *odd, const float *plus, float *y, int count, int relu)
{
    if (count >= 8) {
        vector_4 a = *(const vector_4 *)even, b = *(const vector_4 *)odd;
        vector_4 left = {a[0], b[0], a[1], b[1]}, right = {a[2], b[2], a[3], b[3]};
        if (plus) {
            left += *(const vector_4 *)plus;
            right += *(const vector_4 *)(plus + 4);
        }
        *(vector_4 *)y = relu ? RELU(left) : left;
        *(vector_4 *)(y + 4) = relu ? RELU(right) : right;
        return;
    }
    for (int j = 0; j < count && j < 8; j++) {
        float sum = j % 2 ? odd[j / 2] : even[j / 2];
        if (plus)
            sum += plus[j];
        y[j] = relu && sum <= 0 ? 0 : sum;
    }
}

/* The results A' m A of 16 tiles from `first` on, for `count` filters, where A' m is m0 + m1 + m2, m1 - m2 - m3 */
INLINE void winograd_output(const float *m, const float *b, const float *plus, float *y, const sliding *s, int first,
                             int across, int count, int relu)
{
    float results[2][2][16];
    int at[4], rows[4], columns[4];
    for (int q = 0; q < 4; q++) {
        int t = first + 4 * q, i = t / across * 2, j = t % across * 2;
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
                    int cell = o * s->rows * s->columns + at[q] + a * s->columns;
                    store_pairs(results[a][0] + 4 * q, results[a][1] + 4 * q, plus ? plus + cell : plus, y + cell, columns[q], relu);
                }
    }
}

/* The cross-correlation with kernels of 3x3 at stride 1 by Winograd's F(2x2, 3x3): four results of a tile of 4x4 cells
   take 16 products a channel in place of 36. `tiles` tiles, `across` in a row; w: [block][p][c][o], transformed
   kernels of blocks of 16 filters; work: 256 (channels + 1) + 4096 entries; count: filters of the last block */
static void winograd(const float *x, const float *w, const float *b, const float *plus, float *work, float *y,
                     const sliding *s, int tiles, int across, int blocks, int count, int relu)
{
    float *m = work, *v = work + 16 * 16 * 16;
    for (int t = 0; t < tiles; t += 16) {
        if (across % 16 == 0)
            winograd_input_16(x, v, s, t, across);
        else if (across % 8 == 0)
            winograd_input_8(x, v, s, t, across);
        else
            winograd_input_4(x, v, s, t, across);
        for (int block = 0; block < blocks; block++) {
            int at = block * 16 * s->rows * s->columns;
            winograd_products(v, w + block * 256 * s->channels, m, s->channels);
            winograd_output(m, b + block * 16, plus ? plus + at : plus, y + at, s, t, across,
                             block + 1 < blocks ? 16 : count, relu);
        }
    }
}
