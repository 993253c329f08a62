"""FFT of the whole image: one product per frequency."""

import numpy as np

from benchmarks.algorithms import kernels, transforms
from benchmarks.algorithms.algorithm import Algorithm
from benchmarks.algorithms.layer import Array, Layer
from chainrule.core.shapes import Pair

BLOCK = 8  # images per pass over the spectra of the kernels


class Fft(Algorithm):
    """The convolution theorem: a shift multiplies every frequency by a factor, so a sum of shifts becomes a product.

    Y[o] = Σ_c X[c] · conj(W[o,c])        X, W, Y: the discrete Fourier transforms of x, w, y over P×Q elements

    The correlation is circular: elements shifted out at one end reappear at the other. Thus P is at least H plus
    the larger of the paddings at both ends, which can share their zeros. Only half of the frequencies of a real image
    are computed; the other half are their complex conjugates.

    Cost       P·Q·log₂(P·Q) multiplications for each of C + O images, 4 per frequency for each of C·O products (2 per
               element, for any kernel size), and O·C transforms of kernels padded to P×Q
    Memory     the spectra of O·C kernels, each as large as an image, and of the input and output images
    Precision  about ε·log₂(P·Q) times the *largest* output: small outputs next to large ones lose precision
    Source     Mathieu, Henaff, LeCun: Fast Training of Convolutional Networks through FFTs, 2013
    """

    name = "fft"

    def size(self, layer: Layer) -> Pair:
        """Return (P, Q), sizes with fast transforms, large enough for the padded image, the kernel and y."""
        axes = zip(layer.size, layer.padding, layer.kernel, layer.outputs, strict=True)
        rows, columns = (transforms.quick(max(side + max(zeros), taps, out)) for side, zeros, taps, out in axes)
        return rows, columns

    def prepare(self, w: Array, layer: Layer) -> Array:
        """Return conj(W), (O, C, frequencies), of the kernels shifted by the padding, so that y starts at index 0."""
        size = self.size(layer)
        rows, columns = (
            (np.arange(taps) - zeros[0]) % side
            for taps, zeros, side in zip(layer.kernel, layer.padding, size, strict=True)
        )
        shifted = np.zeros((*w.shape[:2], *size), w.dtype)
        shifted[:, :, rows[:, None], columns] = w
        spectra = transforms.spectrum(shifted, size)
        return np.conjugate(spectra, out=spectra)

    def correlate(self, x: Array, prepared: Array, layer: Layer) -> Array:
        """Transform `BLOCK` images at a time, multiply their spectra by the kernels', and transform back."""
        size, (height, width) = self.size(layer), layer.outputs
        y = np.empty((layer.batch, layer.filters, height, width), x.dtype)
        for first in range(0, layer.batch, BLOCK):
            spectra = transforms.spectrum(x[first : first + BLOCK], size)
            products = np.empty((len(spectra), *prepared.shape[::2]), prepared.dtype)
            kernels.multiply_spectra(*map(transforms.parts, (spectra, prepared, products)))
            y[first : first + BLOCK] = transforms.image(products, size)[..., :height, :width]
        return y

    def multiplications(self, layer: Layer) -> int:
        """Return (C + O)·P·Q·log₂(P·Q) for the transforms plus 4·C·O per frequency."""
        size = self.size(layer)
        images = (layer.channels + layer.filters) * transforms.multiplications(size)
        return round(images) + 4 * layer.channels * layer.filters * transforms.frequencies(size)
