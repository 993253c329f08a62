"""Layers that move values, with one classic mistake each."""

import numpy as np
from check.planting import planted

PAD, CROP = "Pad2D(((1, 0), (2, 3)))", "Crop2D(((1, 0), (0, 2)))"


class Pad:
    """Correct."""

    def forward(self, x):
        N, C, self.H, self.W = x.shape
        y = np.zeros((N, C, self.H + 1, self.W + 5))
        y[:, :, 1:, 2:-3] = x
        return y

    def backward(self, dy):
        return dy[:, :, 1:, 2:-3]


@planted(PAD, "x", "padding-not-cropped")
class Uncropped(Pad):
    def backward(self, dy):
        return dy


@planted(PAD, "x", "ends-exchanged")
class PadTakenFromTheOtherEnd(Pad):
    def backward(self, dy):
        return dy[:, :, :-1, 3:-2]


@planted(PAD, "y", "ends-exchanged")
class ZerosAtTheOtherEnd(Pad):
    def forward(self, x):
        y = super().forward(x)
        y[:, :, 1:] = np.roll(y[:, :, 1:], 1, axis=3)
        return y

    def backward(self, dy):
        return dy[:, :, 1:, 3:-2]


class Crop:
    """Correct."""

    def forward(self, x):
        self.shape = x.shape
        return x[:, :, 1:, :-2]

    def backward(self, dy):
        dx = np.zeros(self.shape)
        dx[:, :, 1:, :-2] = dy
        return dx


@planted(CROP, "x", "border-missing")
class WithoutBorder(Crop):
    def backward(self, dy):
        return dy


@planted(CROP, "x", "ends-exchanged")
class BorderAtTheOtherEnd(Crop):
    def backward(self, dy):
        dx = np.zeros(self.shape)
        dx[:, :, :-1, :-2] = dy
        return dx


@planted(CROP, "y", "ends-exchanged")
class OtherEnd(Crop):
    def forward(self, x):
        self.shape = x.shape
        return x[:, :, 1:, 2:]

    def backward(self, dy):
        dx = np.zeros(self.shape)
        dx[:, :, 1:, 2:] = dy
        return dx


PERMUTE = "Permute((1, 2, 0))"


class Permute:
    """Correct."""

    def forward(self, x):
        self.shape = x.shape
        return x.transpose(0, 2, 3, 1)

    def backward(self, dy):
        return dy.transpose(0, 3, 1, 2)


@planted(PERMUTE, "x", "axes-not-inverted")
class NotInverted(Permute):
    def backward(self, dy):
        return dy.transpose(0, 2, 3, 1)


@planted(PERMUTE, "x", "reshaped-for-permuted")
class Reshaped(Permute):
    def backward(self, dy):
        return dy.reshape(self.shape)


@planted(PERMUTE, "y", "reshaped-for-permuted")
class ReshapedForward(Permute):
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), *x.shape[2:], x.shape[1])

    def backward(self, dy):
        return dy.reshape(self.shape)


CORRECT = [(Pad, PAD), (Crop, CROP), (Permute, PERMUTE)]
