"""The loops of the NumPy CNN's listings in a compact form, with deviations from the print as options."""

from itertools import product
from typing import Any

import numpy as np

Array = Any


def convolution(image: Array, filt: Array, bias: Array, s: int = 1, *, as_indented: bool = False) -> Array:
    """Run its `convolution`; `as_indented` steps down in the inner loop, as in the converted text."""
    n_f, _, f, _ = filt.shape
    size = image.shape[1]
    out = np.zeros((n_f, (size - f) // s + 1, (size - f) // s + 1))
    for at in range(n_f):
        row = out_row = 0
        while row + f <= size:
            column = out_column = 0
            while column + f <= size:
                window = image[:, row : row + f, column : column + f]
                out[at, out_row, out_column] = np.sum(filt[at] * window) + bias[at].item()
                column, out_column = column + s, out_column + 1
                if as_indented:
                    row, out_row = row + s, out_row + 1
            if not as_indented:
                row, out_row = row + s, out_row + 1
    return out


def maxpool(image: Array, f: int = 2, s: int = 2) -> Array:
    """Run its `maxpool`."""
    channels, height, width = image.shape
    out = np.zeros((channels, (height - f) // s + 1, (width - f) // s + 1))
    for c, i, j in np.ndindex(out.shape):
        out[c, i, j] = np.max(image[c, i * s : i * s + f, j * s : j * s + f])
    return out


def convolution_backward(dout: Array, image: Array, filt: Array, s: int) -> tuple[Array, Array, Array]:
    """Run its `convolutionBackward`: gradients of the image, the filters and the biases."""
    n_f, _, f, _ = filt.shape
    dimage, dfilt = np.zeros(image.shape), np.zeros(filt.shape)
    for at, (i, j) in product(range(n_f), places(image, f, s)):
        rows, columns = slice(i * s, i * s + f), slice(j * s, j * s + f)
        dfilt[at] += dout[at, i, j] * image[:, rows, columns]
        dimage[:, rows, columns] += dout[at, i, j] * filt[at]
    return dimage, dfilt, dout.sum((1, 2)).reshape(n_f, 1)


def places(image: Array, f: int, s: int) -> list[tuple[int, int]]:
    """Return the window positions of its backward functions, counted by the height alone in both directions."""
    steps = range((image.shape[1] - f) // s + 1)
    return list(product(steps, steps))


def maxpool_backward(dpool: Array, image: Array, f: int, s: int, *, add: bool = False) -> Array:
    """Run its `maxpoolBackward`, which assigns; `add` accumulates instead."""
    dout = np.zeros(image.shape)
    for c, (i, j) in product(range(len(image)), places(image, f, s)):
        window = image[c, i * s : i * s + f, j * s : j * s + f]
        u, v = np.unravel_index(np.nanargmax(window), window.shape)
        dout[c, i * s + u, j * s + v] = dpool[c, i, j] + (dout[c, i * s + u, j * s + v] if add else 0)
    return dout


def conv(image: Array, label: Array, params: list[Array], s: int, f: int, pool_s: int) -> tuple[list[Array], float]:
    """Run its `conv`: the network forward and back; gradients in the order of the parameters, and the loss."""
    f1, f2, w3, w4, b1, b2, b3, b4 = params
    conv1 = np.maximum(convolution(image, f1, b1, s), 0)
    conv2 = np.maximum(convolution(conv1, f2, b2, s), 0)
    pooled = maxpool(conv2, f, pool_s)
    fc = pooled.reshape(-1, 1)
    z = np.maximum(w3 @ fc + b3, 0)
    out = w4 @ z + b4
    probs = np.exp(out) / np.exp(out).sum()
    loss = -np.sum(label * np.log(probs))
    dout = probs - label
    dz = w4.T @ dout
    dz[z <= 0] = 0
    dpool = (w3.T @ dz).reshape(pooled.shape)
    dconv2 = maxpool_backward(dpool, conv2, f, pool_s)
    dconv2[conv2 <= 0] = 0
    dconv1, df2, db2 = convolution_backward(dconv2, conv1, f2, s)
    dconv1[conv1 <= 0] = 0
    _, df1, db1 = convolution_backward(dconv1, image, f1, s)
    return [df1, df2, dz @ fc.T, dout @ z.T, db1, db2, dz, dout], loss
