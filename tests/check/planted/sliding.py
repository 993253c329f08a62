"""Convolutions with stride, padding and dilation, or in one dimension, and their classic mistakes."""

import numpy as np


class Sliding:
    """Tap by tap."""

    stride, padding, dilation = (2, 1), ((1, 0), (0, 2)), (1, 1)

    def __init__(self):
        self.w, self.b = np.zeros((4, 3, 3, 2)), np.zeros(4)

    def cells(self, u, v, outputs, stride, dilation):
        (s, t), (d, e) = stride, dilation
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
            read = self.cells(u, v, outputs, self.stride, self.dilation)
            y += np.einsum("ncij,oc->noij", self.x[read], self.w[:, :, u, v])
        return y

    def backward(self, dy):
        self.db, self.dw, dx, x = np.einsum("noij->o", dy), np.zeros(self.w.shape), np.zeros(self.x.shape), self.x
        for u, v in np.ndindex(*self.w.shape[2:]):
            read = self.cells(u, v, dy.shape[2:], self.stride, self.dilation)
            write = self.cells(u, v, dy.shape[2:], self.stride, self.dilation)
            self.dw[:, :, u, v] = np.einsum("noij,ncij->oc", dy, x[read])
            dx[write] += np.einsum("noij,oc->ncij", dy, self.w[:, :, u, v])
        (top, bottom), (left, right) = self.padding
        H, W = dx.shape[2] - top - bottom, dx.shape[3] - left - right
        return dx[:, :, top : top + H, left : left + W]


class Dilated(Sliding):
    stride, padding, dilation = (1, 1), ((1, 1), (0, 0)), (2, 3)


class Line:
    """One dimension, row by row with NumPy's correlate and convolve."""

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
        self.db, self.dw, dx = dy.sum(axis=(0, 2)), np.zeros_like(self.w), np.zeros_like(self.x)
        for n, o, c in np.ndindex(len(dy), *self.w.shape[:2]):
            self.dw[o, c] += np.correlate(self.x[n, c], dy[n, o])
            dx[n, c] += np.convolve(dy[n, o], self.w[o, c])
        return dx
