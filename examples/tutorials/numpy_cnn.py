"""The loops of Introduction to a NumPy CNN, its ReLU by eq. 32 and its softmax by eq. 33.

`maxpoolBackward` takes squares only (nc-e26) and overwrites gradients where windows overlap (nc-e27). The softmax
overflows (nc-e36). Eq. 32 has the slope 1 at 0 (nc-e24).
"""

import numpy as np


def convolution(image, filt, bias, s=1):
    size, f = image.shape[1], filt.shape[2]
    out_dim = (size - f) // s + 1
    out = np.zeros((len(filt), out_dim, out_dim))
    for i, j in np.ndindex(out_dim, out_dim):
        window = image[:, s * i : s * i + f, s * j : s * j + f]
        out[:, i, j] = (filt * window).sum(axis=(1, 2, 3)) + bias[:, 0]
    return out


def convolutionBackward(dconv_prev, conv_in, filt, s):
    f, size = filt.shape[2], conv_in.shape[1]
    dout, dfilt = np.zeros(conv_in.shape), np.zeros(filt.shape)
    for i, j in np.ndindex((size - f) // s + 1, (size - f) // s + 1):
        rows, columns = slice(s * i, s * i + f), slice(s * j, s * j + f)
        for k in range(len(filt)):
            dfilt[k] += dconv_prev[k, i, j] * conv_in[:, rows, columns]
            dout[:, rows, columns] += dconv_prev[k, i, j] * filt[k]
    return dout, dfilt, dconv_prev.sum(axis=(1, 2)).reshape(-1, 1)


def maxpool(image, f=2, s=2):
    channels, height, width = image.shape
    out = np.zeros((channels, (height - f) // s + 1, (width - f) // s + 1))
    for c, i, j in np.ndindex(out.shape):
        out[c, i, j] = np.max(image[c, s * i : s * i + f, s * j : s * j + f])
    return out


def maxpoolBackward(dpool, orig, f, s):
    channels, size, _ = orig.shape
    dout = np.zeros(orig.shape)
    for c, i, j in np.ndindex(channels, (size - f) // s + 1, (size - f) // s + 1):
        window = orig[c, s * i : s * i + f, s * j : s * j + f]
        a, b = np.unravel_index(np.nanargmax(window), window.shape)
        dout[c, s * i + a, s * j + b] = dpool[c, i, j]
    return dout


def relu(z):
    return np.maximum(0, z)


def relu_prime(z):
    return np.where(z >= 0, 1.0, 0.0)


class Softmax:
    def forward(self, z):
        self.a = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        return self.a

    def backward(self, da):
        return self.a * (da - (da * self.a).sum(axis=1, keepdims=True))
