"""What every algorithm offers."""

from abc import ABC, abstractmethod

from benchmarks.algorithms.layer import NO_PADDING, Array, Layer, of_arrays
from chainrule.errors import ShapeError
from chainrule.shapes import Padding


class Algorithm(ABC):
    """A way to compute y[n,o,i,j] = Σ_{c,u,v} x̄[n,c, i + u, j + v] · w[o,c,u,v].

    In two steps, since the first is done once where the kernels are known (inference), and once a batch in training:
    `prepare` brings the kernels into the form that the algorithm multiplies by, `correlate` does the rest.
    """

    name: str

    def __call__(self, x: Array, w: Array, padding: Padding = NO_PADDING) -> Array:
        """y (N, O, H', W') for x (N, C, H, W) and w (O, C, KH, KW), in their dtype; ShapeError where it cannot be."""
        layer = of_arrays(x, w, padding)
        refusal = self.refusal(layer)
        if refusal:
            raise ShapeError(refusal)
        return self.correlate(x, self.prepare(w, layer), layer)

    def refusal(self, layer: Layer) -> str | None:
        """Why this algorithm cannot compute a layer; None where it can."""
        return None

    @abstractmethod
    def prepare(self, w: Array, layer: Layer) -> Array:
        """The kernels as `correlate` takes them."""

    @abstractmethod
    def correlate(self, x: Array, prepared: Array, layer: Layer) -> Array:
        """y, given the prepared kernels."""

    @abstractmethod
    def multiplications(self, layer: Layer) -> int:
        """Multiplications of numbers for one picture, without those of `prepare`."""
