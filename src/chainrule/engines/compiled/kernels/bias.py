"""Bias and its gradient, compiled. The equations are in reference/dense.py. b and db are passed flat."""

from chainrule.engines.compiled.compiler import kernel
from chainrule.engines.compiled.kernels.registry import like, operation


@operation(like(0), flat=("b",))
@kernel
def add_bias(x, b, y):
    """Compute y = x + b: b has one entry for each channel, or one for every position (untied)."""
    count, channels = x.shape[0], x.shape[1]
    cells = x.size // max(count * channels, 1)
    source, target = x.reshape(x.size), y.reshape(y.size)
    if b.size != channels:
        width = channels * cells
        for s in range(count):
            given, result = source[s * width : (s + 1) * width], target[s * width : (s + 1) * width]
            for k in range(width):
                result[k] = given[k] + b[k]
        return
    for s in range(count):
        for c in range(channels):
            row, addend = (s * channels + c) * cells, b[c]
            for k in range(row, row + cells):
                target[k] = source[k] + addend


@operation(
    lambda arrays, given: [arrays[0].shape[1:] if given.get("untied") else arrays[0].shape[1:2]],
    accumulates=True,
    flat=("db",),
)
@kernel
def bias_gradient(dy, db, untied=False):
    """Add dy to db, summed over the samples and, unless untied, the positions: one pass over dy, row by row."""
    count, channels = dy.shape[0], dy.shape[1]
    cells = dy.size // max(count * channels, 1)
    upstream = dy.reshape(count * channels * cells)
    if untied or cells == 1:
        width = channels * cells
        for s in range(count):
            row = upstream[s * width : (s + 1) * width]
            for k in range(width):
                db[k] += row[k]
        return
    for r in range(count * channels):
        row = upstream[r * cells : (r + 1) * cells]
        total = db.dtype.type(0)
        for p in range(cells):
            total += row[p]
        db[r % channels] += total
