"""Scales of activations by several methods, and the error of each layer in int8."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop.c.int8_networks import cases
from selection import draws

import chainrule as cr
from chainrule.errors import DataError, OptionError, SampleError, ShapeError
from chainrule.interop.c import Quantized, calibration, write_c
from chainrule.interop.c.scales import Int8Scale


def test_the_least_error_is_that_of_no_other_part_of_the_range() -> None:
    draw = np.random.default_rng(3)
    for _ in range(draws(20)):
        values = draw.standard_t(draw.uniform(1.5, 8), 3000)
        low, high = float(values.min()), float(values.max())
        chosen = calibration._least_error(values, low, high)

        def error(scale: Int8Scale, values: np.ndarray = values) -> float:
            return float(np.square(scale.values(scale.numbers(values)) - values).mean())

        assert error(chosen) <= min(error(Int8Scale.of(share * low, share * high)) for share in (1, 0.9, 0.7, 0.5))


def heavy_tailed(seed: int) -> tuple[cr.Sequential, np.ndarray, np.ndarray]:
    """Return a network with few large activations that the next layer saturates, and images: for scales, and others."""
    draw = np.random.default_rng(seed)
    layers = [cr.Conv2D(4, 3), cr.Exp(), cr.Tanh(), cr.Flatten(), cr.Dense(3)]
    model = cr.Sequential(layers, (2, 10, 9), engine="numpy", seed=seed)
    x = draw.normal(size=(400, 2, 10, 9)).astype("f4")
    return model, x[:200], x[200:]


@pytest.mark.parametrize("start", range(0, draws(4), 4))
def test_the_best_scales_are_no_worse_than_those_of_the_range_for_other_images(start: int) -> None:
    errors, limits = list[float](), list[float]()
    for seed in range(start, start + 4):
        model, x, others = heavy_tailed(seed)
        best, of_range = Quantized(model, x), Quantized(model, x, scales="range")
        assert {*best.calibrations} == {*calibration.METHODS}
        assert {*of_range.calibrations} == {"range"}
        assert best.chosen is not None
        assert best.calibrations[best.chosen] <= of_range.calibrations["range"]
        expected = model.predict(others)
        errors.append(calibration.relative_error(best.predict(others), expected))
        limits.append(calibration.relative_error(of_range.predict(others), expected))
    assert sum(errors) < 0.9 * sum(limits)


def test_errors_are_those_of_the_network_up_to_a_layer() -> None:
    """The error of a layer is that of the outputs of a network that ends there."""
    draw = np.random.default_rng(1)
    layers = [cr.Conv2D(5, 3), cr.ReLU(), cr.AveragePool2D(2), cr.Conv2D(3, (2, 1)), cr.Tanh(), cr.Flatten()]
    model = cr.Sequential([*layers, cr.Dense(3)], (2, 10, 9), engine="numpy", seed=2)
    x = draw.normal(size=(60, 2, 10, 9)).astype("f4")
    quantized = Quantized(model, x, scales="range", io="int8")
    whole = quantized.layer_errors
    step, _ = quantized.input_scale
    assert (
        0.2 * step < whole["input"] * np.sqrt(np.square(x).mean()) < 0.4 * step
    )  # the deviation of rounding: step/√12
    for count, name in ((2, "relu1"), (3, "pool1"), (5, "tanh1")):
        part = cr.Sequential(layers[:count], (2, 10, 9), engine="numpy")
        part.set_weights({weight: model.weights[weight] for weight in part.weights})
        start = Quantized(part, x, scales="range", io="int8")
        assert start.layer_errors[name] == pytest.approx(whole[name], rel=1e-6)
        assert calibration.relative_error(start.predict(x), part.predict(x)) == pytest.approx(whole[name], rel=1e-6)


def test_images_are_read_as_by_predict() -> None:
    draw = np.random.default_rng(3)
    model = cr.Sequential([cr.Conv2D(4, 3), cr.ReLU(), cr.Flatten(), cr.Dense(3)], (3, 8, 9), engine="numpy")
    x = draw.normal(size=(12, 3, 8, 9)).astype("f4")
    expected = Quantized(model, x).predict(x)
    for images in (list(x), cr.Dataset(x, np.arange(12) % 3), np.moveaxis(x, 1, -1), x.astype("f8")):
        np.testing.assert_array_equal(Quantized(model, images).predict(x), expected)
    np.testing.assert_array_equal(Quantized(model, x[0]).predict(x), Quantized(model, x[:1]).predict(x))
    for value in (np.nan, np.inf):
        invalid = x.copy()
        invalid[7, 0, 2, 3] = value
        with pytest.raises(SampleError, match="sample 7"):
            Quantized(model, invalid)
    with pytest.raises(DataError, match="no images"):
        Quantized(model, x[:0])
    with pytest.raises(ShapeError, match="3×8×9"):
        Quantized(model, x[:, :, :-1])


def test_the_integers_of_another_model_are_not_written(tmp_path: Path) -> None:
    model, other = (cr.Sequential([cr.Dense(size)], (5,), engine="numpy") for size in (2, 3))
    invalid: list[Any] = [Quantized(model, np.eye(5)), np.eye(5), True]
    for int8 in invalid:
        with pytest.raises(OptionError, match="this model"):
            write_c(other, tmp_path / "unwritten", int8=int8)


def test_every_method_has_a_program_and_unknown_ones_are_refused() -> None:
    model, x, integers = next(cases())
    for method in calibration.METHODS:
        outputs = Quantized(model, x, scales=method).predict(x)
        assert outputs.shape == integers.predict(x).shape
    with pytest.raises(OptionError, match="percentile"):
        Quantized(model, x, scales="percentil")


def test_parts_of_a_concatenation_are_rounded_once() -> None:
    """They have the scale of the result, however different their ranges are."""
    x = cr.Input((2, 6, 5))
    small, large = cr.Conv2D(3, 3)(x), cr.Conv2D(3, 3)(x)
    y = cr.Dense(2)(cr.Flatten()(cr.Concatenate()(small, large)))
    model = cr.Graph(x, y, engine="numpy")
    model.set_weights({**model.weights, "conv2.w": model.weights["conv2.w"] * 50})
    quantized = Quantized(model, np.random.default_rng(5).normal(size=(20, 2, 6, 5)).astype("f4"), scales="range")
    assert "look_up" not in {call.function for call in quantized.program().calls}
