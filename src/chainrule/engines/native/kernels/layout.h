/* Layout of images for the kernels of a convolution.
 *
 * A padded image is a flat array: channels of `plane` elements, in rows of `width` elements. The input of an output
 * under a tap is then the output's own offset plus a constant, the distance of the tap. With a stride s, elements with
 * the same remainders (i mod s, j mod s) form an image of their own, a phase; each channel has s·s phases of `plane`
 * elements, and a tap reads one of them. */
#ifndef CHAINRULE_LAYOUT_H
#define CHAINRULE_LAYOUT_H

#include "convolution.h"

typedef struct {
    int64_t width, plane; /* elements of a row, and of a channel or phase */
} Layout;

/* The layout of padded images (N, C, H, W). With stride 1, neighboring rows share the zeros between them. */
INLINE Layout padded_layout(Array x, Window window)
{
    const int64_t *rows = window.padding[0], *columns = window.padding[1];
    int64_t height = ceil_div(x.shape[2] + rows[0] + rows[1], window.stride[0]);
    int64_t width = ceil_div(x.shape[3] + columns[0] + columns[1], window.stride[1]);
    if (window.stride[1] == 1) width = x.shape[3] + max64(columns[0], columns[1]);
    return (Layout){width, height * width};
}

INLINE bool is_padded(Window window)
{
    return window.padding[0][0] | window.padding[0][1] | window.padding[1][0] | window.padding[1][1];
}

/* The number of outputs along an axis (0 or 1) for images x and filters w. */
INLINE int64_t outputs_on_axis(int axis, Array x, Array w, Window window)
{
    int64_t reach = window.dilation[axis] * (w.shape[2 + axis] - 1) + 1;
    int64_t size = x.shape[2 + axis] + window.padding[axis][0] + window.padding[axis][1];
    return (size - reach) / window.stride[axis] + 1;
}

/* A distance of at least `size` elements between arrays that is not a multiple of a page of the cache. */
INLINE int64_t conflict_free(int64_t size) { return size < 2048 ? size : size + (272 - size % 1024 + 1024) % 1024; }

/* A range of rows or filters: from first to last − 1. */
typedef struct {
    int64_t first, last;
} Range;

/* The rows from `first` to `last` − 1 that are among `size` rows. */
INLINE Range rows_within(int64_t first, int64_t last, int64_t size)
{
    int64_t upper = min64(max64(first, 0), size);
    return (Range){upper, max64(min64(last, size), upper)};
}

/* The rows of the images x that the rows from `first` to `last` − 1 of the result read. */
INLINE Range input_rows(Array x, Array w, Window window, int64_t first, int64_t last)
{
    int64_t before = window.padding[0][0], reach = window.dilation[0] * (w.shape[2] - 1) + 1;
    return rows_within(first * window.stride[0] - before, (last - 1) * window.stride[0] + reach - before, x.shape[2]);
}

/* The window with stride 1: its images have a single phase. */
INLINE Window with_unit_stride(Window window)
{
    window.stride[0] = window.stride[1] = 1;
    return window;
}

/* Scratch memory filled with zeros. */
INLINE real *zeros(int64_t count) { return memset(reals(count), 0, (size_t)count * sizeof(real)); }

/* The distance from an output to its input under each tap (c, u, v) of filters (C_out, C, KH, KW). */
int64_t *NAME(forward_taps)(Array w, Layout layout, Window window);

/* The size of a buffer for `cells` elements, and for the zeros after them that tiles read: `length` elements from the
 * furthest of `count` taps on, for the image or group that begins at `start`. */
int64_t NAME(buffer_size)(int64_t cells, int64_t start, const int64_t *taps, int64_t count, int64_t length);

/* Copy rows of image n of x (N, C, H, W) into a buffer of zeros, at its padding and in phases. */
void NAME(lay_out)(Array x, int64_t n, real *buffer, Layout layout, Window window, Range rows);

/* x, or a copy of it if filters are split across threads: another thread may have written x, and reading its lines one
 * after the other is faster than the scattered reads of tiles. */
const real *NAME(copied_if_shared)(Array x, bool shared);

#endif
