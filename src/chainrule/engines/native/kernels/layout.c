/* Layout of images, and distances of taps; see layout.h. */
#include "layout.h"
#include "tiles.h"

/* For 2×2 kernels, rows of 5 elements and channels of 20: 0, 1, 5, 6 in channel 0, and 20, 21, 25, 26 in channel 1. */
int64_t *NAME(forward_taps)(Array w, Layout layout, Window window)
{
    int64_t channels = w.shape[1], width = w.shape[3], taps = w.shape[2] * width;
    int64_t down = window.stride[0], along = window.stride[1], *offsets = integers(channels * taps);
    for (int64_t t = 0; t < taps; t++) {
        int64_t i = t / width * window.dilation[0], j = t % width * window.dilation[1];
        int64_t offset = i / down * layout.width + j / along + (i % down * along + j % along) * layout.plane;
        int64_t k = window.flip ? taps - 1 - t : t;
        for (int64_t c = 0; c < channels; c++) offsets[c * taps + k] = c * down * along * layout.plane + offset;
    }
    return offsets;
}

int64_t NAME(buffer_size)(int64_t cells, int64_t start, const int64_t *taps, int64_t count, int64_t length)
{
    int64_t furthest = 0;
    for (int64_t k = 0; k < count; k++) furthest = max64(furthest, taps[k]);
    return max64(cells, start + furthest + length);
}

/* Lanes of two vectors, of which the second one begins with the last element of the first one: every second element. */
#define EVERY_SECOND(l) ((l) < VEC_LANES / 2 ? 2 * (l) : 2 * (l) + 1)

/* y[k] = x[k step] for k < count; the last vector may overlap the one before it */
static void copy_every(const real *x, int64_t step, real *y, int64_t count)
{
    if (count < LANES && count >= LANES / 2 && step == 1) {
        *(half *)y = *(const half *)x;
        *(half *)(y + count - LANES / 2) = *(const half *)(x + count - LANES / 2);
        return;
    }
    if (count < LANES || step > 2) {
        for (int64_t k = 0; k < count; k++) y[k] = x[k * step];
        return;
    }
    for (int64_t j = 0; j < count; j += LANES) {
        int64_t k = min64(j, count - LANES);
        const real *from = x + k * step;
        vec v = at(from);
        if (step == 2) v = __builtin_shufflevector(v, at(from + LANES - 1), LANE_LIST(EVERY_SECOND));
        put(y + k, v);
    }
}

static int64_t modulo(int64_t a, int64_t b) { return (a % b + b) % b; }

/* With stride (1, 2), the columns of a row alternate between two phases, which are `plane` elements apart:
 *
 *     x0 x1 x2 x3 x4 x5    →    x0 x2 x4 …        phase 0
 *                               x1 x3 x5 …        phase 1; exchanged with an odd number of zeros on the left */
void NAME(lay_out)(Array x, int64_t n, real *buffer, Layout layout, Window window, Range rows)
{
    int64_t channels = x.shape[1], height = x.shape[2], width = x.shape[3], down = window.stride[0];
    int64_t along = window.stride[1], top = window.padding[0][0], left = window.padding[1][0];
    const real *image = (const real *)x.at + n * channels * height * width;
    for (int64_t phase = 0; phase < down * along; phase++) {
        int64_t upper = rows.first + modulo(phase / along - top - rows.first, down); /* first row of the phase */
        int64_t first = modulo(phase % along - left, along), count = ceil_div(width - first, along);
        int64_t height_of_phase = max64(ceil_div(rows.last - upper, down), 0);
        if (down * along == 1 && width == layout.width) { /* one long row */
            count *= height_of_phase;
            height_of_phase = min64(height_of_phase, 1);
        }
        real *target = buffer + phase * layout.plane + (top + upper) / down * layout.width + (left + first) / along;
        for (int64_t c = 0; c < channels; c++)
            for (int64_t i = 0; i < height_of_phase; i++) {
                const real *row = image + (c * height + upper + i * down) * width + first;
                real *y = target + c * down * along * layout.plane + i * layout.width;
                copy_every(row, along, y, count);
            }
    }
}

const real *NAME(copied_if_shared)(Array x, bool shared)
{
    int64_t size = size_from(x, 0);
    return shared ? memcpy(reals(size), x.at, (size_t)size * sizeof(real)) : x.at;
}
