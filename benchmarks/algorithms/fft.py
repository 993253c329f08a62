"""FFT: a product for each frequency of the whole image."""

import numpy as np

from benchmarks.algorithms import kernels, transforms
from benchmarks.algorithms.algorithm import Algorithm
from benchmarks.algorithms.layer import Array, Layer
from chainrule.core.shapes import Pair

BLOCK = 8  # images processed in one pass over the spectra of the kernels


class Fft(Algorithm):
    """The convolution theorem: a shift multiplies every frequency by a factor, so a sum of shifts becomes a product.

    Y[o] = Σ_c X[c] · conj(W[o,c])        X, W, Y: the discrete Fourier transforms of x, w, y over P×Q elements

    The correlation is circular: elements shifted out at one end come back at the other. So P is at least H plus the
    padding on one side, whichever is larger: the same zeros serve both ends. Half of the frequencies of a real image is
    enough; the others are their complex conjugates.

    Cost       P·Q·log₂(P·Q) multiplications for each of C + O images, 4 for each frequency of each of C·O products
               (2 per element, whatever the size of the kernel), and O·C transforms of kernels padded to P×Q
    Memory     the spectra of O·C kernels, each as large as an image, and of the images in and out
    Precision  about ε·log₂(P·Q) of the *largest* output: small outputs next to large ones lose precision
    Source     Mathieu, Henaff, LeCun: Fast Training of Convolutional Networks through FFTs, 2013
    """

    name = "fft"

    def size(self, layer: Layer) -> Pair:
        """Return P and Q: large enough for the padded image, for the kernel and for y, and fast to transform."""
        axes = zip(layer.size, layer.padding, layer.kernel, layer.outputs, strict=True)
        rows, columns = (transforms.quick(max(side + max(zeros), taps, out)) for side, zeros, taps, out in axes)
        return rows, columns

    def prepare(self, w: Array, layer: Layer) -> Array:
        """Return conj(W), (O, C, frequencies), of kernels shifted back by the padding, so that y begins at 0."""
        size = self.size(layer)
        rows, columns = (
            (np.arange(taps) - zeros[0]) % side
            for taps, zeros, side in zip(layer.kernel, layer.padding, size, strict=True)
        )
        moved = np.zeros((*w.shape[:2], *size), w.dtype)
        moved[:, :, rows[:, None], columns] = w
        found = transforms.spectrum(moved, size)
        return np.conjugate(found, out=found)

    def correlate(self, x: Array, prepared: Array, layer: Layer) -> Array:
        """Transform, multiply and transform back, BLOCK images at a time."""
        size, (height, width) = self.size(layer), layer.outputs
        y = np.empty((layer.batch, layer.filters, height, width), x.dtype)
        for first in range(0, layer.batch, BLOCK):
            spectra = transforms.spectrum(x[first : first + BLOCK], size)
            products = np.empty((len(spectra), *prepared.shape[::2]), prepared.dtype)
            kernels.multiply_spectra(*map(transforms.parts, (spectra, prepared, products)))
            y[first : first + BLOCK] = transforms.image(products, size)[..., :height, :width]
        return y

    def multiplications(self, layer: Layer) -> int:
        """Return (C + O)·P·Q·log₂(P·Q) for the transforms, plus 4·C·O for each frequency."""
        size = self.size(layer)
        images = (layer.channels + layer.filters) * transforms.multiplications(size)
        return round(images) + 4 * layer.channels * layer.filters * transforms.frequencies(size)
