/* Compute the weights of the inputs of output i along one axis: set the index `first` of the first input, its weight,
   and the weight of each other input. Return the number of inputs.
   mode   0: mean of the elements under the output; 1: nearest element; 2: linear interpolation between two elements
   line   modes 1 and 2: output i lies at position (line[0] i + line[1]) / line[2] of the input */
static int resampling_weights(int mode, const int *line, int size, int outputs, int i, int *first,
                              float *first_weight, float *other)
{
    int position = line[0] * i + line[1], count;
    *first_weight = *other = 1;
    if (mode == 0) {
        *first = i * size / outputs;
        count = ((i + 1) * size + outputs - 1) / outputs - *first;
        *first_weight = *other = 1 / (float)count;
        return count;
    }
    position = position > 0 ? position : 0;
    position = position < (size - 1) * line[2] ? position : (size - 1) * line[2];
    *first = position / line[2];
    if (mode == 1 || *first + 1 >= size)
        return 1;
    *other = (float)(position % line[2]) / (float)line[2];
    *first_weight = 1 - *other;
    return 2;
}

/* back 0: y[c,i,j] = sum over h,k of a[i,h] b[j,k] x[c,h,k], where from = x and to = y
   back 1: dx[c,h,k] = sum over i,j of a[i,h] b[j,k] dy[c,i,j], where from = dy and to = dx
   a, b: the weights of `resampling_weights` along the vertical and the horizontal axis, whose lines are in `lines` */
static void resample(const float *from, float *to, int channels, int height, int width, int rows, int columns, int mode,
                     const int *lines, int back)
{
    if (back)
        fill(to, channels * height * width, 0);
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) {
                int top, left, at = (c * rows + i) * columns + j;
                float up, down, near, far, sum = 0;
                int read_rows = resampling_weights(mode, lines, height, rows, i, &top, &up, &down);
                int read_columns = resampling_weights(mode, lines + 3, width, columns, j, &left, &near, &far);
                for (int h = 0; h < read_rows; h++)
                    for (int k = 0; k < read_columns; k++) {
                        float weight = (h ? down : up) * (k ? far : near);
                        int image = (c * height + top + h) * width + left + k;
                        if (back)
                            to[image] += weight * from[at];
                        else
                            sum += weight * from[image];
                    }
                if (!back)
                    to[at] = sum;
            }
}
