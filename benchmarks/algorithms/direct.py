"""Direct: the loops of the definition."""

from benchmarks.algorithms.algorithm import Algorithm
from benchmarks.algorithms.layer import Array, Layer
from chainrule import engines


class Direct(Algorithm):
    """The sum as it is written, by the kernel of the numba engine.

    y[n,o,i,j] = Σ_{c,u,v} x̄[n,c, i + u, j + v] · w[o,c,u,v]

    Cost       C·KH·KW multiplications an output, and as many additions, fused with them
    Memory     no more than a picture, its outputs and the kernels, laid out anew
    Precision  one rounding a product: an error of about ε·√(C·KH·KW), ε the machine epsilon of the dtype
    Source     reference/convolution.py; engines/numba/convolution.py
    """

    name = "direct"

    def prepare(self, w: Array, layer: Layer) -> Array:
        """The kernels as they are."""
        return w

    def correlate(self, x: Array, prepared: Array, layer: Layer) -> Array:
        """One operation of the engine, which a single thread runs."""
        (y,) = engines.find("numba").run("cross_correlate", (x, prepared, None), {"padding": layer.padding})
        return y

    def multiplications(self, layer: Layer) -> int:
        """O·H'·W'·C·KH·KW."""
        return layer.products
