/* Padding, cropping, permutation of axes and resampling. The equations are in reference/geometry.py. */
#include "kernel.h"

/* A box inside a larger array: elements along its last axes are contiguous in both, and are copied together, as a run.
 */
typedef struct {
    Array inside, outside;
    const Number *before; /* elements of the larger array before the box along each axis of a sample */
    int64_t axis, length; /* the last axis along which the box is smaller, and the elements of a run */
} Box;

INLINE Box box_of(Array inside, Array outside, const Number *before)
{
    Box box = {inside, outside, before, inside.axes - 1, 0};
    while (box.axis > 1 && inside.shape[box.axis] == outside.shape[box.axis]) box.axis--;
    box.length = size_from(inside, (int)box.axis);
    return box;
}

/* The offset in the larger array where a run of the box starts. */
INLINE int64_t run_start(const Box *box, int64_t run)
{
    int64_t step = size_from(box->outside, (int)box->axis + 1), offset = box->before[box->axis - 1].i * step;
    step *= box->outside.shape[box->axis];
    for (int64_t axis = box->axis - 1; axis > 0; axis--) {
        offset += (run % box->inside.shape[axis] + box->before[axis - 1].i) * step;
        run /= box->inside.shape[axis];
        step *= box->outside.shape[axis];
    }
    return offset + run * step;
}

/* y = x with zeros around it. */
KERNEL(pad)
{
    Box box = box_of(arrays[0], arrays[1], numbers);
    const real *x = arrays[0].at;
    real *y = memset(arrays[1].at, 0, (size_t)size_from(arrays[1], 0) * sizeof(real));
    int64_t runs = size_from(arrays[0], 0) / max64(box.length, 1);
    for (int64_t run = 0; run < runs; run++)
        memcpy(y + run_start(&box, run), x + run * box.length, (size_t)box.length * sizeof(real));
    return DONE;
}

/* y = a part of x. */
KERNEL(crop)
{
    Box box = box_of(arrays[1], arrays[0], numbers);
    const real *x = arrays[0].at;
    real *y = arrays[1].at;
    int64_t runs = size_from(arrays[1], 0) / max64(box.length, 1);
    for (int64_t run = 0; run < runs; run++)
        memcpy(y + run * box.length, x + run_start(&box, run), (size_t)box.length * sizeof(real));
    return DONE;
}

/* y[n, i, j, …] = x with axis axes[k] of a sample as axis k. The last axis is the innermost loop; if it is not
 * permuted, it and the axes before it that are not permuted either form one run. */
KERNEL(permute)
{
    Array x = arrays[0], y = arrays[1];
    int64_t steps[AXES] = {size_from(x, 1)}, axis = y.axes - 1, length = 1, index[AXES] = {0};
    for (int64_t k = 1; k < y.axes; k++) steps[k] = size_from(x, (int)numbers[k - 1].i + 2);
    while (axis > 0 && steps[axis] == length) length *= y.shape[axis--];
    int64_t along = 1;
    if (length == 1 && axis > 0) {
        along = steps[axis];
        length = y.shape[axis--];
    }
    real *target = y.at;
    int64_t size = size_from(y, 0);
    for (int64_t done = 0; done < size; done += length, target += length) {
        const real *source = x.at;
        for (int64_t k = 0; k <= axis; k++) source += index[k] * steps[k];
        if (along == 1) memcpy(target, source, (size_t)length * sizeof(real));
        else
            for (int64_t k = 0; k < length; k++) target[k] = source[k * along];
        for (int64_t k = axis; k >= 0 && ++index[k] == y.shape[k]; k--) index[k] = 0;
    }
    return DONE;
}

/* An index as an integer; 0 for one outside 0 … size − 1. */
INLINE int64_t place_of(real index, int64_t size) { return index > 0 && index < (real)size ? (int64_t)index : 0; }

/* y[n, e] = x[n, i[e]]: x (N, F), i and y (N, E) with E elements. */
KERNEL(gather)
{
    const real *x = arrays[0].at, *i = arrays[1].at;
    real *y = arrays[2].at;
    int64_t size = arrays[0].shape[1], count = arrays[2].shape[1];
    for (int64_t n = 0; n < arrays[2].shape[0]; n++)
        for (int64_t e = 0; e < count; e++) y[n * count + e] = x[n * size + place_of(i[e], size)];
    return DONE;
}

/* dx[n, i[e]] += dy[n, e] */
KERNEL(gather_dx)
{
    const real *dy = arrays[0].at, *i = arrays[1].at;
    real *dx = arrays[2].at;
    int64_t count = arrays[0].shape[1], size = size_from(arrays[2], 1);
    memset(dx, 0, (size_t)size_from(arrays[2], 0) * sizeof(real));
    for (int64_t n = 0; n < arrays[0].shape[0]; n++)
        for (int64_t e = 0; e < count; e++) dx[n * size + place_of(i[e], size)] += dy[n * count + e];
    return DONE;
}

enum { AVERAGE, NEAREST, BILINEAR }; /* modes of resampling, in the order of core.shapes.RESAMPLINGS */

/* The elements that output i reads along an axis: `counts[i]` from `first[i]` on, with the weights of row i. */
typedef struct {
    int64_t *first, *counts;
    real *weights;
    int64_t width; /* of a row of weights */
} Line;

/* The elements and weights of an axis; `line` has the slope, the start and the divisor of the positions, or zeros. */
static Line line_of(int64_t mode, int64_t size, int64_t outputs, const Number *line)
{
    int64_t width = size / outputs + 2, slope = line[0].i, start = line[1].i, divisor = line[2].i;
    Line result = {integers(outputs), integers(outputs), reals(outputs * width), width};
    if (divisor == 0) {
        slope = mode == BILINEAR ? 2 * size : size;
        start = mode == BILINEAR ? size - outputs : 0;
        divisor = mode == BILINEAR ? 2 * outputs : outputs;
    }
    for (int64_t i = 0; i < outputs; i++) {
        int64_t first = i * size / outputs, count = 1;
        real *weights = result.weights + i * width;
        weights[0] = 1;
        if (mode == AVERAGE) {
            count = ((i + 1) * size + outputs - 1) / outputs - first;
            for (int64_t k = 0; k < count; k++) weights[k] = 1 / (real)count;
        } else {
            int64_t position = min64(max64(slope * i + start, 0), (size - 1) * divisor);
            first = position / divisor;
            if (mode == BILINEAR && first + 1 < size) {
                double fraction = (double)(position % divisor) / (double)divisor;
                count = 2;
                weights[0] = (real)(1 - fraction);
                weights[1] = (real)fraction;
            }
        }
        result.first[i] = first;
        result.counts[i] = count;
    }
    return result;
}

/* y = weighted sums of rows of x, and then of the elements of these sums: x (N, C, H, W), y (N, C, H', W'). */
KERNEL(resample)
{
    int64_t height = arrays[0].shape[2], width = arrays[0].shape[3], high = arrays[1].shape[2],
            wide = arrays[1].shape[3];
    Line down = line_of(numbers[0].i, height, high, numbers + 1),
         across = line_of(numbers[0].i, width, wide, numbers + 4);
    const real *x = arrays[0].at;
    real *y = arrays[1].at, *sums = reals(width);
    for (int64_t c = 0; c < arrays[0].shape[0] * arrays[0].shape[1]; c++, x += height * width) {
        for (int64_t i = 0; i < high; i++, y += wide) {
            memset(sums, 0, (size_t)width * sizeof(real));
            for (int64_t u = 0; u < down.counts[i]; u++) {
                real weight = down.weights[i * down.width + u];
                const real *row = x + (down.first[i] + u) * width;
                for (int64_t k = 0; k < width; k++) sums[k] += weight * row[k];
            }
            for (int64_t j = 0; j < wide; j++) {
                real value = 0;
                for (int64_t k = 0; k < across.counts[j]; k++)
                    value += across.weights[j * across.width + k] * sums[across.first[j] + k];
                y[j] = value;
            }
        }
    }
    return DONE;
}

/* dx += the weights · dy: over the columns that each output reads, and then over the rows. */
KERNEL(resample_dx)
{
    int64_t height = arrays[1].shape[2], width = arrays[1].shape[3], high = arrays[0].shape[2],
            wide = arrays[0].shape[3];
    Line down = line_of(numbers[0].i, height, high, numbers + 1),
         across = line_of(numbers[0].i, width, wide, numbers + 4);
    const real *dy = arrays[0].at;
    real *dx = arrays[1].at, *sums = reals(width);
    memset(dx, 0, (size_t)size_from(arrays[1], 0) * sizeof(real));
    for (int64_t c = 0; c < arrays[1].shape[0] * arrays[1].shape[1]; c++, dx += height * width) {
        for (int64_t i = 0; i < high; i++, dy += wide) {
            memset(sums, 0, (size_t)width * sizeof(real));
            for (int64_t j = 0; j < wide; j++)
                for (int64_t k = 0; k < across.counts[j]; k++)
                    sums[across.first[j] + k] += across.weights[j * across.width + k] * dy[j];
            for (int64_t u = 0; u < down.counts[i]; u++) {
                real weight = down.weights[i * down.width + u], *row = dx + (down.first[i] + u) * width;
                for (int64_t k = 0; k < width; k++) row[k] += weight * sums[k];
            }
        }
    }
    return DONE;
}
