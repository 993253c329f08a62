"""Convolutional layers with stride, padding and dilation, or in one dimension, with one classic mistake each."""

import numpy as np
from check.planting import planted


class Sliding:
    """Stride, padding and dilation in general, tap by tap; correct."""

    stride, padding, dilation = (2, 1), ((1, 0), (0, 2)), (1, 1)

    def __init__(self):
        self.w, self.b = np.zeros((4, 3, 3, 2)), np.zeros(4)

    def cells(self, u, v, outputs, stride):
        (s, t), (d, e) = stride, self.dilation
        return (
            ...,
            slice(d * u, d * u + s * (outputs[0] - 1) + 1, s),
            slice(e * v, e * v + t * (outputs[1] - 1) + 1, t),
        )

    def forward(self, x):
        self.x = np.pad(x, ((0, 0), (0, 0), *self.padding))
        (H, W), (KH, KW), (s, t), (d, e) = self.x.shape[2:], self.w.shape[2:], self.stride, self.dilation
        outputs = (H - d * (KH - 1) - 1) // s + 1, (W - e * (KW - 1) - 1) // t + 1
        y = np.zeros((len(x), 4, *outputs)) + self.b[:, None, None]
        for u, v in np.ndindex(KH, KW):
            y += np.einsum("ncij,oc->noij", self.x[self.cells(u, v, outputs, self.stride)], self.w[:, :, u, v])
        return y

    def backward(self, dy):
        self.db = np.einsum("noij->o", dy)
        self.dw, dx = self.gather(dy, self.x, self.stride), self.scatter(dy, self.stride)
        return self.crop(dx)

    def gather(self, dy, x, stride):
        dw = np.zeros(self.w.shape)
        for u, v in np.ndindex(*self.w.shape[2:]):
            dw[:, :, u, v] = np.einsum("noij,ncij->oc", dy, x[self.cells(u, v, dy.shape[2:], stride)])
        return dw

    def scatter(self, dy, stride):
        dx = np.zeros(self.x.shape)
        for u, v in np.ndindex(*self.w.shape[2:]):
            dx[self.cells(u, v, dy.shape[2:], stride)] += np.einsum("noij,oc->ncij", dy, self.w[:, :, u, v])
        return dx

    def crop(self, dx):
        (top, bottom), (left, right) = self.padding
        return dx[:, :, top : dx.shape[2] - bottom, left : dx.shape[3] - right]


SLIDING = "Conv2D(4, (3, 2), stride=(2, 1), padding=((1, 0), (0, 2)))"


@planted(SLIDING, "x", "stride-forgotten")
class DenseScatter(Sliding):
    def backward(self, dy):
        super().backward(dy)
        return self.crop(self.scatter(dy, (1, 1)))


@planted(SLIDING, "w", "stride-forgotten")
class DenseGather(Sliding):
    def backward(self, dy):
        dx = super().backward(dy)
        self.dw = self.gather(dy, self.x, (1, 1))
        return dx


@planted(SLIDING, "x", "padding-not-cropped")
class Uncropped(Sliding):
    def crop(self, dx):
        return dx


@planted(SLIDING, "x", "padding-cropped-at-end")
class CroppedAtEnd(Sliding):
    def crop(self, dx):
        right = super().crop(dx)
        return dx[:, :, : right.shape[2], : right.shape[3]]


@planted(SLIDING, "x", "padding-cropped-at-start")
class CroppedAtStart(Sliding):
    def crop(self, dx):
        right = super().crop(dx)
        return dx[:, :, -right.shape[2] :, -right.shape[3] :]


@planted(SLIDING, "w", "padding-ignored")
class PaddingIgnored(Sliding):
    def backward(self, dy):
        dx = super().backward(dy)
        shifted = np.zeros_like(self.x)
        shifted[:, :, : dx.shape[2], : dx.shape[3]] = self.crop(self.x)
        self.dw = self.gather(dy, shifted, self.stride)
        return dx


@planted(SLIDING, "y", "padding-at-wrong-end")
class PaddedAtTheEnd(Sliding):
    padding = ((0, 1), (2, 0))


class Dilated(Sliding):
    stride, padding, dilation = (1, 1), ((1, 1), (0, 0)), (2, 3)


DILATED = "Conv2D(4, (3, 2), padding=((1, 1), (0, 0)), dilation=(2, 3))"


@planted(DILATED, "x", "dilation-ignored")
class CloseScatter(Dilated):
    def scatter(self, dy, stride):
        self.dilation = (1, 1)
        dx = super().scatter(dy, stride)
        self.dilation = (2, 3)
        return dx


@planted(DILATED, "w", "dilation-ignored")
class CloseGather(Dilated):
    def gather(self, dy, x, stride):
        self.dilation = (1, 1)
        dw = super().gather(dy, x, stride)
        self.dilation = (2, 3)
        return dw


@planted("Conv1D(3, 2)", "x", "kernel-not-rotated")
class Line:
    """One dimension, lists of channels."""

    def __init__(self):
        self.w, self.b = np.ones((3, 2, 2)), np.zeros(3)

    def forward(self, x):
        self.x = x
        maps = [
            sum(np.array([np.correlate(row, k) for row in x[:, c]]) for c, k in enumerate(kernels))
            for kernels in self.w
        ]
        return np.stack([m + b for m, b in zip(maps, self.b, strict=True)], axis=1)

    def backward(self, dy):
        N, C, _ = self.x.shape
        self.db = dy.sum(axis=(0, 2))
        self.dw = np.zeros_like(self.w)
        dx = np.zeros_like(self.x)
        for n in range(N):
            for o in range(dy.shape[1]):
                for c in range(C):
                    self.dw[o, c] += np.correlate(self.x[n, c], dy[n, o])
                    dx[n, c] += np.correlate(dy[n, o], self.w[o, c], "full")
        return dx


CORRECT = [(Sliding, SLIDING), (Dilated, DILATED)]
