/* Operations that merge branches. The equations are in reference/merging.py. */
#include "kernel.h"

/* y = a + b, followed by a ReLU if asked for; all of one shape. */
KERNEL(add)
{
    const real *a = arrays[0].at, *b = arrays[1].at;
    real *y = arrays[2].at;
    real least = numbers[0].i ? 0 : -(real)INFINITY;
    int64_t size = size_from(arrays[2], 0);
    for (int64_t k = 0; k < size; k++) {
        real sum = a[k] + b[k];
        y[k] = least > sum ? least : sum;
    }
    return DONE;
}

/* dx = dy */
KERNEL(add_dx)
{
    memcpy(arrays[1].at, arrays[0].at, (size_t)size_from(arrays[0], 0) * sizeof(real));
    return DONE;
}

/* y = a · b */
KERNEL(multiply)
{
    const real *a = arrays[0].at, *b = arrays[1].at;
    real *y = arrays[2].at;
    int64_t size = size_from(arrays[2], 0);
    for (int64_t k = 0; k < size; k++) y[k] = a[k] * b[k];
    return DONE;
}

/* y = a · b, where b (N, C, 1, 1) has one factor for each image of a (N, C, H, W). */
KERNEL(multiply_images)
{
    const real *a = arrays[0].at, *b = arrays[1].at;
    real *y = arrays[2].at;
    int64_t images = size_from(arrays[1], 0), cells = size_from(arrays[2], 0) / max64(images, 1);
    for (int64_t c = 0; c < images; c++)
        for (int64_t k = c * cells; k < (c + 1) * cells; k++) y[k] = a[k] * b[c];
    return DONE;
}

/* y = max(a, b); NaN propagates. */
KERNEL(maximum)
{
    const real *a = arrays[0].at, *b = arrays[1].at;
    real *y = arrays[2].at;
    int64_t size = size_from(arrays[2], 0);
    for (int64_t k = 0; k < size; k++) {
        real larger = a[k] < b[k] ? b[k] : a[k];
        y[k] = b[k] == b[k] ? larger : b[k];
    }
    return DONE;
}

/* y = min(a, b); NaN propagates. */
KERNEL(minimum)
{
    const real *a = arrays[0].at, *b = arrays[1].at;
    real *y = arrays[2].at;
    int64_t size = size_from(arrays[2], 0);
    for (int64_t k = 0; k < size; k++) {
        real smaller = b[k] < a[k] ? b[k] : a[k];
        y[k] = b[k] == b[k] ? smaller : b[k];
    }
    return DONE;
}

/* The runs of an array that is repeated along its axes of size 1: the last axes, which are all repeated or all equal.
 */
typedef struct {
    int64_t axis, length; /* the first of these axes, and the product of their sizes after the repetition */
    bool repeats;
} Run;

INLINE Run run_of(Array inside, Array outside)
{
    int64_t axis = outside.axes - 1;
    Run run = {axis, outside.shape[axis], inside.shape[axis] != outside.shape[axis]};
    while (run.axis > 1 && (inside.shape[run.axis - 1] != outside.shape[run.axis - 1]) == run.repeats)
        run.length *= outside.shape[--run.axis];
    return run;
}

/* The offset in the array before its repetition of the elements that run `number` repeats. */
INLINE int64_t repeated_start(int64_t number, Run run, Array inside, Array outside)
{
    int64_t offset = 0, step = size_from(inside, (int)run.axis);
    for (int64_t axis = run.axis - 1; axis > 0; axis--) {
        int64_t index = number % outside.shape[axis];
        offset += (index < inside.shape[axis] ? index : 0) * step;
        step *= inside.shape[axis];
        number /= outside.shape[axis];
    }
    return offset + number * step;
}

/* y = x, repeated along the axes of x of size 1. */
KERNEL(broadcast)
{
    Run run = run_of(arrays[0], arrays[1]);
    real *y = arrays[1].at;
    int64_t runs = size_from(arrays[1], 0) / max64(run.length, 1);
    for (int64_t number = 0; number < runs; number++, y += run.length) {
        const real *x = (const real *)arrays[0].at + repeated_start(number, run, arrays[0], arrays[1]);
        for (int64_t k = 0; k < run.length; k++) y[k] = x[run.repeats ? 0 : k];
    }
    return DONE;
}

/* dx = Σ dy over the elements that were repeated, in order. */
KERNEL(broadcast_dx)
{
    Run run = run_of(arrays[1], arrays[0]);
    const real *dy = arrays[0].at;
    int64_t runs = size_from(arrays[0], 0) / max64(run.length, 1);
    memset(arrays[1].at, 0, (size_t)size_from(arrays[1], 0) * sizeof(real));
    for (int64_t number = 0; number < runs; number++, dy += run.length) {
        real *dx = (real *)arrays[1].at + repeated_start(number, run, arrays[1], arrays[0]);
        if (run.repeats)
            for (int64_t k = 0; k < run.length; k++) dx[0] += dy[k];
        else
            for (int64_t k = 0; k < run.length; k++) dx[k] += dy[k];
    }
    return DONE;
}

/* Copy x into y, a concatenation of samples along an axis, from an offset on; `whole` is the size of y along it. */
KERNEL(place)
{
    const real *x = arrays[0].at;
    real *y = arrays[1].at;
    int64_t axis = numbers[0].i + 1, offset = numbers[1].i, whole = numbers[2].i;
    int64_t inner = size_from(arrays[0], (int)axis + 1), length = inner * arrays[0].shape[axis];
    int64_t rows = size_from(arrays[0], 0) / max64(length, 1);
    for (int64_t row = 0; row < rows; row++)
        memcpy(y + (row * whole + offset) * inner, x + row * length, (size_t)length * sizeof(real));
    return DONE;
}
