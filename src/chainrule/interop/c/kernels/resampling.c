/* back 0: y[c,i,j] = sum over h,k of a[i,h] b[j,k] x[c,h,k], where from = x and to = y
   back 1: dx[c,h,k] = sum over i,j of a[i,h] b[j,k] dy[c,i,j], where from = dy and to = dx
   places, weights: for each row i, and then for each column j of y, the index of its first input along the axis and the
   number of inputs, which are adjacent; the weight (a or b) of the first input, and that of each other input */
static void resample(const float *from, float *to, int channels, int height, int width, int rows, int columns,
                     const int *places, const float *weights, int back)
{
    if (back)
        fill(to, channels * height * width, 0);
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) {
                const int *down = places + 2 * i, *across = places + 2 * (rows + j);
                const float *a = weights + 2 * i, *b = weights + 2 * (rows + j);
                int at = (c * rows + i) * columns + j;
                float sum = 0;
                for (int h = 0; h < down[1]; h++)
                    for (int k = 0; k < across[1]; k++) {
                        float weight = a[h > 0] * b[k > 0];
                        int image = (c * height + down[0] + h) * width + across[0] + k;
                        if (back)
                            to[image] += weight * from[at];
                        else
                            sum += weight * from[image];
                    }
                if (!back)
                    to[at] = sum;
            }
}
