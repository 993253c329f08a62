"""Direct computation: the loops of the definition."""

from benchmarks.algorithms.algorithm import Algorithm
from benchmarks.algorithms.layer import Array, Layer
from chainrule import engines


class Direct(Algorithm):
    """The sum of the definition, by the kernel of the numba engine.

    y[n,o,i,j] = Σ_{c,u,v} x̄[n,c, i + u, j + v] · w[o,c,u,v]

    Cost       C·KH·KW multiplications per output, and as many additions, fused with them
    Memory     copies of an image, its outputs and the kernels in another layout
    Precision  one rounding per product: an error of about ε·√(C·KH·KW), ε the machine epsilon of the dtype
    Source     reference/convolution.py; engines/numba/convolution.py
    """

    name = "direct"

    def prepare(self, w: Array, layer: Layer) -> Array:
        """Return the kernels unchanged."""
        return w

    def correlate(self, x: Array, prepared: Array, layer: Layer) -> Array:
        """Run the engine's operation, on a single thread."""
        (y,) = engines.find("numba").run("cross_correlate", (x, prepared, None), {"padding": layer.padding})
        return y

    def multiplications(self, layer: Layer) -> int:
        """Return O·H'·W'·C·KH·KW."""
        return layer.products
