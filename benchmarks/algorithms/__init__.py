"""Four algorithms for cross-correlation.

direct    the loops of the definition, in a kernel of the compiled engine
gemm      a matrix product, with every patch of the image as a column
winograd  small tiles, as polynomials that are evaluated at a few points: fewer products, more additions
fft       the whole image or large tiles, as polynomials evaluated at the roots of unity: one product per frequency

All algorithms run on one thread and have the same interface: `algorithm(x, w, padding)` returns y.
"""

from benchmarks.algorithms.algorithm import Algorithm
from benchmarks.algorithms.direct import Direct
from benchmarks.algorithms.fft import Fft
from benchmarks.algorithms.fft_tiles import FftTiles
from benchmarks.algorithms.gemm import Gemm
from benchmarks.algorithms.winograd import Winograd
from chainrule.errors import unknown_name

ALGORITHMS: tuple[Algorithm, ...] = (Direct(), Gemm(), Winograd(), Fft(), FftTiles())


def find(name: str) -> Algorithm:
    """Return the algorithm with the given name; raise OptionError if there is none."""
    for algorithm in ALGORITHMS:
        if algorithm.name == name:
            return algorithm
    raise unknown_name("algorithm", name, [algorithm.name for algorithm in ALGORITHMS])
