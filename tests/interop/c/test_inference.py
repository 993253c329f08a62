"""Exported networks compute what the models compute, under sanitizers and for each kind of processor."""

import platform
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_networks import draw_graph, fitting, smooth_graph
from interop.c.compiled import NATIVE, SANITIZED, called, covering, needs, outputs, wide
from models import several
from numerical import assert_close, exact
from numpy.typing import NDArray
from selection import draws

import chainrule as cr
from chainrule import zoo
from chainrule.data.normalization import Normalization
from chainrule.interop.c import packing, write_c
from chainrule.interop.c.packing import Tiling
from chainrule.layers.kinds import EXAMPLES
from chainrule.models.model import Model

pytestmark = needs("gcc")
PLAIN, VECTORS = (*SANITIZED, "-DNETWORK_PLAIN"), SANITIZED
SWEEP = draws(10) if draws(1) > 5 else 0  # graphs for each kind of processor; 0: enough to call everything
POOL = 34  # graphs that are drawn
LOST = 30  # allowed error relative to that of the NumPy engine in float32, which rounds in another order


def drawn(number: int) -> tuple[Model, NDArray[Any]]:
    """Draw a graph of any layers, or of smooth ones and a softmax, and images."""
    draw = np.random.default_rng([31, number])
    if number % 3 == 0:
        model: Model = smooth_graph(draw, dtype="float32", engine="numpy")
        return model, draw.normal(size=(2, *model.input_shape))
    graph = replace(draw_graph(draw), dtype="float32")
    return graph.build("numpy"), graph.x[:2]


def check(folder: Path, models: list[Model], flags: tuple[str, ...], images: list[NDArray[Any]] | None = None) -> None:
    """Compare the compiled models with those in float64, by default for random images."""
    draw = np.random.default_rng(8)
    images = images or [draw.normal(size=(2, *model.input_shape)) for model in models]
    for model, x, y in zip(models, images, outputs(folder, models, images, flags), strict=True):
        expected = exact(model, x).reshape(len(x), -1)
        rounding = np.abs(model.apply(x.astype("f4")).reshape(len(x), -1) - expected).max()
        scale = np.abs(expected).max() + 1e-3
        assert np.abs(y - expected).max() <= LOST * rounding + 2e-6 * scale, repr(model.layers)


X87 = ("-m32", "-mfpmath=387")  # floats are computed with 80 bits; needs the package gcc-multilib
REORDERED = (
    *(("-O2", "-ffast-math"), ("-O3", "-march=native", "-ffast-math"), ("-Ofast", "-DNETWORK_PLAIN")),
    *(("-O2", "-funsafe-math-optimizations"), ("-O2", *X87), ("-Ofast", *X87)),
)


@pytest.mark.parametrize("flags", REORDERED, ids=" ".join)
def test_options_that_reorder_float_arithmetic_change_only_rounding(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """Every element-wise function and softmax of tiny to large numbers, and networks of the zoo."""
    (tmp_path / "empty.c").write_text("#include <stdint.h>\n")
    if subprocess.run(["gcc", *flags, "-c", "empty.c"], cwd=tmp_path, capture_output=True).returncode:
        pytest.skip("needs gcc-multilib")
    x = cr.Input((13, 40))
    layers = [layer for layers in EXAMPLES.values() for layer in layers]
    functions = cr.Graph(x, cr.Concatenate()(*(layer(x) for layer in (*layers, cr.Softmax()))), engine="numpy")
    draw = np.random.default_rng(len(" ".join(flags)))
    numbers = (draw.choice((-1, 1), (8, 13, 40)) * 10 ** draw.uniform(-5, np.log10(80), (8, 13, 40))).astype("f4")
    (values,) = outputs(tmp_path, [functions], [numbers], flags)
    np.testing.assert_allclose(values, exact(functions, numbers).reshape(8, -1), rtol=1e-5, atol=1e-7)
    check(tmp_path / "zoo", [zoo.find(name).build(engine="numpy") for name in ("vanilla-cnn", "zayan")], flags)


@np.errstate(all="ignore")
def test_functions_of_the_largest_numbers(tmp_path: Path) -> None:
    x = np.outer((-1, 1), (30, 100, 1e4, 1e10, 1e30, 8e37)).astype("f4").reshape(1, -1)
    models = [
        cr.Sequential([layer], x.shape[1:], engine="numpy") for examples in EXAMPLES.values() for layer in examples
    ]
    for model, y in zip(models, outputs(tmp_path, models, [x] * len(models), VECTORS), strict=True):
        expected = exact(model, x).astype("f4")
        finite = np.isfinite(expected)  # others are limited, such as e^88
        np.testing.assert_allclose(y[finite], expected[finite], rtol=1e-5, atol=1e-6, err_msg=repr(model.layers))


EACH_WIDTH = pytest.mark.parametrize(
    "flags",
    [
        pytest.param(VECTORS, id="4 lanes"),
        pytest.param(PLAIN, id="plain"),
        pytest.param(
            ("-O1", "-mavx"),
            id="8 lanes",  # often those of the native processor
            marks=[pytest.mark.thorough, pytest.mark.skipif(platform.machine() != "x86_64", reason="needs AVX")],
        ),
        pytest.param(NATIVE, id="native"),
    ],
)


@EACH_WIDTH
def test_models_compute_the_same(tmp_path: Path, flags: tuple[str, ...]) -> None:
    pairs = [drawn(number) for number in range(SWEEP or POOL)]
    pairs = [(model, x) for model, x in pairs if np.isfinite(model.apply(x.astype("f4"))).all()]  # exponentials of sums
    chosen = pairs if SWEEP else [pairs[number] for number in covering(model for model, _ in pairs)]
    images = np.random.default_rng(8)
    for model in (*(depthwise(np.random.default_rng([9, number])) for number in range(8)), of_any_filters()):
        chosen.append((model, images.normal(size=(2, *model.input_shape))))
    check(tmp_path, [model for model, _ in chosen], flags, [x for _, x in chosen])


def of_any_filters() -> Model:
    """Return convolutions of 1 to 33 filters, which are computed in blocks of up to 16."""
    x = cr.Input((2, 5, 6))
    return cr.Graph(x, cr.Concatenate()(*(cr.Conv2D(filters, 2)(x) for filters in range(1, 34))), engine="numpy")


def depthwise(draw: np.random.Generator) -> Model:
    """Draw a convolution with a kernel for each channel, and what it takes in."""
    layer, (channels, *size) = fitting(draw, "Conv2D")
    own: Any = replace(layer, groups=channels, filters=channels)
    shape = (channels, *(int(side) for side in size + draw.integers(0, 30, 2)))
    return cr.Sequential((own, cr.BatchNorm2D(), cr.ReLU()), shape, engine="numpy")


@EACH_WIDTH
def test_winograd_computes_the_same(tmp_path: Path, flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes whose last tiles and blocks are incomplete, with what a convolution takes in, whether it pays or not."""
    monkeypatch.setattr(packing, "winograd_cost", free)
    models = [
        wide(5, 18, (9, 33), "same"),
        wide(3, 16, (1, 1), "same"),
        wide(16, 33, (16, 16), "same", bias="untied"),
        wide(2, 4, (8, 25), 2, convolution=True),
        wide(4, 7, (12, 10), "valid", bias=False),
    ]
    assert all("winograd" in called(model) for model in models)
    check(tmp_path, models, flags)


def free(tiling: Tiling, channels: int, filters: int) -> float:
    return 0.0 * tiling.rows * channels * filters


def test_wide_convolutions_alone_are_computed_by_winograd(tmp_path: Path) -> None:
    """It pays for many channels; compact programs leave it out, and are smaller."""
    narrow, broad = (wide(count, count, (16, 16), "same") for count in (4, 64))
    assert ["winograd" in called(model) for model in (narrow, broad)] == [False, True]
    fast, compact = write_c(broad, tmp_path / "fast"), write_c(broad, tmp_path / "compact", compact=True)
    assert compact.constants * 1.7 < fast.constants < compact.constants * 1.8
    assert compact.arena < fast.arena
    assert fast.plain == compact.plain == (compact.constants, compact.arena)
    assert "winograd" not in (tmp_path / "compact" / "network.c").read_text()


def test_normalization_of_many_elements_and_copies_of_five_axes(tmp_path: Path) -> None:
    """Sums of 65,536 elements are accurate; pixel shuffling of several channels, and back, permutes five axes.

    Slices cut five axes.
    """
    random = np.random.default_rng(0)
    norm = cr.Sequential([cr.InstanceNorm2D()], (1, 256, 256), engine="numpy")
    shuffle = (cr.Reshape((3, 2, 2, 4, 5)), cr.Permute((0, 3, 1, 4, 2)), cr.Reshape((3, 8, 10)))
    back = (cr.Reshape((3, 4, 2, 5, 2)), cr.Permute((0, 2, 4, 1, 3)), cr.Reshape((12, 4, 5)))
    around = cr.Sequential([*shuffle, cr.ReLU(), *back], (12, 4, 5), engine="numpy")
    slices = (cr.Reshape((3, 2, 2, 4, 5)), cr.Slice(2, 1, 2), cr.Slice(4, 1, 4), cr.Flatten())
    cut = cr.Sequential([cr.ReLU(), *slices], (12, 4, 5), engine="numpy")
    images = (random.standard_normal((3, 1, 256, 256)) + np.reshape([0, 10, 100], (3, 1, 1, 1))).astype(np.float32)
    small = random.random((2, 12, 4, 5)).astype(np.float32)
    normalized, unchanged, sliced = outputs(tmp_path, [norm, around, cut], [images, small, small], VECTORS)
    flat = images.reshape(3, -1).astype(np.float64)
    expected = (flat - flat.mean(1, keepdims=True)) / np.sqrt(flat.var(1, keepdims=True) + 1e-5)
    assert np.abs(normalized - expected).max() <= 2e-6 * np.abs(expected).max()
    np.testing.assert_array_equal(unchanged, small.reshape(2, -1))
    np.testing.assert_array_equal(sliced, small.reshape(2, 3, 2, 2, 4, 5)[:, :, :, 1:2, :, 1:4].reshape(2, -1))


def test_zeros_around_an_image_are_the_padding_of_the_convolution() -> None:
    apart = cr.Sequential([cr.Pad2D(1), cr.Conv2D(3, 3)], (2, 6, 5), engine="numpy")
    joined = cr.Sequential([cr.Conv2D(3, 3, padding=1)], (2, 6, 5), engine="numpy")
    assert called(apart) == called(joined)


def test_normalization_and_scaling_are_part_of_the_program(tmp_path: Path) -> None:
    """Several inputs and outputs, which follow each other, have their own."""
    layers = (cr.Conv2D(3, 3), cr.ReLU(), cr.Flatten(), cr.Dense(4), cr.Softmax())
    rows: list[tuple[Any, Any]] = [(0.012, -0.4), ((0.012, 0.3), (-0.4, 7.0)), (0.012, (0.0, 1.0))]
    normalizations = [Normalization("standardize", *row, (0.0, 255.0), 255.0) for row in rows]
    models: list[Model] = [
        cr.Sequential(layers, (2, 6, 5), normalization=each, engine="numpy") for each in normalizations
    ]
    images = np.random.default_rng(1).integers(0, 256, (3, 2, 6, 5)).astype(np.uint8)
    both, (x, y) = several.model(dtype="float32", loss=several.LOSSES), several.scaled_batch(4)
    both.fit(x, y, standardize_targets=True, normalization="standardize", progress=False)
    packed = np.concatenate([part.reshape(4, -1) for part in x], 1)
    expected = [*(model.predict(images) for model in models), np.concatenate([*both.predict(x).values()], 1)]
    for actual, result in zip(
        outputs(tmp_path, [*models, both], [images] * 3 + [packed], PLAIN), expected, strict=True
    ):
        assert_close(actual, result)
