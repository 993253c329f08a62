"""The kernels with filters side by side in vectors: when they are selected, and agreement with the reference."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from engines.kernel_calls import run
from numerical import assert_close
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from chainrule import layers
from chainrule.engines.compiled.kernels import filters, selection
from chainrule.engines.compiled.kernels.selection import ALTERNATIVES, KERNELS
from chainrule.engines.compiled.kernels.tiles import lanes
from chainrule.network.network import Network
from chainrule.operations import reference

WHOLE = lanes(8)  # filters that fill a vector of float64
PLAIN: dict[str, Any] = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "flip": False}


def close(found: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    assert_close(found, expected, 300, magnitude=1)


@pytest.mark.parametrize("seed", range(12))
def test_weights_that_are_packed_in_parts(seed: int) -> None:
    draw = np.random.default_rng(seed)
    window, size = (tuple(int(one) for one in draw.integers(least, most, 2)) for least, most in ((1, 5), (4, 9)))
    step, before, after = int(draw.integers(1, 3)), int(draw.integers(0, 2)), int(draw.integers(0, 3))
    outs, ins, count = (int(draw.integers(*ends)) for ends in ((1, 4 * WHOLE + 2), (100, 400), (1, 40)))
    x, w = draw.standard_normal((count, ins, *size)), draw.standard_normal((outs, ins, *window))
    padded = np.pad(x, ((0, 0), (0, 0), (before, after), (before, after)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, window, axis=(2, 3))[:, :, ::step, ::step]
    expected = np.einsum("ncijuv,ocuv->noij", windows, w, optimize=True)
    options = {"stride": (step, step), "padding": ((before, after), (before, after))}
    for some in (count, 1):
        for kernel in ("correlate_filters", "correlate_taps"):
            close(selection.call(kernel, (x[:some], w, None), options)[0], expected[:some])
        dy = draw.standard_normal(expected[:some].shape)
        dx = selection.call("correlate_taps_dx", (dy, w), {**options, "size": size})[0]
        close(np.vdot(dx, x[:some]) / dx.size, np.vdot(dy, expected[:some]) / dx.size)  # one map, and its adjoint
        exact = np.einsum("ncijuv,noij->ocuv", windows[:some], dy, optimize=True)
        for kernel in ("correlate_filters_dw", "correlate_taps_dw"):
            close(selection.call(kernel, (x[:some], dy), {**options, "kernel": window})[0], exact)


@pytest.mark.parametrize("kernel", ["cross_correlate_dw", *(each.name for each in ALTERNATIVES["cross_correlate_dw"])])
def test_a_kernel_gradient_of_no_samples_is_what_it_was(kernel: str) -> None:
    left = [np.full(1 << 16, np.nan, np.float32) for _ in range(40)]
    del left  # what a kernel allocates would hold these
    x, dw = np.zeros((0, WHOLE, 9, 9), np.float32), np.ones((WHOLE, WHOLE, 3, 3), np.float32)
    given = {**PLAIN, "padding": ((1, 1), (1, 1)), "kernel": (3, 3), "groups": 1}
    KERNELS[kernel].call((x, x, dw), given)
    assert_array_equal(dw, 1)


def test_not_a_number_stays_what_it_is() -> None:
    draw, options = np.random.default_rng(11), {**PLAIN, "padding": ((1, 0), (2, 1))}
    x, w = draw.standard_normal((2, 3, 9, 8)), draw.standard_normal((2 * WHOLE, 3, 3, 5))
    x[0, 1, 4, 4] = np.nan
    y = reference.cross_correlate(x, w, **options)
    expected = np.where(y <= 0, 0, y)
    found = np.full_like(expected, 7)
    run(filters.correlate_filters, x, w, None, found, **options, rectify=True)
    assert np.isnan(expected).any()
    assert_close(found, expected)
    largest, _ = reference.max_pool(expected, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)))
    found = np.full_like(largest, 7)
    run(filters.correlate_filters, x, w, None, found, **options, rectify=True, pooled=True)
    assert_close(found, largest)


MADE = {
    "few filters": [*(layers.Conv2D(5, 3), layers.ReLU(), layers.MaxPool2D()), layers.Conv2D(3, 2), layers.MaxPool2D()],
    "filters side by side": [
        *(layers.Conv2D(5, 3), layers.ReLU(), layers.MaxPool2D(2)),
        *(layers.Conv2D(4 * WHOLE, 2, bias="untied"), layers.MaxPool2D(2), layers.Sigmoid()),
        *(layers.Conv2D(WHOLE, 1), layers.MaxPool2D(2, stride=1), layers.Flatten(), layers.Dense(3)),
    ],
}


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("name", MADE)
def test_programs_pool_straight_from_the_sums(name: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for kernel, least in (("cross_correlate", 1 << 10), ("dense", 1)):
        monkeypatch.setitem(KERNELS, kernel, replace(KERNELS[kernel], shared_from=least))
    x = np.random.default_rng(count).standard_normal((count, 2, 15, 14))
    x[0, 1, 5, 5] = np.nan if name == "few filters" else 7
    expected, *found = (
        Network(MADE[name], (2, 15, 14), dtype="float64", engine=engine, threads=threads, seed=1).apply(x)
        for engine, threads in (("reference", 1), ("compiled", 1), ("compiled", 3))
    )
    for outputs in found:
        close(outputs, expected)
