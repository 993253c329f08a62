"""Four algorithms for a cross-correlation, on one thread; docs/algorithms.md explains them.

Each algorithm is a function of x (N, C, H, W), w (O, C, KH, KW) and the padding. It returns a function without
arguments that computes y (N, O, H', W'), or None if it does not support the layer.
"""

import importlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.rounds import least_times
from chainrule.core.shapes import Padding, output_size
from chainrule.engines.compiled.kernels.choice import WINOGRAD, forward_estimates
from chainrule.engines.compiled.kernels.selection import KERNELS, run_kernel
from chainrule.engines.numpy.convolution import cross_correlate

Array = NDArray[Any]
Compute = Callable[[], Array]
fourier: Any = importlib.import_module("scipy.fft")

SWEPT_KERNELS = {False: (3, 5, 7, 11, 15, 31), True: (3, 9, 31, 63, 127, 255, 1023, 4095)}  # key: one-dimensional
SWEPT_SIZES = {False: (16, 32, 64, 128), True: (256, 1024, 4096, 16384, 65536)}
SECONDS = 0.5  # time budget per layer


def direct(x: Array, w: Array, padding: Padding) -> Compute:
    """Sum products in the order of the definition, by the compiled engine's fastest kernel except Winograd's."""
    estimates = forward_estimates([x, w, None], {"padding": padding}, x.itemsize)
    return _kernel(min(estimates.keys() - WINOGRAD.values(), key=estimates.__getitem__), x, w, padding)


def gemm(x: Array, w: Array, padding: Padding) -> Compute:
    """Multiply a matrix of filters by matrices of patches, in NumPy."""
    return lambda: cross_correlate(x, w, padding=padding)


def winograd(x: Array, w: Array, padding: Padding) -> Compute | None:
    """Use Winograd's algorithm in the compiled engine; None for kernels other than 3×3 and 5×5."""
    name = WINOGRAD.get(w.shape[2:])
    return _kernel(name, x, w, padding) if name else None


def fft(x: Array, w: Array, padding: Padding, *, training: bool = False) -> Compute:
    """Multiply the spectra of images and kernels, Y[o] = Σ_c X[c]·conj(W[o,c]).

    The kernels are known in advance; in training, they are transformed each time. The correlation is circular, so the
    zeros after the image are also those before it: each axis gets a fast size for x with zeros on one side, w and y.
    """
    axes = [axis for axis in (2, 3) if max(x.shape[axis], w.shape[axis]) > 1]
    least = [max(x.shape[axis] + max(padding[axis - 2]), w.shape[axis]) for axis in axes]
    size = [fourier.next_fast_len(length, real=True) for length in least]

    def kernels() -> Array:
        """Return conj(W) (frequencies, C, O), of kernels shifted by the padding, so that y starts at index 0."""
        ends = [(0, length - w.shape[axis]) for axis, length in zip(axes, size, strict=True)]
        padded = np.pad(w, [*[(0, 0)] * (4 - len(axes)), *ends])
        shifted = np.roll(padded, [-padding[axis - 2][0] for axis in axes], axes)
        return _rows(np.conj(fourier.rfftn(shifted, axes=axes))).swapaxes(1, 2).copy()

    def correlate() -> Array:
        """Transform the images, multiply by the kernels' spectra at each frequency, and transform back."""
        images = fourier.rfftn(x, size, axes)
        products = np.moveaxis(_rows(images) @ (kernels() if training else known), 0, -1)
        height, width = map(output_size, x.shape[2:], w.shape[2:], (1, 1), padding)
        whole = fourier.irfftn(products.reshape(len(x), len(w), *images.shape[2:]), size, axes)
        return whole[:, :, :height, :width]

    known = kernels()
    return correlate


ALGORITHMS: dict[str, Callable[[Array, Array, Padding], Compute | None]] = {
    "direct": direct,
    "GEMM": gemm,
    "Winograd": winograd,
    "FFT": fft,
    "FFT, transforming kernels": partial(fft, training=True),
}


def _kernel(name: str, x: Array, w: Array, padding: Padding) -> Compute:
    return lambda: run_kernel(KERNELS[name], [x, w, None], {"padding": padding}, x.dtype)[0]


def _rows(spectra: Array) -> Array:
    """Return spectra (A, B, P, Q) as (P·Q, A, B)."""
    return np.moveaxis(spectra.reshape(*spectra.shape[:2], -1), -1, 0)


def arrays(batch: int, channels: int, filters: int, kernel: tuple[int, int], size: tuple[int, int]) -> tuple[Any, ...]:
    """Return random x and w in float32, and the padding that preserves the size."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((batch, channels, *size), np.float32)
    w = generator.standard_normal((filters, channels, *kernel), np.float32)
    top, left = ((taps - 1) // 2 for taps in kernel)
    return x, w, ((top, kernel[0] - 1 - top), (left, kernel[1] - 1 - left))


def seconds(x: Array, w: Array, padding: Padding, names: Iterable[str] = ALGORITHMS) -> dict[str, float]:
    """Return the minimum time of each algorithm that supports the layer."""
    runs = {name: compute for name in names if (compute := ALGORITHMS[name](x, w, padding))}
    return least_times(runs, seconds=SECONDS)


def layer_cells(batch: int, channels: int, filters: int, kernel: tuple[int, int], size: tuple[int, int]) -> list[Any]:
    """Return the table of a layer: time per image, time relative to direct, and error relative to the largest y."""
    x, w, padding = arrays(batch, channels, filters, kernel, size)
    times = seconds(x, w, padding)
    exact = direct(x.astype(np.float64), w.astype(np.float64), padding)()
    rows = [["algorithm", "time/image", "time/direct", "error"]]
    for name, least in times.items():
        y = (ALGORITHMS[name](x, w, padding) or direct(x, w, padding))()
        error = np.abs(y - exact).max() / np.abs(exact).max()
        rows.append([name, f"{1e6 * least / batch:,.1f} µs", f"{least / times['direct']:.2f}×", f"{error:.1e}"])
    return rows


def sweep_rows(channels: int, filters: int, one_dimensional: bool) -> Iterator[list[str]]:
    """Yield the rows of the table of kernel sizes by image sizes, for one image.

    Each cell contains the faster of direct and Winograd, and the speedup of the FFT over it.
    """
    sizes = SWEPT_SIZES[one_dimensional]
    yield ["kernel", *(f"{size:,}" if one_dimensional else f"{size}×{size}" for size in sizes)]
    for taps in SWEPT_KERNELS[one_dimensional]:
        kernel = (1, taps) if one_dimensional else (taps, taps)
        cells = [f"{taps:,}" if one_dimensional else f"{taps}×{taps}"]
        for size in sizes:
            x, w, padding = arrays(1, channels, filters, kernel, (1, size) if one_dimensional else (size, size))
            times = seconds(x, w, padding, ("direct", "Winograd", "FFT"))
            transform = times.pop("FFT")
            fastest = min(times, key=times.__getitem__)
            cells.append(f"{fastest} (FFT {times[fastest] / transform:.2f}×)")
        yield cells
