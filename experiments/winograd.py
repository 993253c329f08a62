"""Winograd's algorithm in the compiled engine: rounding errors near a large input, and its selection by channels."""

import os
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

SIZES = (1e2, 1e4, 1e6, 1e8)
CHANNELS, SIDE, SAMPLES = 64, 24, 8  # channels, image size and batch size for the table of errors
KERNELS = (3, 5)
MAX_CHANNELS = 256  # largest number tried for the thresholds
IMAGE = 32  # rows and columns of images for the thresholds
DTYPES = {4: "float32", 8: "float64"}


class OutlierError(NamedTuple):
    """The largest float32 errors in outputs near a large input, except outputs that depend on this input.

    size            the large input
    usual, precise  errors with Winograd's algorithm, and without it (--precise)
    """

    kernel: int
    size: float
    usual: float
    precise: float


class Threshold(NamedTuple):
    """The numbers of channels for which Winograd's algorithm is selected.

    bits   width of vector registers
    finds  result of the operation: y, dx or dw
    first  smallest number of channels that selects the algorithm
    all    smallest number of channels that selects it, as all larger numbers do
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
    """Yield the errors for each size of the large input, compared with the NumPy engine in float64."""
    from chainrule import Conv2D, Sequential

    draw, center = np.random.default_rng(seed), SIDE // 2
    for kernel in KERNELS:
        layers, shape = [Conv2D(CHANNELS, kernel)], (CHANNELS, SIDE, SIDE)
        usual = Sequential(layers, shape, engine="compiled", seed=seed)
        precise = Sequential(layers, shape, engine="compiled", seed=seed, precise=True)
        exact = Sequential(layers, shape, engine="numpy", dtype="float64", seed=seed)
        independent = np.ones(exact.output_shape[1:], bool)
        independent[center - kernel + 1 : center + 1, center - kernel + 1 : center + 1] = False
        for size in SIZES:
            x = draw.normal(size=(SAMPLES, *shape)).astype(np.float32)
            x[:, :, center, center] = size
            y = exact.predict(x)
            errors = [float(np.abs(model.predict(x) - y)[:, :, independent].max()) for model in (usual, precise)]
            yield OutlierError(kernel, size, *errors)


def thresholds(bits: int) -> Iterator[Threshold]:
    """Yield the thresholds for vectors of `bits` bits, even if this x86 processor does not support them.

    A separate process evaluates the selection rules without compiling.
    """
    environment = {**os.environ, "CHAINRULE_VECTOR": str(bits)}
    command = [sys.executable, "-m", "experiments.winograd"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    for line in done.stdout.splitlines():
        dtype, kernel, finds, first, always = line.split()
        yield Threshold(bits, dtype, int(kernel), finds, int(first), int(always))


def _print_thresholds() -> None:
    """Print the thresholds for the vector width in CHAINRULE_VECTOR, assuming that the processor supports it."""
    import llvmlite.binding

    llvm: Any = llvmlite.binding
    features: dict[str, bool] = {**llvm.get_host_cpu_features(), "avx": True, "avx512f": True}
    llvm.get_host_cpu_features = lambda: features
    for itemsize, dtype in DTYPES.items():
        for kernel in KERNELS:
            selections = [_selects_winograd(kernel, channels, itemsize) for channels in range(1, MAX_CHANNELS + 1)]
            for finds in ("y", "dx", "dw"):
                selected = [selection[finds] for selection in selections]
                always = MAX_CHANNELS - selected[::-1].index(False)
                print(dtype, kernel, finds, selected.index(True) + 1, always + 1)


def _selects_winograd(kernel: int, channels: int, itemsize: int) -> dict[str, bool]:
    """Return {result: whether the engine selects the algorithm}, for `channels` filters and padding "same"."""
    from chainrule.engines.compiled.kernels.selection import select_kernel

    size, pad = (IMAGE, IMAGE), (kernel // 2, kernel // 2)
    attributes: dict[str, Any] = {"padding": (pad, pad), "size": size, "kernel": (kernel, kernel)}
    x = dy = SimpleNamespace(shape=(SAMPLES, channels, *size))
    w = SimpleNamespace(shape=(channels, channels, kernel, kernel))
    operations = {"y": ("cross_correlate", (x, w, None)), "dx": ("cross_correlate_dx", (dy, w))}
    operations["dw"] = ("cross_correlate_dw", (x, dy))
    return {
        finds: "winograd" in select_kernel(name, arrays, attributes, itemsize)
        for finds, (name, arrays) in operations.items()
    }


def threshold_rows() -> list[list[str]]:
    """Return the table of thresholds as text, starting with its heading."""
    heads = ["bits", "dtype", *(f"{kernel}×{kernel}: {finds}" for kernel in KERNELS for finds in ("y", "dx", "dw"))]
    rows = [heads]
    for bits in (128, 256, 512):
        found_thresholds = list(thresholds(bits))
        rows += [
            [str(bits), dtype, *(str(threshold) for threshold in found_thresholds if threshold.dtype == dtype)]
            for dtype in DTYPES.values()
        ]
    return rows


def error_rows() -> list[list[str]]:
    """Return the table of errors as text, starting with its heading."""
    rows = [["kernel", "large input", "largest error near it", "with --precise"]]
    for error in outlier_errors():
        errors = f"{error.usual:.0e}", f"{error.precise:.0e}"
        rows.append([f"{error.kernel}×{error.kernel}", f"{error.size:.0e}", *errors])
    return rows


if __name__ == "__main__":
    _print_thresholds()
