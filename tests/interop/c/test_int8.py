"""Networks in integers: the C program computes what the class predicts, and both are near the model."""

import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop.c.compiled import INT8_FLAGS, int8_outputs, library, needs, of_integers, outputs
from interop.c.int8_networks import cases
from numerical import assert_close, deviation
from numpy.typing import NDArray
from selection import draws

import chainrule as cr
from benchmarks import int8_accuracy, microcontroller
from chainrule.data.normalization import Normalization
from chainrule.interop.c import Quantized, write_c
from chainrule.interop.c.scales import Int8Scale, fixed_point
from chainrule.models.model import Model

NETWORKS = draws(4)


@needs("gcc")
@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(INT8_FLAGS, id="vectors"),
        pytest.param((*INT8_FLAGS, "-march=native"), id="native"),
        pytest.param((*INT8_FLAGS, "-DNETWORK_PLAIN"), id="plain"),
        pytest.param(("-O2", "-march=native"), id="optimized"),  # which has other warnings
    ],
)
def test_c_computes_what_the_class_predicts(tmp_path: Path, flags: tuple[str, ...]) -> None:
    models, images, integers = zip(*islice(cases(), NETWORKS), strict=True)
    results = outputs(tmp_path, models, images, flags, integers)
    for actual, model, x, quantized in zip(results, models, images, integers, strict=True):
        expected, in_floats = quantized.predict(x), model.predict(x)
        assert_close(actual, expected.reshape(len(x), -1))
        if not any(isinstance(layer, cr.Multiply) for layer in model.layers):  # which enlarges errors
            assert np.abs(expected - in_floats).max() < 0.06 * np.abs(in_floats).max()


@needs(microcontroller.EMULATOR[0], microcontroller.COMPILER[0])
@pytest.mark.parametrize(("number", "io"), [*((number, "int8") for number in range(6)), (0, "float")])
def test_a_microcontroller_computes_what_the_class_predicts(tmp_path: Path, number: int, io: str) -> None:
    """Outputs of several axes have the channels last if they are integers. An integer input has one scale."""
    model, x, _ = next(islice(cases(), number, None))
    if io == "int8":
        model.normalization = Normalization("standardize", 0.05, -0.3)  # the same for all channels
    integers = Quantized(model, x, io=io)
    write_c(model, tmp_path, int8=integers)
    if io == "int8":
        step, zero = integers.input_scale
        x = ((np.clip(np.floor(x / step + zero + 0.5), -128, 127) - zero) * step).astype("f4")
    _, actual = microcontroller.measure(tmp_path, x[:1], integers)
    expected = integers.predict(x[:1]).reshape(-1)
    if io != "float" and len(model.output_shape) == 3:
        expected = expected.reshape(model.output_shape[0], -1).T.reshape(-1)
    assert_close(actual, expected)


@needs("gcc")
@pytest.mark.parametrize("kind", ["signals", "shares", "bytes", "standardized", "own scales"])
def test_integers_in_and_out_cover_the_measured_range(tmp_path: Path, kind: str) -> None:
    """int8 and uint8 programs get the same numbers, and images as the bytes that they are."""
    draw, layers = np.random.default_rng(4), (cr.Conv2D(4, 3), cr.ReLU(), cr.Flatten(), cr.Dense(3))
    images = draw.integers(0, 256, (60, 2, 6, 7)).astype(np.uint8)
    signals = 9 * draw.standard_normal((60, 2, 6, 7)).astype("f4") - 3
    x = {"shares": images[:] / np.float32(255), "bytes": images}.get(kind, signals)
    first = [cr.FakeQuantize(0.4, 120, 0, 255)] if kind == "own scales" else []
    model: Model = cr.Sequential([*first, *layers], (2, 6, 7), engine="numpy")
    method = {"bytes": "scale", "standardized": "standardize"}.get(kind, "none")
    model.normalization = Normalization.fit(method, x)
    expected = model.predict(x).reshape(60, -1)
    for io in ("int8", "uint8"):
        integers = Quantized(model, x, io=io)
        (step, zero), (output_step, output_zero), limits = integers.input_scale, integers.output_scale, np.iinfo(io)
        numbers = np.clip(np.rint(np.moveaxis(x, 1, -1) / step + zero), limits.min, limits.max).astype(io, "C")
        if io == "uint8" and kind in ("shares", "bytes"):
            np.testing.assert_array_equal(numbers, np.moveaxis(images, 1, -1))
        written = write_c(model, tmp_path / io, int8=integers)
        assert f"{step:.6g} (q - {zero:.6g})" in str(written)
        run, arena, actual = library(tmp_path / io), np.empty(written.arena, np.uint8), np.empty((60, 3), io)
        for image, row in zip(numbers, actual, strict=True):
            run(arena, image, row)
        outputs = output_step * (actual.astype(float) - output_zero)
        assert np.abs(outputs - expected).max() < 0.05 * np.abs(expected).max()


@needs("gcc")
@pytest.mark.parametrize("step", [1 / 256, 0.003])
@pytest.mark.parametrize("io", ["int8", "uint8"])
def test_rounded_probabilities_are_multiples_of_a_256th(tmp_path: Path, io: str, step: float) -> None:
    """A quantized classifier often ends in a softmax and its rounding; all scales are its own."""
    draw = np.random.default_rng(5)
    rounded = cr.FakeQuantize(0.05, 0, -128, 127)
    layers = [rounded, cr.Dense(4), rounded, cr.Softmax(), cr.FakeQuantize(step, -128, -128, 127)]
    model = cr.Sequential(layers, (6,), engine="numpy")
    x = draw.normal(size=(40, 6)).astype("f4")
    integers = Quantized(model, io=io)
    (in_step, in_zero), (out_step, out_zero) = integers.input_scale, integers.output_scale
    assert out_step == 1 / 256
    numbers = np.clip(np.rint(x / in_step + in_zero), *(np.iinfo(io).min, np.iinfo(io).max)).astype(io)
    written = write_c(model, tmp_path, int8=integers)
    run, arena, actual = library(tmp_path), np.empty(written.arena, np.uint8), np.empty((40, 4), io)
    for image, row in zip(numbers, actual, strict=True):
        run(arena, image, row)
    assert np.abs(out_step * (actual.astype(float) - out_zero) - model.predict(x)).max() < 0.03


def test_accuracy_is_kept_and_the_error_is_below_that_of_onnx_runtime() -> None:
    draw = np.random.default_rng(1)
    patterns, labels = draw.uniform(0, 255, (5, 1, 10, 10)), draw.integers(0, 5, 1400)
    x = np.clip(patterns[labels] * 0.4 + draw.normal(80, 40, (1400, 1, 10, 10)), 0, 255).astype(np.uint8)
    layers = (cr.Conv2D(6, 3), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(5), cr.Softmax())
    model = cr.Sequential(layers, (1, 10, 10), engine="numpy")
    model.fit(x[:400], labels[:400], epochs=6, batch_size=16, learning_rate=0.01, progress=False)
    before = model.evaluate(x[400:], labels[400:])
    assert before.accuracy > 0.7
    integers = Quantized(model, x[:200])
    after = integers.evaluate(before, x[400:]).accuracy
    assert after == (integers.predict(x[400:]).argmax(1) == labels[400:]).mean()
    assert abs(after - before.accuracy) <= 0.005
    expected = model.predict(x[400:600])
    ours, theirs = int8_accuracy.quantized_outputs(model, x[:200], x[400:600])
    assert int8_accuracy.relative_error(ours, expected) <= int8_accuracy.relative_error(theirs, expected)


def test_integers_take_a_quarter_of_the_memory(tmp_path: Path) -> None:
    model = of_integers()
    x: NDArray[Any] = np.random.default_rng(1).normal(size=(4, *model.input_shape))
    floats, integers = write_c(model, tmp_path / "a"), write_c(model, tmp_path / "b", int8=Quantized(model, x))
    assert integers.arena <= floats.arena / 4
    assert integers.constants < 0.54 * floats.constants  # filters are padded to blocks of 4


def test_scales_hold_zero_exactly_and_factors_are_near() -> None:
    draw = np.random.default_rng(2)
    for low, high in draw.normal(size=(50, 2)):
        scale = Int8Scale.of(min(low, high), max(low, high))
        assert scale.values(scale.numbers(np.zeros(1))) == 0
        real: NDArray[Any] = np.linspace(min(low, high, 0), max(low, high, 0), 77)
        assert np.abs(scale.values(scale.numbers(real)) - real).max() <= scale.step * 1.01
    ratios = np.exp(draw.uniform(-12, 3, 100))
    multipliers, shifts = fixed_point(ratios)
    assert_close(multipliers / 2.0 ** shifts.astype(float), ratios, error=1e-8)


@needs("gcc")
@pytest.mark.parametrize("seed", range(3))
def test_elements_are_repeated_and_selected(tmp_path: Path, seed: int) -> None:
    """In floats and in integers, along any axis and by drawn indices."""
    draw = np.random.default_rng(seed)
    image = cr.Input((3, 4, 5))
    axes = draw.permutation(3)
    single = cr.Slice(int(axes[1]), 1, 2)(cr.Slice(int(axes[0]), 0, 1)(image))
    total = cr.Add()(cr.Conv2D(3, 3, padding="same")(image), single)
    selected = cr.Gather((2, 4, 5))(total)
    model = cr.Graph(image, cr.Concatenate()(selected, cr.Broadcast((3, 4, 5))(single)), engine="numpy")
    model.weights["gather1.indices"][:] = draw.integers(0, 60, 40)
    x = draw.normal(size=(9, 3, 4, 5)).astype("f4")
    (in_floats,) = outputs(tmp_path / "floats", [model], [x], ())
    assert_close(in_floats, model.predict(x).reshape(9, -1))
    integers = Quantized(model, x)
    assert deviation(integers.predict(x), model.predict(x)) < 0.03
    assert_close(int8_outputs(tmp_path, model, x, integers), integers.predict(x).reshape(9, -1))


@needs("gcc")
@pytest.mark.parametrize("by", ["greater", "equal"])
def test_a_selection_takes_rounded_elements(tmp_path: Path, by: str) -> None:
    """Also of a constant, and of values on other scales than that of the result."""
    image, draw = cr.Input((2, 5, 4)), np.random.default_rng(1)
    limit, a = cr.FixedValue((1, 5, 4))(image), cr.Conv2D(2, 3, padding="same")(image)
    y = cr.Where()(cr.Compare(by)(image, limit), a, cr.FixedValue((2, 1, 1))(image))
    model, x = cr.Graph(image, y, engine="numpy"), np.round(draw.normal(size=(9, 2, 5, 4))).astype("f4")
    model.weights["constant1.b"][:] = np.round(draw.normal(size=(1, 5, 4))) + (0.5 if by == "greater" else 0)
    model.weights["constant2.b"][:] = 0.5
    integers = Quantized(model, x)
    assert_close(int8_outputs(tmp_path, model, x, integers), integers.predict(x).reshape(9, -1))
    assert deviation(integers.predict(x), model.predict(x)) < (0.02 if by == "greater" else 2)


@needs("gcc")
def test_sums_of_many_equal_weights_stay_within_32_bits(tmp_path: Path) -> None:
    """70,000 products of the largest weights and inputs are 2.3e9, and the bias makes the most of what is left."""
    model = cr.Sequential((cr.Dense(2), cr.ReLU(), cr.Dense(1)), (70_000,), engine="numpy")
    model.weights["dense1.w"][:] = np.array([[1], [-1]])
    model.weights["dense1.b"][:] = np.array([1e9, -1e9])
    x = np.full((2, 70_000), 4, np.float32)
    x[1, ::2] = -1
    integers = Quantized(model, x)
    assert_close(int8_outputs(tmp_path, model, x, integers), integers.predict(x))


def test_a_quantized_model_keeps_no_views_of_the_weights() -> None:
    """While there are views, which may be written to, the engine packs the weights again in every call of predict."""
    model = of_integers()
    before = sys.getrefcount(model.parameters)
    integers = Quantized(model, np.ones((2, *model.input_shape)))
    after = sys.getrefcount(model.parameters)
    assert (integers.model, after) == (model, before)
