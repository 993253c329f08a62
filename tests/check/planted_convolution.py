"""Convolutional layers with one classic mistake each, as learners write them: loops, einsum, im2col, scatter."""

import numpy as np
from check.planting import planted
from numpy.lib.stride_tricks import sliding_window_view


class Plain:
    """Stride 1, no padding, loops over windows; correct. The mistakes below override one method."""

    def __init__(self):
        self.w = np.random.default_rng(0).normal(size=(4, 3, 3, 2))
        self.b = np.zeros(4)

    def forward(self, x):
        self.x = x
        N, _, H, W = x.shape
        C_out, _, KH, KW = self.w.shape
        y = np.zeros((N, C_out, H - KH + 1, W - KW + 1))
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                window = x[:, :, i : i + KH, j : j + KW]
                y[:, :, i, j] = np.tensordot(window, self.w, ((1, 2, 3), (1, 2, 3))) + self.b
        return y

    def backward(self, dy):
        self.dw, self.db = np.zeros_like(self.w), dy.sum(axis=(0, 2, 3))
        dx = np.zeros_like(self.x)
        KH, KW = self.w.shape[2:]
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                window = self.x[:, :, i : i + KH, j : j + KW]
                self.dw += np.tensordot(dy[:, :, i, j], window, (0, 0))
                dx[:, :, i : i + KH, j : j + KW] += np.tensordot(dy[:, :, i, j], self.w, (1, 0))
        return dx


PLAIN = "Conv2D(4, (3, 2))"


def full_correlation(dy, w):
    """Pad dy with zeros and correlate it with the unrotated w."""
    KH, KW = w.shape[2:]
    padded = np.pad(dy, ((0, 0), (0, 0), (KH - 1, KH - 1), (KW - 1, KW - 1)))
    return np.einsum("nohwuv,ocuv->nchw", sliding_window_view(padded, (KH, KW), axis=(2, 3)), w)


@planted(PLAIN, "x", "kernel-not-rotated")
class NotRotated(Plain):
    def backward(self, dy):
        super().backward(dy)
        return full_correlation(dy, self.w)


@planted(PLAIN, "x", "valid-for-full")
class Valid(Plain):
    def backward(self, dy):
        super().backward(dy)
        turned = self.w[:, :, ::-1, ::-1]
        windows = sliding_window_view(dy, self.w.shape[2:], axis=(2, 3))
        return np.einsum("nohwuv,ocuv->nchw", windows, turned)


@planted(PLAIN, "x", "valid-for-full")
class ValidInZeros(Plain):
    def backward(self, dy):
        super().backward(dy)
        dx = np.zeros_like(self.x)
        windows = sliding_window_view(dy, self.w.shape[2:], axis=(2, 3))
        small = np.einsum("nohwuv,ocuv->nchw", windows, self.w[:, :, ::-1, ::-1])
        dx[:, :, : small.shape[2], : small.shape[3]] = small
        return dx


@planted(PLAIN, "x", "same-for-full")
class Same(Plain):
    def backward(self, dy):
        super().backward(dy)
        full = full_correlation(dy, self.w[:, :, ::-1, ::-1])
        return full[:, :, 1 : 1 + dy.shape[2], 0 : dy.shape[3]]


@planted(PLAIN, "x", "filter-sum-missing")
class LastFilter(Plain):
    def backward(self, dy):
        super().backward(dy)
        for o in range(len(self.w)):
            dx = full_correlation(dy[:, o : o + 1], self.w[o : o + 1, :, ::-1, ::-1])
        return dx


@planted(PLAIN, "x", "channels-transposed")
class Reshaped(Plain):
    def backward(self, dy):
        super().backward(dy)
        C_out, C, KH, KW = self.w.shape
        by_channel = self.w.reshape(C, C_out, KH, KW)  # should be transposed
        return full_correlation(dy, by_channel.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1])


@planted(PLAIN, "x", "kernel-axes-transposed")
class Sideways(Plain):
    def backward(self, dy):
        super().backward(dy)
        sideways = np.array([[k.T for k in kernels] for kernels in self.w]).reshape(self.w.shape)
        return full_correlation(dy, sideways[:, :, ::-1, ::-1])


@planted(PLAIN, "x", "overwritten-in-windows")
class Assigned(Plain):
    def backward(self, dy):
        super().backward(dy)
        dx = np.zeros_like(self.x)
        KH, KW = self.w.shape[2:]
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                dx[:, :, i : i + KH, j : j + KW] = np.tensordot(dy[:, :, i, j], self.w, (1, 0))
        return dx


@planted(PLAIN, "x", "overwritten-in-windows")
class FancyIndex(Plain):
    """im2col, and col2im with += on an index array, which keeps only one of several contributions."""

    def backward(self, dy):
        super().backward(dy)
        C, KH, KW = self.w.shape[1:]
        N, C_out, rows, columns = dy.shape
        h = np.repeat(np.arange(KH), KW)[:, None] + np.repeat(np.arange(rows), columns)[None]
        k = np.tile(np.arange(KW), KH)[:, None] + np.tile(np.arange(columns), rows)[None]
        cols = np.einsum("ok,nop->nkp", self.w.reshape(C_out, -1), dy.reshape(N, C_out, -1))
        dx = np.zeros_like(self.x)
        dx[:, :, h, k] += cols.reshape(N, C, KH * KW, -1)
        return dx


@planted(PLAIN, "x", "batch-division-doubled")
class DividedByBatch(Plain):
    def backward(self, dy):
        return super().backward(dy) / len(dy)


@planted(PLAIN, "w", "batch-division-doubled")
class KernelDividedByBatch(Plain):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dw /= len(self.x)
        return dx


@planted(PLAIN, "x", "sign")
class Negative(Plain):
    def backward(self, dy):
        return -super().backward(dy)


@planted(PLAIN, "w", "kernel-gradient-rotated")
class TurnedGradient(Plain):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dw = np.flip(self.dw, (2, 3))
        return dx


@planted(PLAIN, "w", "channels-transposed")
class Exchanged(Plain):
    def backward(self, dy):
        dx = super().backward(dy)
        shifted = sliding_window_view(self.x, dy.shape[2:], axis=(2, 3))
        self.dw = np.einsum("nohw,ncuvhw->couv", dy, shifted)
        return dx


@planted(PLAIN, "w", "kernel-axes-transposed")
class ColumnsFirst(Plain):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dw = self.dw.transpose(0, 1, 3, 2)
        return dx


@planted(PLAIN, "w", "batch-not-summed")
class LastSample(Plain):
    def backward(self, dy):
        dx = super().backward(dy)
        KH, KW = self.w.shape[2:]
        for n in range(len(dy)):
            self.dw = np.zeros_like(self.w)  # belongs before the loop
            for i in range(dy.shape[2]):
                for j in range(dy.shape[3]):
                    window = self.x[n, :, i : i + KH, j : j + KW]
                    self.dw += dy[n, :, i, j][:, None, None, None] * window
        return dx


@planted(PLAIN, "x", "samples-left-out")
class FirstSample(Plain):
    def backward(self, dy):
        dx = super().backward(dy)
        dx[1:] = 0  # the loop over the samples was forgotten
        return dx


@planted(PLAIN, "w", "positions-not-summed")
class LastPosition(Plain):
    def backward(self, dy):
        dx = super().backward(dy)
        KH, KW = self.w.shape[2:]
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                self.dw = np.tensordot(dy[:, :, i, j], self.x[:, :, i : i + KH, j : j + KW], (0, 0))
        return dx


@planted(PLAIN, "w", "accumulated-over-calls")
class NeverReset(Plain):
    def __init__(self):
        super().__init__()
        self.total = 0

    def backward(self, dy):
        dx = super().backward(dy)
        self.total = self.total + self.dw
        self.dw = self.total
        return dx


@planted(PLAIN, "b", "bias-not-summed-over-positions")
class BiasMap(Plain):
    def backward(self, dy):
        dx = super().backward(dy)
        self.db = dy.sum(axis=0)
        return dx


@planted(PLAIN, "b", "bias-not-summed-over-batch")
class BiasOfSample(Plain):
    def backward(self, dy):
        dx = super().backward(dy)
        self.db = np.array([dy[-1, o].sum() for o in range(dy.shape[1])])
        return dx


@planted(PLAIN, "b", "bias-averaged-over-positions")
class BiasMean(Plain):
    def backward(self, dy):
        dx = super().backward(dy)
        self.db = dy.sum(axis=0).mean(axis=(1, 2))
        return dx


@planted(PLAIN, "b", "upstream-forgotten")
class BiasCount(Plain):
    def backward(self, dy):
        dx = super().backward(dy)
        self.db = np.full(4, dy[:, 0].size, float)
        return dx


@planted(PLAIN, "y", "bias-not-added")
class NoBias(Plain):
    def forward(self, x):
        return super().forward(x) - self.b[:, None, None]

    def backward(self, dy):
        dx = super().backward(dy)
        self.db = np.zeros(4)
        return dx


class BiasInTheLoop(Plain):
    """Adds the bias at the head of an inner loop."""

    times = 3

    def forward(self, x):
        return super().forward(x) + (self.times - 1) * self.b[:, None, None]


planted(PLAIN, "y", "bias-added-repeatedly")(BiasInTheLoop)


@planted(PLAIN, "y", "bias-added-repeatedly")
class BiasForEveryWeight(BiasInTheLoop):
    times = 18

    def backward(self, dy):
        dx = super().backward(dy)
        self.db = self.times * self.db
        return dx


@planted(PLAIN, "y", "channel-sum-missing")
class OneChannelForAll(Plain):
    """Forgets the index of the channel in x alone."""

    def forward(self, x):
        return super().forward(np.repeat(x[:, :1], x.shape[1], axis=1))


@planted(PLAIN, "y", "channel-sum-missing")
class LastChannel(Plain):
    def forward(self, x):
        super().forward(x)
        maps = []
        for kernels in self.w:
            for c, kernel in enumerate(kernels):
                windows = sliding_window_view(x[:, c], kernel.shape, axis=(1, 2))
                out = np.einsum("nhwuv,uv->nhw", windows, kernel)
            maps.append(out)
        return np.stack(maps, axis=1) + self.b[:, None, None]


@planted(PLAIN, "y", "samples-added-up")
class AllSamples(Plain):
    """Forgets the axis of the sum over a window."""

    def forward(self, x):
        y = super().forward(x) - self.b[:, None, None]
        return np.zeros_like(y) + y.sum(axis=0) + self.b[:, None, None]


class TrueConvolution(Plain):
    """A true convolution in forward and backward."""

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


@planted(PLAIN, "y", "correlation-convolution-mixed-up")
class FlippedForward(TrueConvolution):
    """A wrong forward with gradients that agree with it."""


@planted("Conv2D(4, (3, 2), convolution=True)", "x", "kernel-rotated")
class RotatedTwice(TrueConvolution):
    def backward(self, dy):
        super().backward(dy)
        return full_correlation(dy, self.w[:, :, ::-1, ::-1])


@planted("Conv2D(4, (3, 2), convolution=True)", "w", "kernel-gradient-not-rotated")
class GradientNotRotated(TrueConvolution):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dw = self.dw[:, :, ::-1, ::-1]
        return dx


CORRECT = [(Plain, PLAIN), (TrueConvolution, "Conv2D(4, (3, 2), convolution=True)")]
