"""The interface of all algorithms."""

from abc import ABC, abstractmethod

from benchmarks.algorithms.layer import NO_PADDING, Array, Layer, of_arrays
from chainrule.core.shapes import Padding
from chainrule.errors import ShapeError


class Algorithm(ABC):
    """An algorithm for y[n,o,i,j] = Σ_{c,u,v} x̄[n,c, i + u, j + v] · w[o,c,u,v].

    x̄ is x padded with zeros. There are two steps: `prepare` transforms the kernels, and `correlate` uses them. In
    inference, the kernels are prepared only once; in training, for every batch.
    """

    name: str

    def __call__(self, x: Array, w: Array, padding: Padding = NO_PADDING) -> Array:
        """Return y (N, O, H', W') for x (N, C, H, W), w (O, C, KH, KW); raise ShapeError if unsupported."""
        layer = of_arrays(x, w, padding)
        refusal = self.refusal(layer)
        if refusal:
            raise ShapeError(refusal)
        return self.correlate(x, self.prepare(w, layer), layer)

    def refusal(self, layer: Layer) -> str | None:
        """Return the reason why the algorithm does not support a layer; None if it does."""
        return None

    @abstractmethod
    def prepare(self, w: Array, layer: Layer) -> Array:
        """Transform the kernels for `correlate`."""

    @abstractmethod
    def correlate(self, x: Array, prepared: Array, layer: Layer) -> Array:
        """Return y (N, O, H', W') for x (N, C, H, W) and the result of `prepare`."""

    @abstractmethod
    def multiplications(self, layer: Layer) -> int:
        """Return the number of scalar multiplications for one image, excluding `prepare`."""
