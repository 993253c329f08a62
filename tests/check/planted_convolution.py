"""Convolutions without stride and padding, and their classic mistakes."""

import numpy as np
from check.planting import correct, plant
from numpy.lib.stride_tricks import sliding_window_view

PLAIN, FLIPPED = "Conv2D(4, (3, 2))", "Conv2D(4, (3, 2), convolution=True)"


@correct(PLAIN)
class Plain:
    """Loops over the windows."""

    def __init__(self):
        self.w = np.random.default_rng(0).normal(size=(4, 3, 3, 2))
        self.b = np.zeros(4)

    def forward(self, x):
        self.x = x
        N, _, H, W = x.shape
        C_out, _, KH, KW = self.w.shape
        y = np.zeros((N, C_out, H - KH + 1, W - KW + 1))
        for i, j in np.ndindex(y.shape[2:]):
            window = x[:, :, i : i + KH, j : j + KW]
            y[:, :, i, j] = np.tensordot(window, self.w, ((1, 2, 3), (1, 2, 3))) + self.b
        return y

    def backward(self, dy):
        dx, dw, db = np.zeros_like(self.x), np.zeros_like(self.w), dy.sum(axis=(0, 2, 3))
        KH, KW = self.w.shape[2:]
        for i, j in np.ndindex(dy.shape[2:]):
            window = (slice(None), slice(None), slice(i, i + KH), slice(j, j + KW))
            dw += np.tensordot(dy[:, :, i, j], self.x[window], (0, 0))
            dx[window] += np.tensordot(dy[:, :, i, j], self.w, (1, 0))
        self.dw, self.db = dw, db
        return dx


WINDOWS = "np.tensordot(window, self.w, ((1, 2, 3), (1, 2, 3)))"
BIAS = "dy.sum(axis=(0, 2, 3))"
BACKWARDS = "in np.ndindex(dy.shape[2:])", "in [*np.ndindex(dy.shape[2:])][::-1]"
plant(
    Plain,
    [
        ("x", "overwritten-in-windows", "dx[window] +=", "dx[window] ="),
        # += on an index array keeps one of several contributions
        ("x", "overwritten-in-windows", "dx[window] +=", "dx[window] =", *BACKWARDS),
        ("x", "batch-division-doubled", "return dx", "return dx / len(dy)"),
        ("x", "gradient-halved", "return dx", "return dx / 2"),
        ("x", "sign", "return dx", "return -dx"),
        ("x", "last-taps-left-out", "self.w, (1, 0))", "self.w * np.array([[1, 0], [1, 0], [0, 0]]), (1, 0))"),
        ("w", "last-taps-left-out", "= dw, db", "= dw * np.array([[1, 0], [1, 0], [0, 0]]), db"),
        (
            "y",
            "last-taps-left-out",
            WINDOWS,
            "np.tensordot(window, self.w * np.array([[1, 0], [1, 0], [0, 0]]), ((1, 2, 3), (1, 2, 3)))",
        ),
        ("x", "samples-left-out", "return dx", "dx[1:] = 0; return dx"),
        ("w", "batch-division-doubled", "= dw, db", "= dw / len(dy), db"),
        ("w", "kernel-gradient-rotated", "= dw, db", "= np.flip(dw, (2, 3)), db"),
        ("w", "channels-transposed", "= dw, db", "= dw.swapaxes(0, 1), db"),
        ("w", "kernel-axes-transposed", "= dw, db", "= dw.swapaxes(2, 3), db"),
        ("w", "batch-not-summed", "dy[:, :, i, j], self.x[window]", "dy[-1:, :, i, j], self.x[-1:][window]"),
        ("w", "positions-not-summed", "dw +=", "dw ="),
        ("w", "accumulated-over-calls", "= dw, db", "= getattr(self, 'dw', 0) + dw, db"),
        ("b", "bias-not-summed-over-positions", BIAS, "dy.sum(axis=0)"),
        ("b", "bias-not-summed-over-batch", BIAS, "dy[-1].sum(axis=(1, 2))"),
        ("b", "bias-averaged-over-positions", BIAS, "dy.sum(axis=0).mean(axis=(1, 2))"),
        ("b", "upstream-forgotten", BIAS, "np.full(4, dy[:, 0].size, float)"),
        ("y", "bias-not-added", "+ self.b", "", BIAS, "np.zeros(4)"),
        ("y", "bias-added-repeatedly", "+ self.b", "+ 3 * self.b"),
        ("y", "bias-added-repeatedly", "+ self.b", "+ 18 * self.b", BIAS, "18 * dy.sum(axis=(0, 2, 3))"),
        ("y", "channel-sum-missing", "window = x", "window = x[:, [0, 0, 0]]"),
        ("y", "channel-sum-missing", WINDOWS, "np.tensordot(window[:, -1], self.w[:, -1], ((1, 2), (1, 2)))"),
        ("y", "samples-added-up", WINDOWS, "np.tensordot(window.sum(axis=0), self.w, ((0, 1, 2), (1, 2, 3)))"),
    ],
)


@correct(PLAIN)
class FullCorrelation(Plain):
    """Pad dy with zeros and correlate it with the rotated kernels."""

    def backward(self, dy):
        super().backward(dy)
        KH, KW = self.w.shape[2:]
        padded = np.pad(dy, ((0, 0), (0, 0), (KH - 1, KH - 1), (KW - 1, KW - 1)))
        kernels = self.w[:, :, ::-1, ::-1]
        windows = sliding_window_view(padded, (KH, KW), axis=(2, 3))
        return np.einsum("nohwuv,ocuv->nchw", windows, kernels)


CORRELATED = 'np.einsum("nohwuv,ocuv->nchw", windows, kernels)'
ROTATED = "kernels = self.w[:, :, ::-1, ::-1]"
plant(
    FullCorrelation,
    [
        ("x", "kernel-not-rotated", ROTATED, "kernels = self.w"),
        ("x", "valid-for-full", "view(padded", "view(dy"),
        (
            "x",
            "valid-for-full",
            CORRELATED,
            f"np.pad({CORRELATED}[:, :, 2:-2, 1:-1], ((0, 0), (0, 0), (0, 4), (0, 2)))",
        ),
        ("x", "same-for-full", CORRELATED, f"{CORRELATED}[:, :, 1 : 1 + dy.shape[2], : dy.shape[3]]"),
        ("x", "filter-sum-missing", ROTATED, "kernels, padded = self.w[-1:, :, ::-1, ::-1], padded[:, -1:]"),
        ("x", "channels-transposed", ROTATED, "kernels = np.flip(self.w.reshape(3, 4, 3, 2).swapaxes(0, 1), (2, 3))"),
        (
            "x",
            "kernel-axes-transposed",
            ROTATED,
            "kernels = np.flip(self.w.swapaxes(2, 3).reshape(4, 3, 3, 2), (2, 3))",
        ),
    ],
)


@correct(FLIPPED)
class TrueConvolution(Plain):
    """Rotate the kernels in forward."""

    def forward(self, x):
        w, self.w = self.w, self.w[:, :, ::-1, ::-1]
        y = super().forward(x)
        self.w = w
        return y

    def backward(self, dy):
        w, self.w = self.w, self.w[:, :, ::-1, ::-1]
        dx = super().backward(dy)
        self.w, self.dw = w, self.dw[:, :, ::-1, ::-1]
        return dx


DX_OF_W = """dw = self.dw[:, :, ::-1, ::-1]
        self.w = w
        dx = super().backward(dy)
        self.dw = self.dw"""
plant(
    TrueConvolution,
    [
        ("w", "kernel-gradient-not-rotated", "self.dw[:, :, ::-1, ::-1]", "self.dw"),
        (
            *("x", "kernel-rotated", "self.w, self.dw = w, self.dw", DX_OF_W),
            *("return dx", "self.dw = dw\n        return dx"),
        ),
    ],
)
plant(TrueConvolution, [("y", "correlation-convolution-mixed-up")], PLAIN)


UNTIED = 'Conv2D(4, (3, 2), bias="untied")'


@correct(UNTIED)
class Untied(Plain):
    """A bias for every position."""

    def __init__(self):
        super().__init__()
        self.b = np.zeros((4, 5, 5))

    def forward(self, x):
        b, self.b = self.b, np.zeros(4)
        y = super().forward(x) + b
        self.b = b
        return y

    def backward(self, dy):
        dx = super().backward(dy)
        self.db = dy.sum(axis=0)
        return dx


SUMMED = "np.broadcast_to(dy.sum(axis=(0, 2, 3))[:, None, None], self.b.shape)"
plant(Untied, [("b", "bias-summed-over-positions", "dy.sum(axis=0)", SUMMED)])

TRANSPOSED = "ConvTranspose2D(4, (3, 2))"


@correct(TRANSPOSED)
class Transposed:
    """Spread every cell over a window."""

    def __init__(self):
        self.w, self.b = np.zeros((3, 4, 3, 2)), np.zeros(4)

    def forward(self, x):
        self.x = x
        y = np.zeros((len(x), 4, x.shape[2] + 2, x.shape[3] + 1)) + self.b[:, None, None]
        for i, j in np.ndindex(x.shape[2:]):
            y[:, :, i : i + 3, j : j + 2] += np.tensordot(x[:, :, i, j], self.w, (1, 0))
        return y

    def backward(self, dy):
        windows = sliding_window_view(dy, (3, 2), axis=(2, 3))
        self.db = dy.sum(axis=(0, 2, 3))
        self.dw = np.einsum("nchw,nohwuv->couv", self.x, windows)
        return np.einsum("nohwuv,couv->nchw", windows, self.w)


plant(
    Transposed,
    [
        ("x", "kernel-rotated", "windows, self.w)", "windows, self.w[:, :, ::-1, ::-1])"),
        ("w", "kernel-gradient-rotated", "self.x, windows)", "self.x, windows)[:, :, ::-1, ::-1]"),
    ],
)
