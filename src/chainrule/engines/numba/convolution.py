"""Cross-correlation and its gradients, compiled. The equations are in reference/convolution.py.

Two ways to walk the same sums:

rows      stride 1. A padded picture is kept flat, with its rows one after the other, `width` cells each. Then
          y[i, j] += w[u, v]·x[i + u, j + v] for all i, j is one contiguous loop over p = i·width + j:
          y[p] += w[u, v]·x[p + u·width + v]. No row ends, every load next to the last, full-width SIMD; the last
          KW − 1 cells of each row of y are garbage that nobody reads. Four filters share the loads of x.
windows   any stride: the loops of the reference, over the outputs whose tap lies on the picture.

The kernel gradient is the same row loop as a sum over p; the input gradient is the row loop over dy, padded in full,
with the kernel turned by 180° and its channels exchanged: the full convolution.
"""

import numpy as np
from numba import literally

from chainrule.engines.numba.compiling import inlined, kernel

VECTOR = 16  # numbers of a vector: rows are walked in whole ones, since a remainder is done number by number


@kernel
def cross_correlate(x, w, b, y, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1, flip=False):
    """y = w ⋆ x + b for every sample of a block."""
    taps = _rotated(w) if flip else w
    if stride[0] == 1 and stride[1] == 1:
        _correlate_rows(x, taps, y, padding, dilation, groups)
    else:
        _correlate_windows(x, taps, y, stride, padding, dilation, groups)
    if b is not None:
        _add_bias(y, b)


@kernel
def cross_correlate_dx(dy, w, dx, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1, flip=False):
    """dx: with stride 1 the full convolution of dy, else every dy[o,i,j] spread over its window."""
    taps = _rotated(w) if flip else w
    reach_h, reach_w = dilation[0] * (w.shape[2] - 1), dilation[1] * (w.shape[3] - 1)
    # What full padding leaves after the forward padding is cropped; the far side as dx is tall, for cropped outputs.
    top, left = reach_h - padding[0][0], reach_w - padding[1][0]
    bottom = dx.shape[2] + reach_h - dy.shape[2] - top
    right = dx.shape[3] + reach_w - dy.shape[3] - left
    if stride[0] == 1 and stride[1] == 1 and min(top, bottom, left, right) >= 0:
        _correlate_rows(dy, _exchanged(taps, groups), dx, ((top, bottom), (left, right)), dilation, groups)
    else:
        _spread_windows(dy, taps, dx, stride, padding, dilation, groups)


@kernel
def cross_correlate_dw(x, dy, dw, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1, flip=False):
    """dw += x ⋆ dy, summed over the samples of a block."""
    found = np.zeros_like(dw)
    if stride[0] == 1 and stride[1] == 1:
        _gradient_rows(x, dy, found, padding, dilation, groups)
    else:
        _gradient_windows(x, dy, found, stride, padding, dilation, groups)
    turned = _rotated(found) if flip else found
    flat, more = dw.reshape(dw.size), turned.reshape(dw.size)
    for k in range(flat.size):
        flat[k] += more[k]


@kernel
def _rotated(w):
    """The kernel turned by 180°."""
    turned = np.empty_like(w)
    outs, ins, height, width = w.shape
    for o in range(outs):
        for c in range(ins):
            for u in range(height):
                for v in range(width):
                    turned[o, c, u, v] = w[o, c, height - 1 - u, width - 1 - v]
    return turned


@kernel
def _exchanged(w, groups):
    """The kernel of the input gradient: turned by 180°, filters and channels exchanged within each group."""
    outs, ins, height, width = w.shape
    of_group = outs // groups
    taps = np.empty((ins * groups, of_group, height, width), w.dtype)
    for g in range(groups):
        for o in range(of_group):
            for c in range(ins):
                for u in range(height):
                    for v in range(width):
                        taps[g * ins + c, o, u, v] = w[g * of_group + o, c, height - 1 - u, width - 1 - v]
    return taps


@kernel
def _add_bias(y, b):
    """Add b, flat: one number a filter, or one for every output position (untied)."""
    count, filters, height, width = y.shape
    cells = height * width
    rows = y.reshape(count * filters, cells)
    untied = b.size > filters
    for r in range(count * filters):
        row, o = rows[r], r % filters
        if untied:
            bias = b[o * cells : (o + 1) * cells]
            for p in range(cells):
                row[p] += bias[p]
        else:
            for p in range(cells):
                row[p] += b[o]


@inlined
def _whole_vectors(length):
    """A length rounded up to whole vectors; what is computed beyond it is garbage that nobody reads."""
    return (length + VECTOR - 1) // VECTOR * VECTOR


@kernel
def _lay_out(picture, rows, top, left, width):
    """Copy (C, H, W) into flat rows of `width` cells, `top` rows down and `left` cells in; the rest stays as it is."""
    channels, height, cells = picture.shape
    for c in range(channels):
        for i in range(height):
            start = (top + i) * width + left
            target, source = rows[c, start : start + cells], picture[c, i]
            for j in range(cells):
                target[j] = source[j]


@inlined
def _take_up(row, picture, width):
    """Copy flat rows of `width` cells into (H, W), leaving the garbage at their ends."""
    height, cells = picture.shape
    for i in range(height):
        source, target = row[i * width : i * width + cells], picture[i]
        for j in range(cells):
            target[j] = source[j]


@kernel
def _correlate_rows(x, w, y, padding, dilation, groups):
    """Forward by rows; `y` is overwritten. Kernel rows of 5 and 3 taps side by side have unrolled loops."""
    if dilation[1] == 1 and w.shape[3] == 5:
        _correlate_rows_of(x, w, y, padding, dilation, groups, 5)
    elif dilation[1] == 1 and w.shape[3] == 3:
        _correlate_rows_of(x, w, y, padding, dilation, groups, 3)
    else:
        _correlate_rows_of(x, w, y, padding, dilation, groups, 0)


@kernel
def _correlate_rows_of(x, w, y, padding, dilation, groups, taps):
    """Forward by rows, compiled for each of `taps` 5, 3 and 0 (any number): a choice inside would cost the SIMD."""
    literally(taps)
    (top, bottom), (left, right) = padding
    width, height = x.shape[3] + left + right, x.shape[2] + top + bottom
    of_group, ins = y.shape[1] // groups, w.shape[1]
    length = _whole_vectors((y.shape[2] - 1) * width + y.shape[3])
    rows = np.zeros((x.shape[1], height * width + VECTOR), x.dtype)
    sums = np.empty((4, y.shape[2] * width + VECTOR), x.dtype)
    for s in range(x.shape[0]):
        _lay_out(x[s], rows, top, left, width)
        for o in range(0, y.shape[1], 4):
            many = min(4, y.shape[1] - o)
            together = many == 4 and o // of_group == (o + 3) // of_group
            for k in range(many):
                sums[k] = 0
            for c in range(ins):
                for u in range(w.shape[2]):
                    start = u * dilation[0] * width
                    if together:
                        row = rows[o // of_group * ins + c, start:]
                        a, b, d, e = w[o, c, u], w[o + 1, c, u], w[o + 2, c, u], w[o + 3, c, u]
                        if taps == 5:
                            _add_four_by_5(sums, row, a, b, d, e, length)
                        elif taps == 3:
                            _add_four_by_3(sums, row, a, b, d, e, length)
                        else:
                            _add_four(sums, row, a, b, d, e, length, dilation[1])
                    else:
                        for k in range(many):
                            _add_one(
                                sums[k],
                                rows[(o + k) // of_group * ins + c, start:],
                                w[o + k, c, u],
                                length,
                                dilation[1],
                            )
            for k in range(many):
                _take_up(sums[k], y[s, o + k], width)


@inlined
def _add_four_by_5(sums, row, a, b, c, d, length):
    """Four filters' kernel rows of 5 taps: sums[k][p] += Σ_v w_k[v]·row[p + v]; they share the loads of the row."""
    y0, y1, y2, y3 = sums[0], sums[1], sums[2], sums[3]
    a0, a1, a2, a3, a4 = a[0], a[1], a[2], a[3], a[4]
    b0, b1, b2, b3, b4 = b[0], b[1], b[2], b[3], b[4]
    c0, c1, c2, c3, c4 = c[0], c[1], c[2], c[3], c[4]
    d0, d1, d2, d3, d4 = d[0], d[1], d[2], d[3], d[4]
    for p in range(length):
        x0, x1, x2, x3, x4 = row[p], row[p + 1], row[p + 2], row[p + 3], row[p + 4]
        y0[p] += a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3 + a4 * x4
        y1[p] += b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3 + b4 * x4
        y2[p] += c0 * x0 + c1 * x1 + c2 * x2 + c3 * x3 + c4 * x4
        y3[p] += d0 * x0 + d1 * x1 + d2 * x2 + d3 * x3 + d4 * x4


@inlined
def _add_four_by_3(sums, row, a, b, c, d, length):
    """Four filters' kernel rows of 3 taps."""
    y0, y1, y2, y3 = sums[0], sums[1], sums[2], sums[3]
    a0, a1, a2 = a[0], a[1], a[2]
    b0, b1, b2 = b[0], b[1], b[2]
    c0, c1, c2 = c[0], c[1], c[2]
    d0, d1, d2 = d[0], d[1], d[2]
    for p in range(length):
        x0, x1, x2 = row[p], row[p + 1], row[p + 2]
        y0[p] += a0 * x0 + a1 * x1 + a2 * x2
        y1[p] += b0 * x0 + b1 * x1 + b2 * x2
        y2[p] += c0 * x0 + c1 * x1 + c2 * x2
        y3[p] += d0 * x0 + d1 * x1 + d2 * x2


@inlined
def _add_four(sums, row, a, b, c, d, length, step):
    """Four filters' kernel rows of any length, tap by tap."""
    y0, y1, y2, y3 = sums[0], sums[1], sums[2], sums[3]
    for v in range(a.size):
        x0, a0, b0, c0, d0 = row[v * step :], a[v], b[v], c[v], d[v]
        for p in range(length):
            y0[p] += a0 * x0[p]
            y1[p] += b0 * x0[p]
            y2[p] += c0 * x0[p]
            y3[p] += d0 * x0[p]


@inlined
def _add_one(y, row, taps, length, step):
    """One filter's kernel row, tap by tap."""
    for v in range(taps.size):
        x0, a0 = row[v * step :], taps[v]
        for p in range(length):
            y[p] += a0 * x0[p]


@kernel
def _gradient_rows(x, dy, dw, padding, dilation, groups):
    """Kernel gradient by rows: dw[o,c,u,v] += Σ_p dy[p]·x[p + u·width + v], with dy 0 where a row is garbage."""
    if dilation[1] == 1 and dw.shape[3] == 5:
        _gradient_rows_of(x, dy, dw, padding, dilation, groups, 5)
    elif dilation[1] == 1 and dw.shape[3] == 3:
        _gradient_rows_of(x, dy, dw, padding, dilation, groups, 3)
    else:
        _gradient_rows_of(x, dy, dw, padding, dilation, groups, 0)


@kernel
def _gradient_rows_of(x, dy, dw, padding, dilation, groups, taps):
    """Kernel gradient by rows, compiled for each of `taps` 5, 3 and 0 (any number)."""
    literally(taps)
    (top, bottom), (left, right) = padding
    width, height = x.shape[3] + left + right, x.shape[2] + top + bottom
    of_group, ins = dy.shape[1] // groups, dw.shape[1]
    length = _whole_vectors((dy.shape[2] - 1) * width + dy.shape[3])
    rows = np.zeros((x.shape[1], height * width + VECTOR), x.dtype)
    slopes = np.zeros((dy.shape[1], dy.shape[2] * width + VECTOR), x.dtype)
    for s in range(x.shape[0]):
        _lay_out(x[s], rows, top, left, width)
        _lay_out(dy[s], slopes, 0, 0, width)
        for o in range(dy.shape[1]):
            slope, first = slopes[o], o // of_group * ins
            for c in range(ins):
                for u in range(dw.shape[2]):
                    row, sums = rows[first + c, u * dilation[0] * width :], dw[o, c, u]
                    if taps == 5:
                        _sum_5(sums, slope, row, length)
                    elif taps == 3:
                        _sum_3(sums, slope, row, length)
                    else:
                        _sum_any(sums, slope, row, length, dilation[1])


@inlined
def _sum_5(sums, slope, row, length):
    """sums[v] += Σ_p slope[p]·row[p + v] for 5 taps, which share the loads of slope."""
    zero = sums.dtype.type(0)
    s0, s1, s2, s3, s4 = zero, zero, zero, zero, zero
    for p in range(length):
        g = slope[p]
        s0 += g * row[p]
        s1 += g * row[p + 1]
        s2 += g * row[p + 2]
        s3 += g * row[p + 3]
        s4 += g * row[p + 4]
    sums[0] += s0
    sums[1] += s1
    sums[2] += s2
    sums[3] += s3
    sums[4] += s4


@inlined
def _sum_3(sums, slope, row, length):
    """The same for 3 taps."""
    zero = sums.dtype.type(0)
    s0, s1, s2 = zero, zero, zero
    for p in range(length):
        g = slope[p]
        s0 += g * row[p]
        s1 += g * row[p + 1]
        s2 += g * row[p + 2]
    sums[0] += s0
    sums[1] += s1
    sums[2] += s2


@inlined
def _sum_any(sums, slope, row, length, step):
    """The same for any number of taps, one by one."""
    for v in range(sums.size):
        x0, s0 = row[v * step :], sums.dtype.type(0)
        for p in range(length):
            s0 += slope[p] * x0[p]
        sums[v] += s0


@inlined
def _span(outputs, size, stride, offset):
    """The outputs i with 0 ≤ stride·i + offset < size: those whose tap lies on the picture."""
    first = 0 if offset >= 0 else (-offset + stride - 1) // stride
    last = (size - offset + stride - 1) // stride
    return first, max(first, min(outputs, last))


@kernel
def _correlate_windows(x, w, y, stride, padding, dilation, groups):
    """Forward for any stride; `y` is overwritten."""
    y[:] = 0
    of_group, ins = y.shape[1] // groups, w.shape[1]
    for s in range(x.shape[0]):
        for o in range(y.shape[1]):
            for c in range(ins):
                source = x[s, o // of_group * ins + c]
                for u in range(w.shape[2]):
                    down = u * dilation[0] - padding[0][0]
                    i_first, i_last = _span(y.shape[2], x.shape[2], stride[0], down)
                    for v in range(w.shape[3]):
                        along = v * dilation[1] - padding[1][0]
                        j_first, j_last = _span(y.shape[3], x.shape[3], stride[1], along)
                        tap = w[o, c, u, v]
                        for i in range(i_first, i_last):
                            row, result = source[i * stride[0] + down], y[s, o, i]
                            for j in range(j_first, j_last):
                                result[j] += tap * row[j * stride[1] + along]


@kernel
def _spread_windows(dy, w, dx, stride, padding, dilation, groups):
    """Input gradient for any stride; `dx` is overwritten."""
    dx[:] = 0
    of_group, ins = dy.shape[1] // groups, w.shape[1]
    for s in range(dy.shape[0]):
        for o in range(dy.shape[1]):
            for c in range(ins):
                target = dx[s, o // of_group * ins + c]
                for u in range(w.shape[2]):
                    down = u * dilation[0] - padding[0][0]
                    i_first, i_last = _span(dy.shape[2], dx.shape[2], stride[0], down)
                    for v in range(w.shape[3]):
                        along = v * dilation[1] - padding[1][0]
                        j_first, j_last = _span(dy.shape[3], dx.shape[3], stride[1], along)
                        tap = w[o, c, u, v]
                        for i in range(i_first, i_last):
                            row, slope = target[i * stride[0] + down], dy[s, o, i]
                            for j in range(j_first, j_last):
                                row[j * stride[1] + along] += tap * slope[j]


@kernel
def _gradient_windows(x, dy, dw, stride, padding, dilation, groups):
    """Kernel gradient for any stride."""
    of_group, ins = dy.shape[1] // groups, dw.shape[1]
    for s in range(x.shape[0]):
        for o in range(dy.shape[1]):
            for c in range(ins):
                source = x[s, o // of_group * ins + c]
                for u in range(dw.shape[2]):
                    down = u * dilation[0] - padding[0][0]
                    i_first, i_last = _span(dy.shape[2], x.shape[2], stride[0], down)
                    for v in range(dw.shape[3]):
                        along = v * dilation[1] - padding[1][0]
                        j_first, j_last = _span(dy.shape[3], x.shape[3], stride[1], along)
                        total = dw[o, c, u, v]
                        for i in range(i_first, i_last):
                            row, slope = source[i * stride[0] + down], dy[s, o, i]
                            for j in range(j_first, j_last):
                                total += slope[j] * row[j * stride[1] + along]
                        dw[o, c, u, v] = total
