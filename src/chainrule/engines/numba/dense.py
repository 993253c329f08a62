"""The dense layer and its gradients, compiled. The equations are in reference/dense.py.

Four samples share every load of a weight row; the inner loops run along rows, so that all loads are contiguous.
"""

from chainrule.engines.numba.compiling import kernel


@kernel
def dense(x, w, b, y):
    """y[s] = W x[s] + b, as dot products: four samples by two rows of W at a time."""
    count, outs = y.shape
    done = count - count % 4
    for s in range(0, done, 4):
        for o in range(0, outs - outs % 2, 2):
            _dot42(x[s], x[s + 1], x[s + 2], x[s + 3], w[o], w[o + 1], y, s, o)
        if outs % 2:
            for k in range(4):
                y[s + k, outs - 1] = _dot(x[s + k], w[outs - 1])
    for s in range(done, count):
        for o in range(outs):
            y[s, o] = _dot(x[s], w[o])
    if b is not None:
        for s in range(count):
            row = y[s]
            for o in range(outs):
                row[o] += b[o]


@kernel
def _dot(x, w):
    total = x.dtype.type(0)
    for k in range(x.size):
        total += x[k] * w[k]
    return total


@kernel
def _dot42(x0, x1, x2, x3, w0, w1, y, s, o):
    """Eight dot products that share their loads."""
    zero = y.dtype.type(0)
    s00, s10, s20, s30 = zero, zero, zero, zero
    s01, s11, s21, s31 = zero, zero, zero, zero
    for k in range(w0.size):
        a, b = w0[k], w1[k]
        s00 += x0[k] * a
        s10 += x1[k] * a
        s20 += x2[k] * a
        s30 += x3[k] * a
        s01 += x0[k] * b
        s11 += x1[k] * b
        s21 += x2[k] * b
        s31 += x3[k] * b
    y[s, o], y[s + 1, o], y[s + 2, o], y[s + 3, o] = s00, s10, s20, s30
    y[s, o + 1], y[s + 1, o + 1], y[s + 2, o + 1], y[s + 3, o + 1] = s01, s11, s21, s31


@kernel
def dense_dx(dy, w, dx):
    """dx[s] = Wᵀ dy[s]: rows of W added up, four rows for one pass over dx."""
    count, outs = dy.shape
    for s in range(count):
        row, slope = dx[s], dy[s]
        row[:] = 0
        done = outs - outs % 4
        for o in range(0, done, 4):
            a, b, c, d = slope[o], slope[o + 1], slope[o + 2], slope[o + 3]
            w0, w1, w2, w3 = w[o], w[o + 1], w[o + 2], w[o + 3]
            for k in range(row.size):
                row[k] += a * w0[k] + b * w1[k] + c * w2[k] + d * w3[k]
        for o in range(done, outs):
            a, w0 = slope[o], w[o]
            for k in range(row.size):
                row[k] += a * w0[k]


@kernel
def dense_dw(x, dy, dw):
    """dW += Σ_s dy[s] x[s]ᵀ: rows of x added up, four samples for one pass over a row of dW."""
    count, outs = dy.shape
    done = count - count % 4
    for o in range(outs):
        row = dw[o]
        for s in range(0, done, 4):
            a, b, c, d = dy[s, o], dy[s + 1, o], dy[s + 2, o], dy[s + 3, o]
            x0, x1, x2, x3 = x[s], x[s + 1], x[s + 2], x[s + 3]
            for k in range(row.size):
                row[k] += a * x0[k] + b * x1[k] + c * x2[k] + d * x3[k]
        for s in range(done, count):
            a, x0 = dy[s, o], x[s]
            for k in range(row.size):
                row[k] += a * x0[k]
