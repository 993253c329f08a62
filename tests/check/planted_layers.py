"""Pooling and dense layers and their classic mistakes."""

import numpy as np
from check.planting import correct, plant
from numpy.lib.stride_tricks import sliding_window_view

# ---------------------------------------------------------------------- pooling

MAX, AVERAGE = "MaxPool2D((3, 2), stride=(2, 1))", "AveragePool2D((3, 2), stride=(2, 1))"


@correct(MAX)
class MaxPool:
    """Loops over overlapping windows."""

    window, stride = (3, 2), (2, 1)

    def windows(self, x):
        (KH, KW), (s, t) = self.window, self.stride
        for i in range((x.shape[2] - KH) // s + 1):
            for j in range((x.shape[3] - KW) // t + 1):
                yield i, j, (..., slice(i * s, i * s + KH), slice(j * t, j * t + KW))

    def forward(self, x):
        self.x = x
        cells = {(i, j): x[at].max(axis=(2, 3)) for i, j, at in self.windows(x)}
        rows, columns = np.array(list(cells)).max(axis=0) + 1
        return np.stack(list(cells.values()), axis=2).reshape(*x.shape[:2], rows, columns)

    def backward(self, dy):
        dx = np.zeros_like(self.x)
        for i, j, at in self.windows(self.x):
            cells = self.x[at].reshape(*self.x.shape[:2], -1)
            won = np.arange(cells.shape[2]) == cells.argmax(axis=2)[..., None]
            share = (won * dy[:, :, i, j, None]).reshape(dx[at].shape)
            dx[at] += share
        return dx


WON = "np.arange(cells.shape[2]) == cells.argmax(axis=2)[..., None]"
# every window writes its maximum and gradient to all its cells; the last window stays
SPREAD = "maximum[at], dy_at[at] = self.x[at].max(axis=(2, 3), keepdims=True), dy[:, :, i, j, None, None]"
plant(
    MaxPool,
    [
        ("x", "ties-all-credited", WON, "cells == cells.max(axis=2, keepdims=True)"),
        ("x", "winner-misplaced", "dx[at] += share", "dx[at][:, :, 0, 0] += share.sum(axis=(2, 3))"),
        ("x", "overwritten-in-windows", "dx[at] += share", "dx[at] = share"),
        ("x", "overwritten-in-windows", "dx[at] += share", "dx[at] = np.where(share != 0, share, dx[at])"),
        ("x", "maximum-as-average", WON, "np.full(cells.shape, 1 / 6)"),
        ("x", "return-in-loop", "+= share\n        return dx", "+= share\n            return dx"),
        ("x", "height-only", "+= share", "+= share * (j < dy.shape[2])"),
        (
            *("x", "height-only-overwritten", "dx[at] += share"),
            "dx[at] = np.where((share != 0) & (j < dy.shape[2]), share, dx[at])",
        ),
        ("x", "upstream-forgotten", "won * dy[:, :, i, j, None]", "won * 1.0"),
        (
            *("x", "compared-with-spread-maximum", "dx[at] += share", SPREAD),
            *(
                "dx = np.zeros_like(self.x)",
                "maximum, dy_at = np.zeros_like(self.x), np.zeros_like(self.x); dx = self.x",
            ),
            *("return dx", "return (self.x == maximum) * dy_at"),
        ),
        ("y", "average-for-maximum", "x[at].max", "x[at].mean", WON, "np.full(cells.shape, 1 / 6)"),
    ],
)
BLOCKS = "window, stride = (3, 2), (2, 1)", "window, stride = (2, 2), (2, 2)"
plant(MaxPool, [("x", "winner-misplaced", *BLOCKS, "+= share", "+= share.swapaxes(2, 3)")], "MaxPool2D(2)")


@correct(AVERAGE)
class AveragePool(MaxPool):
    def forward(self, x):
        self.x = x
        cells = {(i, j): x[at].mean(axis=(2, 3)) for i, j, at in self.windows(x)}
        rows, columns = np.array(list(cells)).max(axis=0) + 1
        return np.stack(list(cells.values()), axis=2).reshape(*x.shape[:2], rows, columns)

    def backward(self, dy):
        dx = np.zeros_like(self.x)
        for i, j, at in self.windows(self.x):
            dx[at] += dy[:, :, i, j, None, None] / np.prod(self.window)
        return dx


plant(
    AveragePool,
    [
        ("x", "average-not-divided", "/ np.prod(self.window)", ""),
        ("x", "overwritten-in-windows", "dx[at] +=", "dx[at] ="),
        ("x", "height-only", "np.prod(self.window)", "np.prod(self.window) * (j < dy.shape[2])"),
        ("x", "shared-to-one", "return dx", "return super().backward(dy)"),
    ],
)
SQUARE = "def forward", "window = (3, 3)\n    def forward"
BY_SIDE = "np.prod(self.window)", "self.window[0]"
plant(AveragePool, [("x", "average-divided-by-side", *SQUARE, *BY_SIDE)], "AveragePool2D(3, stride=(2, 1))")


PADDED = "AveragePool2D(2, padding=((1, 0), (0, 0)))"
COUNTED = "AveragePool2D(2, padding=((1, 0), (0, 0)), count_padding=True)"


@correct(PADDED)
class PaddedAverage:
    """2×2 windows on an image with one row of zeros above; the zeros are not counted."""

    def forward(self, x):
        self.shape, self.cells = x.shape, self.count(x)
        return self.blocks(np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)))).sum(axis=(3, 5)) / self.cells

    def blocks(self, x):
        N, C, H, W = x.shape
        return x[:, :, : H // 2 * 2, : W // 2 * 2].reshape(N, C, H // 2, 2, W // 2, 2)

    def count(self, x):
        return self.blocks(np.pad(np.ones_like(x), ((0, 0), (0, 0), (1, 0), (0, 0)))).sum(axis=(3, 5))

    def backward(self, dy):
        share = dy / self.cells
        N, C, H, W = self.shape
        dx = np.zeros((N, C, H + 1, W))
        wide = share.repeat(2, axis=2).repeat(2, axis=3)
        dx[:, :, : wide.shape[2], : wide.shape[3]] = wide
        return dx[:, :, 1:]


@correct(COUNTED)
class CountedAverage(PaddedAverage):
    def count(self, x):
        return np.full_like(super().count(x), 4)


SHARE, COUNT = "dy / self.cells", "self.cells = x.shape, self.count(x)"
plant(
    PaddedAverage,
    [("x", "padding-counted", SHARE, "dy / 4"), ("x", "average-divided-twice", SHARE, "dy / self.cells**2")],
)
plant(
    PaddedAverage,
    [
        ("y", "padding-not-counted"),
        ("x", "padding-not-counted", "/ self.cells\n\n    def blocks", "/ 4\n\n    def blocks"),
    ],
    COUNTED,
)

PADDED_MAX = "MaxPool2D(2, padding=((1, 0), (0, 0)))"


@correct(PADDED_MAX)
class PaddedMax:
    """A row of padding above, filled with −∞."""

    filling = -np.inf

    def forward(self, x):
        padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)), constant_values=self.filling)
        self.windows = sliding_window_view(padded, (2, 2), axis=(2, 3))[:, :, ::2, ::2]
        self.shape = padded.shape
        return self.windows.max(axis=(4, 5))

    def backward(self, dy):
        dx = np.zeros(self.shape)
        won = self.windows.reshape(*dy.shape, 4).argmax(axis=-1)
        for n, c, i, j in np.ndindex(dy.shape):
            u, v = divmod(won[n, c, i, j], 2)
            dx[n, c, 2 * i + u, 2 * j + v] += dy[n, c, i, j]
        return dx[:, :, 1:]


plant(PaddedMax, [("y", "padding-wins", "-np.inf", "0")])

# ---------------------------------------------------------------------- dense


@correct("Dense(4)")
class Dense:
    """Gradients in a dictionary."""

    def __init__(self):
        self.w, self.b = np.ones((4, 7)), np.ones(4)

    def forward(self, x):
        self.x = x
        return x @ self.w.T + self.b

    def backward(self, dy):
        return {"dx": dy @ self.w, "dw": dy.T @ self.x, "db": dy.sum(axis=0)}


plant(
    Dense,
    [
        ("w", "axes-transposed", "dy.T @ self.x", "self.x.T @ dy"),
        ("x", "axes-transposed", "dy @ self.w", "dy @ self.w.T.reshape(4, 7)"),
        ("b", "bias-not-summed-over-batch", "dy.sum(axis=0)", "dy"),
        ("w", "batch-division-doubled", "dy.T @ self.x", "dy.T @ self.x / len(dy)"),
        ("w", "gradient-zero", "dy.T @ self.x", "np.zeros_like(self.w)"),
        ("w", "weight-decay-added", "dy.T @ self.x", "dy.T @ self.x + 0.1 * self.w"),
        ("w", "clipped", "dy.T @ self.x", "np.clip(dy.T @ self.x, -1, 1)"),
        ("x", "gradient-doubled", "dy @ self.w", "2 * dy @ self.w"),
        ("w", "input-forgotten", "dy.T @ self.x", "np.tile(dy.sum(axis=0)[:, None], 7)"),
        ("w", "batch-not-summed+sign", "dy.T @ self.x", "-np.outer(dy[-1], self.x[-1])"),
        ("x", "feature-sum-missing", "dy @ self.w", "dy[:, -1:] * self.w[-1]"),
    ],
)
