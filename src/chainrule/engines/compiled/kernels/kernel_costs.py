"""What the kernels of convolutions take beside their multiply-adds, for the estimates of `filling.py`.

`python -m benchmarks kernels` times all kernels that can compute a convolution, and tells how much longer the chosen
ones take than the fastest; with --fit it looks for costs by which better ones would be chosen.
"""

from typing import NamedTuple

from chainrule.engines.compiled.compiler import COUNT, WIDTH


class KernelCosts(NamedTuple):
    """Costs of the parts of kernels: what takes as long as so many multiply-adds of a vector, unless stated otherwise.

    copied        copying a row of sums
    transposed    transposing sums
    stored        loading and storing sums once more, after every tap
    packed        transposing the weights of a filter, for one sample: in outputs
    packed_far    the same where there are so many weights that no fast cache holds them twice
    in_place      how long `one_by_one.py` takes, where others copy what they then read once: a factor
    in_patches    how long the multiply-adds of `patches.py` take, which load more vectors: a factor
    cut           cutting a cell out for a patch: in multiply-adds of one element
    added         adding up the lanes of a sum
    gathered      gathering a cell, with a stride: in multiply-adds of one element
    spread        spreading a result, with a stride: in multiply-adds of one element
    odd           how much longer a tile of one vector of filters takes than half a tile of two: a share
    odd_taps      the same of kernel gradients tap by tap
    cells         Winograd's transform of the cells of a tile, for each of a kernel's weights
    results       the transform of the results of a tile, likewise
    kernels       the transform of a kernel, likewise, for one sample
    added_across  how much longer kernel gradients in rows take than their multiply-adds say: a factor
    """

    copied: float
    transposed: float
    stored: float
    packed: float
    packed_far: float
    in_place: float
    in_patches: float
    cut: float
    added: float
    gathered: float
    spread: float
    odd: float
    odd_taps: float
    cells: float
    results: float
    kernels: float
    added_across: float


MANY_REGISTERS = KernelCosts(  # measured with AVX-512, on an Intel Xeon
    copied=8,
    transposed=9,
    stored=6,
    packed=6,
    packed_far=12,
    in_place=0.6,
    in_patches=1.0,
    cut=7,
    added=5,
    gathered=6,
    spread=20,
    odd=0.15,
    odd_taps=0.45,
    cells=70,
    results=95,
    kernels=70,
    added_across=1.4,
)
FEW_REGISTERS = MANY_REGISTERS._replace(  # measured with AVX2, on an AMD EPYC
    copied=12,
    transposed=7,
    stored=4,
    packed=4,
    packed_far=9,
    in_patches=1.2,
    cut=10,
    gathered=10,
    odd=0.35,
    odd_taps=0.75,
    cells=10,
    results=70,
    kernels=50,
    added_across=1.25,
)
NARROW_VECTORS = FEW_REGISTERS._replace(  # measured with SSE, where a multiply-add takes two to three instructions
    copied=0,
    transposed=0,
    stored=2.8,
    packed=0,
    packed_far=0,
    in_place=0.3,
    in_patches=0.65,
    cut=9,
    added=6,
    gathered=5,
    spread=10,
    odd=0,
    odd_taps=0,
    cells=0,
    results=35,
    kernels=12,
    added_across=0.9,
)
COSTS = MANY_REGISTERS if COUNT == 32 else FEW_REGISTERS if WIDTH == 32 else NARROW_VECTORS
