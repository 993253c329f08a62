"""Layers that move or resample values, and their classic mistakes."""

import numpy as np
from check.planting import correct, plant

PAD, CROP, PERMUTE = "Pad2D(((1, 0), (2, 3)))", "Crop2D(((1, 0), (0, 2)))", "Permute((1, 2, 0))"
NEAREST, BILINEAR, ADAPTIVE = "UpSample2D(2)", 'UpSample2D(2, mode="bilinear")', "AdaptiveAveragePool2D((3, 2))"


@correct(PAD)
class Pad:
    def forward(self, x):
        N, C, H, W = x.shape
        y = np.zeros((N, C, H + 1, W + 5))
        y[:, :, 1:, 2:-3] = x
        return y

    def backward(self, dy):
        return dy[:, :, 1:, 2:-3]


plant(
    Pad,
    [
        ("x", "padding-not-cropped", "return dy[:, :, 1:, 2:-3]", "return dy"),
        ("x", "ends-exchanged", "dy[:, :, 1:, 2:-3]", "dy[:, :, :-1, 3:-2]"),
        ("y", "ends-exchanged", "2:-3", "3:-2"),
    ],
)


@correct(CROP)
class Crop:
    def forward(self, x):
        self.shape = x.shape
        return x[:, :, 1:, :-2]

    def backward(self, dy):
        dx = np.zeros(self.shape)
        dx[:, :, 1:, :-2] = dy
        return dx


plant(
    Crop,
    [
        ("x", "border-missing", "return dx", "return dy"),
        ("x", "ends-exchanged", "dx[:, :, 1:, :-2]", "dx[:, :, :-1, :-2]"),
        ("y", "ends-exchanged", ":-2]", "2:]"),
    ],
)


@correct(PERMUTE)
class Permute:
    def forward(self, x):
        self.shape = x.shape
        return x.transpose(0, 2, 3, 1)

    def backward(self, dy):
        return dy.transpose(0, 3, 1, 2)


FORWARD, BACKWARD = "x.transpose(0, 2, 3, 1)", "dy.transpose(0, 3, 1, 2)"
plant(
    Permute,
    [
        ("x", "axes-not-inverted", BACKWARD, "dy.transpose(0, 2, 3, 1)"),
        ("x", "reshaped-for-permuted", BACKWARD, "dy.reshape(self.shape)"),
        (
            *("y", "reshaped-for-permuted", FORWARD, "x.reshape(len(x), *x.shape[2:], x.shape[1])"),
            *(BACKWARD, "dy.reshape(self.shape)"),
        ),
    ],
)


@correct(NEAREST)
class Nearest:
    def forward(self, x):
        return x.repeat(2, axis=2).repeat(2, axis=3)

    def backward(self, dy):
        N, C, H, W = dy.shape
        return dy.reshape(N, C, H // 2, 2, W // 2, 2).sum(axis=(3, 5))


plant(
    Nearest,
    [
        ("x", "copies-not-summed", "dy.reshape(N, C, H // 2, 2, W // 2, 2).sum(axis=(3, 5))", "dy[:, :, ::2, ::2]"),
        ("x", "copies-averaged", "sum(axis=(3, 5))", "mean(axis=(3, 5))"),
    ],
)


class Weighted:
    """Rows and columns as matrix products."""

    def forward(self, x):
        self.rows, self.columns = self.weights(x.shape[2], 0), self.weights(x.shape[3], 1)
        return self.rows @ x @ self.columns.T

    def backward(self, dy):
        return self.rows.T @ dy @ self.columns


@correct(ADAPTIVE)
class Adaptive(Weighted):
    def weights(self, size, axis):
        outputs = (3, 2)[axis]
        weights = np.zeros((outputs, size))
        for i in range(outputs):
            first, last = int(np.floor(i * size / outputs)), int(np.ceil((i + 1) * size / outputs))
            weights[i, first:last] = 1 / (last - first)
        return weights


NOT_DIVIDED = "def backward(self, dy): return (self.rows > 0).T @ dy @ (self.columns > 0)\n    def weights"
plant(Adaptive, [("x", "average-not-divided", "def weights", NOT_DIVIDED)])


@correct(BILINEAR)
class Bilinear(Weighted):
    def weights(self, size, axis):
        places = (np.arange(2 * size) + 0.5) / 2 - 0.5
        return np.maximum(0, 1 - np.abs(np.clip(places, 0, size - 1)[:, None] - np.arange(size)))


ALIGNED = "np.arange(2 * size) * (size - 1) / (2 * size - 1)"
plant(Bilinear, [("y", "corners-aligned", "(np.arange(2 * size) + 0.5) / 2 - 0.5", ALIGNED)])
