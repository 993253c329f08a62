"""Convolutions by Winograd's algorithm: the transforms, agreement with the reference, and when they are selected."""

from typing import Any

import numpy as np
import pytest
from engines.kernel_calls import run
from numpy.typing import NDArray

from chainrule.engines.compiled import compiler
from chainrule.engines.compiled.compiler import CELLS, RESULTS, WEIGHTS, WIDTH, from_points, to_points
from chainrule.engines.compiled.kernels import selection
from chainrule.engines.compiled.kernels.selection import KERNELS
from chainrule.engines.compiled.kernels.tiles import lanes, load, store
from chainrule.operations import reference

Array = NDArray[Any]
CELLS_OF_A_TILE = 6
NAMES = {3: "correlate_winograd", 5: "correlate_winograd_5x5"}


def columns(seed: int, count: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((1, count, lanes(8)))


@pytest.mark.parametrize("taps", range(2, 6))
def test_products_at_the_points_are_a_correlation(taps: int) -> None:
    cells, weights, results = columns(0, CELLS_OF_A_TILE), columns(1, taps), CELLS_OF_A_TILE + 1 - taps
    found = from_points(to_points(weights, WEIGHTS) * to_points(cells, CELLS), RESULTS, results)
    expected = [np.sum(cells[0, i : i + taps] * weights[0], axis=0) for i in range(results)]
    np.testing.assert_allclose(found[0], expected, atol=1e-13)


@pytest.mark.parametrize(("matrix", "count"), [(WEIGHTS, 3), (WEIGHTS, 5), (CELLS, 6), (RESULTS, 4), (RESULTS, 2)])
def test_the_way_back_is_the_transpose(matrix: int, count: int) -> None:
    given, points = columns(2, count), columns(3, CELLS_OF_A_TILE)
    there, back = np.sum(to_points(given, matrix) * points), np.sum(given * from_points(points, matrix, count))
    np.testing.assert_allclose(there, back, rtol=1e-13)  # ⟨Cx, y⟩ = ⟨x, Cᵀy⟩


def transforms(x: Array, found: Array) -> None:
    width = WIDTH // x.itemsize
    store(to_points(load(x, 3, 90, 2, 3), WEIGHTS), found, 0, 2 * width)
    store(to_points(load(x, 5, 70, 2, 6), CELLS), found, 12 * width, 2 * width)
    store(to_points(load(x, 7, 80, 2, 4), RESULTS), found, 24 * width, 2 * width)
    store(from_points(load(x, 2, 60, 2, 6), WEIGHTS, 3), found, 36 * width, 2 * width)
    store(from_points(load(x, 4, 50, 2, 6), CELLS, 6), found, 42 * width, 2 * width)
    store(from_points(load(x, 6, 40, 2, 6), RESULTS, 4), found, 54 * width, 2 * width)
    store(to_points(load(x, 1, 30, 2, 5), WEIGHTS), found, 62 * width, 2 * width)
    store(from_points(load(x, 8, 20, 2, 6), RESULTS, 2), found, 74 * width, 2 * width)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_transforms_are_their_definitions(dtype: str) -> None:
    x = np.random.default_rng(4).standard_normal(500).astype(dtype)
    expected, found = (np.full(80 * lanes(x.itemsize), 7, dtype) for _ in range(2))
    transforms(x, expected)
    compiler.kernel(transforms)(x, found)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 if dtype == "float32" else 1e-13)
    assert ((found == 7) == (expected == 7)).all()


def drawn(seed: int, dtype: str = "float64") -> tuple[Array, Array, Array, dict[str, Any]]:
    """Draw x, w, dy and attributes of a convolution that the reference's loops compute in time."""
    draw = np.random.default_rng(seed)
    while True:
        taps, dilation = int(draw.choice([3, 5])), tuple(int(each) for each in draw.choice([1, 1, 2, 3], 2))
        reaches = [apart * (taps - 1) for apart in dilation]
        padding = tuple(tuple(int(pad) for pad in draw.integers(0, reach + 1, 2)) for reach in reaches)
        count, ins, outs = (int(draw.integers(1, most)) for most in (9, 3 * lanes(8), 5 * lanes(8)))
        size = [int(cells) for cells in draw.integers(1, 20, 2)]
        outputs = [cells + sum(pair) - reach for cells, pair, reach in zip(size, padding, reaches, strict=True)]
        if min(outputs) > 0 and count * ins * outs * taps**2 * max(np.prod(outputs), np.prod(size)) < 100_000:
            break
    x, w = draw.standard_normal((count, ins, *size)), draw.standard_normal((outs, ins, taps, taps))
    dy = draw.standard_normal((count, outs, *outputs))
    options = {"padding": padding, "dilation": dilation, "flip": bool(draw.integers(2))}
    return x.astype(dtype), w.astype(dtype), dy.astype(dtype), options


def close(found: Array, expected: Array, times: float = 100) -> None:
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert error < times * np.finfo(found.dtype).eps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(24))
def test_results_and_gradients_are_those_of_the_reference(seed: int, dtype: str) -> None:
    x, w, dy, options = drawn(seed, dtype)
    exact = [each.astype("float64") for each in (x, w, dy)]
    b, kernel, name = np.random.default_rng(seed).standard_normal(len(w)).astype(dtype), w.shape[2:], NAMES[w.shape[2]]
    found = selection.call(name, (x, w, b), options)[0]
    close(found, reference.cross_correlate(exact[0], exact[1], b.astype("float64"), **options))
    found = selection.call(f"{name}_dx", (dy, w), {**options, "size": x.shape[2:]})[0]
    close(found, reference.cross_correlate_dx(exact[2], exact[1], size=x.shape[2:], **options))
    found = selection.call(f"{name}_dw", (x, dy), {**options, "kernel": kernel})[0]
    close(found, reference.cross_correlate_dw(exact[0], exact[2], kernel=kernel, **options))


@pytest.mark.parametrize("seed", range(4))
def test_scaled_results_are_multiplied_before_a_bias_is_added(seed: int) -> None:
    x, w, dy, options = drawn(seed)
    times, plus = np.random.default_rng(3).standard_normal((2, len(w)))
    expected = reference.cross_correlate(x, w * times[:, None, None, None], plus, **options)
    found = np.full_like(dy, np.nan)
    kernel = KERNELS[NAMES[w.shape[2]]].kernel
    run(kernel, x, w, np.concatenate([plus, times]), found, **options, scaled=True, capped=0.5)
    np.testing.assert_allclose(found, np.clip(expected, 0, 0.5), atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(4))
def test_shares_of_threads_have_the_bits_of_the_whole(seed: int, dtype: str) -> None:
    x, w, dy, options = drawn(seed, dtype)
    whole, found = np.full_like(dy, np.nan), np.full_like(dy, np.nan)
    entry = KERNELS[NAMES[w.shape[2]]]
    run(entry.kernel, x, w, None, whole, **options)
    rows = 4 * options["dilation"][0]
    for first in range(0, dy.shape[2], rows):
        run(entry.kernel, x, w, None, found, **options, first=first, last=min(first + rows, dy.shape[2]))
    np.testing.assert_array_equal(found, whole)
    found[:] = np.nan
    vector = lanes(x.itemsize)
    for lowest in range(0, len(w), vector):
        run(entry.kernel, x, w, None, found, **options, lowest=lowest, highest=min(lowest + vector, len(w)))
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("taps", NAMES)
def test_errors_in_float32_are_about_those_of_plain_sums(taps: int) -> None:
    draw = np.random.default_rng(5)
    x = draw.standard_normal((4, 64, 16, 16)).astype("float32")
    w = draw.standard_normal((32, 64, taps, taps)).astype("float32")
    exact = selection.call("cross_correlate", (x.astype("float64"), w.astype("float64"), None), {})[0]
    plain, found = (selection.call(name, (x, w, None), {})[0] for name in ("correlate_filters", NAMES[taps]))
    assert np.std(found - exact) < 3 * np.std(plain - exact)


def test_a_cell_that_is_not_finite_is_seen_by_the_results_of_its_tiles_alone() -> None:
    draw = np.random.default_rng(6)
    x, w = draw.standard_normal((2, lanes(8), 12, 12)), draw.standard_normal((lanes(8), lanes(8), 3, 3))
    found = selection.call("correlate_winograd", (x, w, None), {"padding": ((1, 1), (1, 1))})[0]
    x[1, 0, 5, 5] = np.inf
    spoilt = selection.call("correlate_winograd", (x, w, None), {"padding": ((1, 1), (1, 1))})[0]
    assert np.isnan(spoilt[1, :, 4:8, 4:8]).all()
    spoilt[1, :, 4:8, 4:8] = found[1, :, 4:8, 4:8]
    np.testing.assert_array_equal(spoilt, found)


def test_they_are_selected_for_many_channels() -> None:
    def chosen(name: str, *arrays: Array, **options: Any) -> str:
        given = {"padding": ((1, 1), (1, 1)), "size": (16, 16), "kernel": (3, 3), **options}
        return KERNELS[selection.select_kernel(name, arrays, given, 4)].family

    x, w, dy = np.zeros((8, 64, 16, 16)), np.zeros((64, 64, 3, 3)), np.zeros((8, 64, 16, 16))
    assert chosen("cross_correlate", x, w) == "winograd"
    assert chosen("cross_correlate", x, w, np.zeros((64, 16, 16))) != "winograd"  # a bias for every position
    assert chosen("cross_correlate_dx", dy, w) == "winograd"
    assert chosen("cross_correlate_dx", dy, w, padding=((3, 3), (3, 3))) != "winograd"
    assert chosen("cross_correlate_dw", x, dy) == "winograd"
    assert chosen("cross_correlate", x, np.zeros((64, 64, 5, 5)), padding=((2, 2), (2, 2))) == "winograd"
    assert chosen("cross_correlate", x, w, dilation=(2, 2), padding=((2, 2), (2, 2))) == "winograd"
    for other in ({"stride": (2, 2)}, {"groups": 2}):
        assert chosen("cross_correlate", x, w[:, : 64 // other.get("groups", 1)], **other) != "winograd"
    many = np.zeros((512, 512, 3, 3))
    assert chosen("cross_correlate", np.zeros((1, 512, 7, 7)), many, single=True) != "winograd"
