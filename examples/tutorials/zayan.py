"""The layer of Zayan's article with several kernels, without the sum over the output channels in ∂c/∂I (za-e3)."""

import numpy as np
from scipy.signal import correlate2d


def conv_forward(images, K, b):
    outputs = [
        sum(correlate2d(image, kernel, "valid") for image, kernel in zip(images, kernels, strict=True)) for kernels in K
    ]
    return np.array(outputs) + b[:, None, None], (images, K)


def conv_backward(dO, cache):
    images, K = cache
    dI, dK = np.zeros(images.shape), np.zeros(K.shape)
    for j, i in np.ndindex(K.shape[:2]):
        dK[j, i] = correlate2d(images[i], dO[j], "valid")
        dI[i] = correlate2d(dO[j], K[j, i, ::-1, ::-1], "full")
    return dI, dK, dO.sum(axis=(1, 2))
