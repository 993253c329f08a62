"""forward rotates the kernel, and backward matches it: the gradients are right, but for a different layer."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


class Convolution:
    def __init__(self):
        self.w = np.zeros((4, 3, 3, 2))
        self.b = np.zeros(4)

    def forward(self, x):
        self.windows = sliding_window_view(x, (3, 2), axis=(2, 3))
        rotated = self.w[:, :, ::-1, ::-1]
        return np.einsum("nchwuv,ocuv->nohw", self.windows, rotated) + self.b[:, None, None]

    def backward(self, dy):
        self.dw = np.einsum("nchwuv,nohw->ocuv", self.windows, dy)[:, :, ::-1, ::-1]
        self.db = dy.sum(axis=(0, 2, 3))
        around = np.pad(dy, ((0, 0), (0, 0), (2, 2), (1, 1)))
        return np.einsum("nohwuv,ocuv->nchw", sliding_window_view(around, (3, 2), axis=(2, 3)), self.w)
