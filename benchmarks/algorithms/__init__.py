"""Four ways to compute one layer: the same cross-correlation, other sums.

direct    the loops of the definition, as the numba engine runs them
gemm      every patch of the picture as a column, then one matrix product
winograd  small tiles, evaluated at a few points: fewer products, more additions
fft       the whole picture, or large tiles, at the roots of unity: a product for each frequency

Each is a file, and each is called alike: `algorithm(x, w, padding)` gives y. All run on one thread.
"""

from benchmarks.algorithms.algorithm import Algorithm
from benchmarks.algorithms.direct import Direct
from benchmarks.algorithms.fft import Fft
from benchmarks.algorithms.fft_tiles import FftTiles
from benchmarks.algorithms.gemm import Gemm
from benchmarks.algorithms.winograd import Winograd
from chainrule.errors import one_of

ALGORITHMS: tuple[Algorithm, ...] = (Direct(), Gemm(), Winograd(2), Winograd(4), Fft(), FftTiles())


def find(name: str) -> Algorithm:
    """The algorithm of that name."""
    for algorithm in ALGORITHMS:
        if algorithm.name == name:
            return algorithm
    raise one_of("algorithm", name, [algorithm.name for algorithm in ALGORITHMS])
