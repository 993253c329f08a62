"""Winograd's algorithm in the compiled engine: what one large input costs, and from how many channels it is used."""

import os
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

SIZES = (1e2, 1e4, 1e6, 1e8)
CHANNELS, SIDE, SAMPLES = 64, 24, 8  # of the convolution whose errors are measured
KERNELS = (3, 5)
MOST = 256  # channels that are tried
IMAGE = 32  # rows and columns of the images of the convolutions that are tried
DTYPES = {4: "float32", 8: "float64"}


class OutlierError(NamedTuple):
    """Largest errors of outputs that do not depend on a large input, beside it, in float32."""

    kernel: int
    size: float
    usual: float
    precise: float


class Threshold(NamedTuple):
    """The channels of a convolution with Winograd's algorithm.

    first  the fewest channels for which it is chosen
    all    the fewest from which on it is always chosen
    """

    bits: int
    dtype: str
    kernel: int
    finds: str
    first: int
    all: int

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.all else f"{self.first}; always from {self.all}"


def outlier_errors(seed: int = 0) -> Iterator[OutlierError]:
    """Yield the errors beside an input of each size, compared with the NumPy engine in float64."""
    from chainrule import Conv2D, Sequential

    draw, at = np.random.default_rng(seed), SIDE // 2
    for kernel in KERNELS:
        layers, shape = [Conv2D(CHANNELS, kernel)], (CHANNELS, SIDE, SIDE)
        usual = Sequential(layers, shape, engine="compiled", seed=seed)
        precise = Sequential(layers, shape, engine="compiled", seed=seed, precise=True)
        exact = Sequential(layers, shape, engine="numpy", dtype="float64", seed=seed)
        unseen = np.ones(exact.output_shape[1:], bool)
        unseen[at - kernel + 1 : at + 1, at - kernel + 1 : at + 1] = False
        for size in SIZES:
            x = draw.normal(size=(SAMPLES, *shape)).astype(np.float32)
            x[:, :, at, at] = size
            y = exact.predict(x)
            errors = [float(np.abs(model.predict(x) - y)[:, :, unseen].max()) for model in (usual, precise)]
            yield OutlierError(kernel, size, *errors)


def thresholds(bits: int) -> Iterator[Threshold]:
    """Yield the thresholds with vectors of so many bits, whether this x86 processor has them or not.

    The rules are asked in a process of its own, which compiles nothing.
    """
    words = {**os.environ, "CHAINRULE_VECTOR": str(bits)}
    command = [sys.executable, "-m", "experiments.winograd"]
    done = subprocess.run(command, capture_output=True, text=True, env=words, check=True)
    for line in done.stdout.splitlines():
        dtype, kernel, finds, first, always = line.split()
        yield Threshold(bits, dtype, int(kernel), finds, int(first), int(always))


def _print_thresholds() -> None:
    """Print the thresholds for the width in CHAINRULE_VECTOR, taking it that the processor has such registers."""
    import llvmlite.binding

    llvm: Any = llvmlite.binding
    features: dict[str, bool] = {**llvm.get_host_cpu_features(), "avx": True, "avx512f": True}
    llvm.get_host_cpu_features = lambda: features
    for itemsize, dtype in DTYPES.items():
        for kernel in KERNELS:
            chosen = [_chosen(kernel, channels, itemsize) for channels in range(1, MOST + 1)]
            for finds in ("y", "dx", "dw"):
                found = [each[finds] for each in chosen]
                always = MOST - found[::-1].index(False)
                print(dtype, kernel, finds, found.index(True) + 1, always + 1)


def _chosen(kernel: int, channels: int, itemsize: int) -> dict[str, bool]:
    """Return whether the engine chooses the algorithm for a batch, with padding "same" and as many filters."""
    from chainrule.engines.compiled.kernels.selection import select_kernel

    size, pad = (IMAGE, IMAGE), (kernel // 2, kernel // 2)
    known: dict[str, Any] = {"padding": (pad, pad), "size": size, "kernel": (kernel, kernel)}
    x = dy = SimpleNamespace(shape=(SAMPLES, channels, *size))
    w = SimpleNamespace(shape=(channels, channels, kernel, kernel))
    asked = {"y": ("cross_correlate", (x, w, None)), "dx": ("cross_correlate_dx", (dy, w))}
    asked["dw"] = ("cross_correlate_dw", (x, dy))
    return {
        finds: "winograd" in select_kernel(name, arrays, known, itemsize) for finds, (name, arrays) in asked.items()
    }


def threshold_rows() -> list[list[str]]:
    """Return the table of thresholds as text, its heading first."""
    heads = ["bits", "dtype", *(f"{kernel}×{kernel}: {finds}" for kernel in KERNELS for finds in ("y", "dx", "dw"))]
    rows = [heads]
    for bits in (128, 256, 512):
        found = list(thresholds(bits))
        rows += [[str(bits), dtype, *(str(each) for each in found if each.dtype == dtype)] for dtype in DTYPES.values()]
    return rows


def error_rows() -> list[list[str]]:
    """Return the table of errors as text, its heading first."""
    rows = [["kernel", "large input", "largest error of other outputs", "with precise=True"]]
    for each in outlier_errors():
        errors = f"{each.usual:.0e}", f"{each.precise:.0e}"
        rows.append([f"{each.kernel}×{each.kernel}", f"{each.size:.0e}", *errors])
    return rows


if __name__ == "__main__":
    _print_thresholds()
