"""Correct layers written in unusual ways, which a checker must not report."""

import math

import numpy as np


def slid(x):
    """Return the windows of 3×2 cells (N, C, H', W', 3, 2)."""
    return np.lib.stride_tricks.sliding_window_view(x, (3, 2), axis=(2, 3))


def windows(x):
    """Return the cells of the 2×2 windows of images: (N, C, H // 2, W // 2, 4)."""
    N, C, H, W = x.shape
    blocks = x[:, :, : H // 2 * 2, : W // 2 * 2].reshape(N, C, H // 2, 2, W // 2, 2)
    return blocks.transpose(0, 1, 2, 4, 3, 5).reshape(N, C, H // 2, W // 2, 4)


def image(cells, shape):
    """Return images whose 2×2 windows have these cells, with zeros in the remaining rows and columns."""
    N, C, H, W = shape
    x = np.zeros(shape, cells.dtype)
    blocks = cells.reshape(*cells.shape[:-1], 2, 2).transpose(0, 1, 2, 4, 3, 5)
    x[:, :, : H // 2 * 2, : W // 2 * 2] = blocks.reshape(N, C, H // 2 * 2, W // 2 * 2)
    return x


class Float32Inside:
    def __init__(self):
        self.w, self.b = np.zeros((4, 3, 3, 2)), np.zeros(4)

    def forward(self, x):
        self.x = x.astype(np.float32)
        return np.einsum("nchwuv,ocuv->nohw", slid(self.x), self.w.astype(np.float32)) + self.b[:, None, None]

    def backward(self, dy):
        dy = dy.astype(np.float32)
        self.dw, self.db = np.einsum("nchwuv,nohw->ocuv", slid(self.x), dy), dy.sum(axis=(0, 2, 3))
        padded = np.pad(dy, ((0, 0), (0, 0), (2, 2), (1, 1)))
        return np.einsum("nohwuv,ocuv->nchw", slid(padded), self.w[:, :, ::-1, ::-1].astype(np.float32))


class Float32Backward(Float32Inside):
    """Computes forward in float64 and rounds the gradients."""

    def forward(self, x):
        super().forward(x)
        return np.einsum("nchwuv,ocuv->nohw", slid(x), self.w) + self.b[:, None, None]


class ComplexFourier:
    """A circular filter of rows that never takes the real part; the remaining imaginary part is rounding error."""

    def filtered(self, x, kernel):
        return np.fft.ifft(np.fft.fft(x) * np.fft.fft(kernel))

    def forward(self, x):
        return self.filtered(x, [1, 2, 0, -1, 0, 3])

    def backward(self, dy):
        return self.filtered(dy, [1, 3, 0, -1, 0, 2])


class SlopeAtZero:
    """Takes the derivative at 0 to be 1."""

    def forward(self, x):
        self.mask = x >= 0
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


class OfResult:
    def backward(self, dy):
        return dy * self.y * (1 - self.y)


class FloatBuffer(OfResult):
    """Uses a float buffer, in which imaginary parts are lost, and overwrites it."""

    y = np.zeros(0)

    def forward(self, x):
        self.y = self.y if self.y.shape == x.shape else np.zeros(x.shape)
        with np.errstate(all="ignore"):
            self.y[...] = np.real(1 / (1 + np.exp(-x)))
        return self.y.copy()


class HalfComplex(OfResult):
    """Loses imaginary parts only where x is below 0."""

    def forward(self, x):
        self.y = np.where(x > 0, 1 / (1 + np.exp(-x)), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))
        return self.y


class Clipped(OfResult):
    """Clips against overflow, which the probes never reach."""

    def forward(self, x):
        self.y = 1 / (1 + np.exp(-np.clip(x, -500, 500)))
        return self.y


class Float32Smooth:
    dtype = np.float32

    def forward(self, x):
        self.y = np.tanh(x.astype(self.dtype))
        return self.y

    def backward(self, dy):
        return dy.astype(np.float32) * (1 - self.y.astype(np.float32) ** 2)


class SharedTies:
    """Divides the upstream gradient among equal maxima."""

    def forward(self, x):
        self.shape, self.cells = x.shape, windows(x)
        return self.cells.max(axis=-1)

    def backward(self, dy):
        won = self.won(self.cells == self.cells.max(axis=-1, keepdims=True))
        return image(won * dy[..., None], self.shape)

    def won(self, largest):
        return largest / largest.sum(axis=-1, keepdims=True)


class LastWinner(SharedTies):
    """Lets the last of equal values win, by a mask computed at once."""

    def won(self, largest):
        return largest & (largest[..., ::-1].cumsum(axis=-1)[..., ::-1] == 1)


class PythonFunctions:
    """Uses math.erf, which takes neither arrays nor complex numbers."""

    def forward(self, x):
        self.x = x
        self.share = np.array([[0.5 * (1 + math.erf(v / math.sqrt(2))) for v in row] for row in x])
        return x * self.share

    def backward(self, dy):
        return dy * (self.share + self.x * np.exp(-self.x * self.x / 2) / np.sqrt(2 * np.pi))


class Sorted:
    def forward(self, x):
        self.order = np.argsort(x, axis=1)
        return np.take_along_axis(x, self.order, 1)

    def backward(self, dy):
        dx = np.zeros_like(dy)
        np.put_along_axis(dx, self.order, dy, 1)
        return dx


class LargeOffset:
    """Adds a million to small values that depend on x."""

    def forward(self, x):
        return 1e6 + 3 * x

    def backward(self, dy):
        return 3 * dy


class Steep:
    """Curves within the steps of central differences."""

    def forward(self, x):
        self.y = np.tanh(30 * np.real(x))
        return self.y

    def backward(self, dy):
        return 30 * dy * (1 - self.y**2)


class Kinked:
    """y = f(x), element-wise, in a dtype, with known slopes on both sides of each kink."""

    dtype = np.float64

    def forward(self, x):
        self.x = np.asarray(np.real(x), self.dtype)
        return self.function(self.x)

    def backward(self, dy):
        return np.asarray(dy, self.dtype) * self.slope(self.x)


class SoftShrink(Kinked):
    def function(self, x):
        return np.sign(x) * np.maximum(np.abs(x) - 0.5, 0)

    def slope(self, x):
        return np.abs(x) > 0.5


class HardSwish(Kinked):
    def function(self, x):
        return x * np.clip(x + 3, 0, 6) / 6

    def slope(self, x):
        return np.where(x > 3, 1, np.where(x < -3, 0, (2 * x + 3) / 6))


class Wave(Kinked):
    """|sin 3x|: smooth curvature and kinks."""

    def function(self, x):
        return np.abs(np.sin(3 * x))

    def slope(self, x):
        return 3 * np.cos(3 * x) * np.sign(np.sin(3 * x))


class MaxPool(Kinked):
    """2×2 windows; remaining rows and columns are ignored."""

    def function(self, x):
        return windows(x).max(axis=-1)

    def backward(self, dy):
        cells = windows(self.x)
        won = np.arange(4) == cells.argmax(axis=-1)[..., None]
        return image(won * dy[..., None].astype(self.dtype), self.x.shape)


W1, W2 = (np.random.default_rng(5).normal(size=size) for size in ((40, 64), (3, 40)))


class Hidden(Kinked):
    """A small network applied to every row; each output has hundreds of kinks."""

    def rows(self, x):
        return x.reshape(-1, x.shape[-1])

    def function(self, x):
        w1, w2 = (w.astype(self.dtype) for w in (W1[:, : x.shape[-1]], W2))
        self.h = np.maximum(self.rows(x) @ w1.T, 0)
        return (self.h @ w2.T).reshape(*x.shape[:-1], 3)

    def backward(self, dy):
        w1, w2 = (w.astype(self.dtype) for w in (W1[:, : self.x.shape[-1]], W2))
        dh = (self.rows(dy.astype(self.dtype)) @ w2) * (self.h > 0)
        return (dh @ w1).reshape(self.x.shape)
