"""Layers with many kinks, correct or with a mistake, in both dtypes. Finite differences must distinguish them."""

import numpy as np

W1, W2 = (np.random.default_rng(5).normal(size=size) for size in ((40, 64), (3, 40)))


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


class Kinked:
    """y = f(x), element-wise, in a dtype, with known slopes on both sides of each kink."""

    dtype = np.float64

    def forward(self, x):
        self.x = np.asarray(np.real(x), self.dtype)
        return self.function(self.x)

    def backward(self, dy):
        return np.asarray(dy, self.dtype) * self.slope(self.x)


class ReLU(Kinked):
    def function(self, x):
        return np.maximum(x, 0)

    def slope(self, x):
        return x > 0


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


class ReLU6(Kinked):
    def function(self, x):
        return np.clip(x, 0, 6)

    def slope(self, x):
        return (x > 0) & (x < 6)


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
        cells = np.zeros((*dy.shape, 4), self.dtype)
        winner = windows(self.x).argmax(axis=-1)
        np.put_along_axis(cells, winner[..., None], dy[..., None].astype(self.dtype), -1)
        return image(cells, self.x.shape)


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


CONSTANTS = {Hidden: ("globals.W1", "globals.W2")}  # what is no parameter of a layer, though its output depends on it
RIGHT = (ReLU, SoftShrink, HardSwish, ReLU6, Wave, MaxPool, Hidden)


def in_dtype(kind: type, dtype: str) -> type:
    """Return the layer with computation in a dtype."""
    return type(f"{kind.__name__}_{dtype}", (kind,), {"dtype": np.dtype(dtype)})


def two_percent(kind: type) -> type:
    """Scale every gradient by 1.02."""
    return type("TwoPercent", (kind,), {"backward": lambda self, dy: 1.02 * kind.backward(self, dy)})


def one_sample(kind: type) -> type:
    """Return the gradient of the first sample only."""

    def backward(self, dy):
        dx = kind.backward(self, dy)
        dx[1:] = 0
        return dx

    return type("OneSample", (kind,), {"backward": backward})


def neighbour(kind: type) -> type:
    """Shift every gradient one column to the right."""
    return type("Neighbour", (kind,), {"backward": lambda self, dy: np.roll(kind.backward(self, dy), 1, axis=-1)})


def above_one(kind: type) -> type:
    """Return a gradient that is wrong only where x is above 1."""
    return type(
        "AboveOne", (kind,), {"backward": lambda self, dy: kind.backward(self, dy) * np.where(self.x > 1, 1.5, 1)}
    )


MISTAKES = (two_percent, one_sample, neighbour, above_one)
