"""Correct layers written in unusual ways; a checker must not report them."""

import math

import numpy as np
from check.kinked import image, windows

CONVOLUTION = "Conv2D(4, (3, 2))"
UNUSUAL = []  # (class, its intended layer or None, input shape or None)


def unusual(against=None, shape=None):
    def register(source):
        UNUSUAL.append((source, against, shape))
        return source

    return register


def slid(x):
    """Return the windows of 3×2 cells (N, C, H', W', 3, 2)."""
    return np.lib.stride_tricks.sliding_window_view(x, (3, 2), axis=(2, 3))


class Kernels:
    def __init__(self):
        self.w, self.b = np.zeros((4, 3, 3, 2)), np.zeros(4)


@unusual(CONVOLUTION)
class Float32Inside(Kernels):
    def forward(self, x):
        self.x = x.astype(np.float32)
        return np.einsum("nchwuv,ocuv->nohw", slid(self.x), self.w.astype(np.float32)) + self.b[:, None, None]

    def backward(self, dy):
        dy = dy.astype(np.float32)
        self.dw, self.db = np.einsum("nchwuv,nohw->ocuv", slid(self.x), dy), dy.sum(axis=(0, 2, 3))
        padded = np.pad(dy, ((0, 0), (0, 0), (2, 2), (1, 1)))
        return np.einsum("nohwuv,ocuv->nchw", slid(padded), self.w[:, :, ::-1, ::-1].astype(np.float32))


@unusual(CONVOLUTION)
class Float32Backward(Float32Inside):
    """Computes forward in float64 and rounds the gradients."""

    def forward(self, x):
        super().forward(x)
        return np.einsum("nchwuv,ocuv->nohw", slid(x), self.w) + self.b[:, None, None]


@unusual(CONVOLUTION)
class Fourier(Kernels):
    def forward(self, x):
        self.x, H, W = x, *x.shape[2:]
        spectrum = np.fft.rfft2(x)[:, None] * np.conj(np.fft.rfft2(self.w, (H, W)))[None]
        return np.fft.irfft2(spectrum, (H, W)).sum(axis=2)[:, :, : H - 2, : W - 1] + self.b[:, None, None]

    def backward(self, dy):
        H, W = self.x.shape[2:]
        above = np.fft.rfft2(dy, (H, W))[:, :, None]
        self.db = dy.sum(axis=(0, 2, 3))
        self.dw = np.fft.irfft2((np.conj(above) * np.fft.rfft2(self.x)[:, None]).sum(axis=0), (H, W))[:, :, :3, :2]
        return np.fft.irfft2(above * np.fft.rfft2(self.w, (H, W)), (H, W)).sum(axis=1)


@unusual(CONVOLUTION)
class ComplexFourier(Fourier):
    """Never takes the real part; the remaining imaginary part is rounding error."""

    def forward(self, x):
        self.x, H, W = x, *x.shape[2:]
        spectrum = np.fft.fft2(x)[:, None] * np.conj(np.fft.fft2(self.w, (H, W)))[None]
        return np.fft.ifft2(spectrum).sum(axis=2)[:, :, : H - 2, : W - 1] + self.b[:, None, None]


@unusual(CONVOLUTION)
class Im2col(Kernels):
    """im2col with a buffer that is allocated once and overwritten."""

    buffer = None

    def forward(self, x):
        self.shape = N, C, H, W = x.shape
        self.h = (np.repeat(np.arange(3), 2)[:, None] + np.repeat(np.arange(H - 2), W - 1)[None]).reshape(-1)
        self.k = (np.tile(np.arange(2), 3)[:, None] + np.tile(np.arange(W - 1), H - 2)[None]).reshape(-1)
        if self.buffer is None or self.buffer.shape[0] != N or self.buffer.shape[2] != (H - 2) * (W - 1):
            self.buffer = np.empty((N, C * 6, (H - 2) * (W - 1)))
        self.buffer[...] = x[:, :, self.h, self.k].reshape(self.buffer.shape)
        return (self.w.reshape(4, -1) @ self.buffer).reshape(N, 4, H - 2, W - 1) + self.b.reshape(1, 4, 1, 1)

    def backward(self, dy):
        N, C = self.shape[:2]
        flat = dy.reshape(N, 4, -1)
        self.db = flat.sum((0, 2))
        self.dw = np.matmul(flat, self.buffer.transpose(0, 2, 1)).sum(axis=0).reshape(self.w.shape)
        columns = (self.w.reshape(4, -1).T @ flat).reshape(N, C, -1)
        dx = np.zeros(self.shape)
        np.add.at(dx, (slice(None), slice(None), self.h, self.k), columns)
        return dx


@unusual("ReLU()")
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


@unusual("Sigmoid()")
class FloatBuffer(OfResult):
    """Uses a float buffer, in which imaginary parts are lost."""

    def forward(self, x):
        self.y = np.zeros(x.shape)
        with np.errstate(all="ignore"):
            self.y[...] = np.real(1 / (1 + np.exp(-x)))
        return self.y


@unusual("Sigmoid()")
class HalfComplex(OfResult):
    """Loses imaginary parts only where x is below 0."""

    def forward(self, x):
        self.y = np.where(x > 0, 1 / (1 + np.exp(-x)), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))
        return self.y


@unusual("Tanh()")
class Float32Smooth:
    def forward(self, x):
        self.y = np.tanh(x.astype("float32"))
        return self.y

    def backward(self, dy):
        return dy.astype("float32") * (1 - self.y**2)


@unusual("Sigmoid()")
class Clipped(OfResult):
    """Clips against overflow, which the probes never reach."""

    def forward(self, x):
        self.y = 1 / (1 + np.exp(-np.clip(x, -500, 500)))
        return self.y


@unusual("MaxPool2D(2)")
class LastWinner:
    """Lets the last of equal values win, by a mask computed at once; rows that no window covers are ignored."""

    def forward(self, x):
        self.shape, cells = x.shape, windows(x)
        self.winner = 3 - cells[..., ::-1].argmax(axis=-1)
        return np.take_along_axis(cells, self.winner[..., None], -1)[..., 0]

    def backward(self, dy):
        cells = np.zeros((*dy.shape, 4))
        np.put_along_axis(cells, self.winner[..., None], dy[..., None], -1)
        return image(cells, self.shape)


@unusual("MaxPool2D(2)")
class SharedTies:
    """Divides the upstream gradient among equal maxima."""

    def forward(self, x):
        self.shape, self.cells = x.shape, windows(x)
        return self.cells.max(axis=-1)

    def backward(self, dy):
        won = self.cells == self.cells.max(axis=-1, keepdims=True)
        return image(won / won.sum(axis=-1, keepdims=True) * dy[..., None], self.shape)


@unusual("Dense(4)")
class Returned:
    """Uses other names, a dictionary of gradients, and weights in a list."""

    def __init__(self):
        self.weights, self.bias = np.eye(4, 7).tolist(), [0.0] * 4

    def forward(self, x):
        self.kept = x
        rows = list(zip(self.weights, self.bias, strict=True))
        return np.stack([[np.dot(row, sample) + b for row, b in rows] for sample in x])

    def backward(self, dy):
        return dy @ np.array(self.weights), {"weights": dy.T @ self.kept, "bias": dy.sum(0)}


# ---------------------------------------------------------------------- layers that are none of ours


@unusual(shape=(6,))
class LayerNorm:
    def __init__(self):
        self.gamma, self.beta = np.ones(6), np.zeros(6)

    def forward(self, x):
        self.deviation = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        self.normal = (x - x.mean(axis=1, keepdims=True)) / self.deviation
        return self.normal * self.gamma + self.beta

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.normal).sum(axis=0), dy.sum(axis=0)
        g = dy * self.gamma
        inner = g.mean(axis=1, keepdims=True) + self.normal * (g * self.normal).mean(axis=1, keepdims=True)
        return (g - inner) / self.deviation


@unusual(shape=(5,))
class PythonFunctions:
    """Uses math.erf, which takes neither arrays nor complex numbers."""

    def forward(self, x):
        self.x = x
        self.share = np.array([[0.5 * (1 + math.erf(v / math.sqrt(2))) for v in row] for row in x])
        return x * self.share

    def backward(self, dy):
        return dy * (self.share + self.x * np.exp(-self.x * self.x / 2) / np.sqrt(2 * np.pi))


@unusual(shape=(7,))
class TwoLayers:
    """A small network with hundreds of kinks."""

    dtype = np.float64

    def __init__(self):
        generator = np.random.default_rng(0)
        self.w1, self.b1 = generator.normal(size=(40, 7)), np.zeros(40)
        self.w2, self.b2 = generator.normal(size=(3, 40)), np.zeros(3)

    def cast(self, array):
        return array if np.iscomplexobj(array) and self.dtype == np.float64 else np.asarray(array, self.dtype)

    def forward(self, x):
        self.x = self.cast(x)
        self.h = np.maximum(self.x @ self.cast(self.w1).T + self.cast(self.b1), 0)
        return self.h @ self.cast(self.w2).T + self.cast(self.b2)

    def backward(self, dy):
        dy = self.cast(dy)
        self.dw2, self.db2 = dy.T @ self.h, dy.sum(axis=0)
        dh = (dy @ self.cast(self.w2)) * (self.h > 0)
        self.dw1, self.db1 = dh.T @ self.x, dh.sum(axis=0)
        return dh @ self.cast(self.w1)


@unusual(shape=(7,))
class Float32TwoLayers(TwoLayers):
    dtype = np.float32


@unusual(shape=(6,))
class Sorted:
    def forward(self, x):
        self.order = np.argsort(x, axis=1)
        return np.take_along_axis(x, self.order, 1)

    def backward(self, dy):
        dx = np.zeros_like(dy)
        np.put_along_axis(dx, self.order, dy, 1)
        return dx


@unusual(shape=(6,))
class LargeOffset:
    """Adds a million to small values that depend on x."""

    def forward(self, x):
        return 1e6 + 3 * x

    def backward(self, dy):
        return 3 * dy


@unusual(shape=(6,))
class Steep:
    """Curves within the steps of central differences."""

    def forward(self, x):
        self.y = np.tanh(30 * np.real(x))
        return self.y

    def backward(self, dy):
        return 30 * dy * (1 - self.y**2)
