"""Direct computation by the loops of the definition."""

import numpy as np

from benchmarks.algorithms.algorithm import Algorithm
from benchmarks.algorithms.layer import Array, Layer
from chainrule.engines.compiled.kernels.choice import WINOGRAD, forward_estimates
from chainrule.engines.compiled.kernels.selection import KERNELS, run_kernel


class Direct(Algorithm):
    """The sum in the definition, computed by the compiled engine's fastest kernel except Winograd's algorithm.

    y[n,o,i,j] = Σ_{c,u,v} x̄[n,c, i + u, j + v] · w[o,c,u,v]

    Cost       C·KH·KW fused multiply-adds per output
    Memory     copies of an image, its outputs and the kernels in another layout
    Precision  one rounding error per product: about ε·√(C·KH·KW), where ε is the machine epsilon of the dtype
    Source     reference/convolution.py; engines/compiled/kernels/convolution.py
    """

    name = "direct"

    def prepare(self, w: Array, layer: Layer) -> Array:
        """Return the kernels unchanged."""
        return w

    def correlate(self, x: Array, prepared: Array, layer: Layer) -> Array:
        """Run the engine's fastest direct kernel on a single thread."""
        arrays, attributes = [np.ascontiguousarray(x), np.ascontiguousarray(prepared), None], {"padding": layer.padding}
        estimates = forward_estimates(arrays, attributes, x.itemsize)
        plain = [name for name in estimates if name not in WINOGRAD.values()]
        fastest = min(plain, key=lambda name: estimates[name])
        return run_kernel(KERNELS[fastest], arrays, attributes, x.dtype)[0]

    def multiplications(self, layer: Layer) -> int:
        """Return O·H'·W'·C·KH·KW."""
        return layer.products
