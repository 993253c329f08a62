"""TensorFlow Lite files give the results of LiteRT, or are refused in one line."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop.c.compiled import int8_outputs
from interop.keras_models import channels_first
from interop.mlperf_tiny import NETWORKS, TfliteBuilder
from interop.tflite_files import Writer, computed, quantized, step
from numerical import assert_close
from numpy.typing import NDArray

import chainrule as cr
from chainrule.errors import FormatError, OptionError
from chainrule.interop import verification

Array = NDArray[Any]
SHAPE = (1, 8, 6, 4)
RANDOM = np.random.default_rng(0)


def assert_equal_outputs(path: Path, tolerance: float) -> None:
    """Compare the outputs with those of LiteRT, as `chainrule import --verify` does."""
    line = verification.comparison(path, cr.load(path, engine="numpy"))
    difference = re.search(r"LiteRT by at most (\S+) ", line)
    assert difference
    assert float(difference[1]) <= tolerance


def normal(*shape: int) -> Array:
    return RANDOM.standard_normal(shape).astype(np.float32) / 2


def network(writer: Writer) -> int:
    """Return the result of a small classifier with a skip connection and float16 weights."""
    steps = {"Padding": 0, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    kernel = writer.add("DEQUANTIZE", [writer.constant(normal(4, 3, 3, 4), "float16")], (4, 3, 3, 4))
    inputs = [0, kernel, writer.constant(normal(4))]
    x = writer.add("CONV_2D", inputs, SHAPE, FusedActivationFunction=1, **steps)
    inputs = [x, writer.constant(normal(1, 3, 3, 8)), writer.constant(normal(8))]
    options = {**steps, "Padding": 1, "StrideH": 2, "StrideW": 2, "DepthMultiplier": 2, "FusedActivationFunction": 3}
    y = writer.add("DEPTHWISE_CONV_2D", inputs, (1, 3, 2, 8), **options)
    windows = {"Padding": 1, "StrideH": 3, "StrideW": 2, "FilterHeight": 3, "FilterWidth": 2}
    z = writer.add("MAX_POOL_2D", [y], (1, 1, 1, 8), **windows)
    y = writer.add("ADD", [y, z], (1, 3, 2, 8), FusedActivationFunction=1)
    y = writer.add("RESHAPE", [y, writer.constant([1, 48])], (1, 48))
    y = writer.add(
        "FULLY_CONNECTED",
        [y, writer.constant(normal(5, 48)), writer.constant(normal(5))],
        (1, 5),
    )
    return writer.add("SOFTMAX", [y], (1, 5), Beta=1.0)


def decoder(writer: Writer) -> int:
    """Return parts of an enlarged image."""
    shape = writer.constant([1, 16, 12, 3])
    inputs = [shape, writer.constant(normal(3, 3, 3, 4)), 0]
    y = writer.add("TRANSPOSE_CONV", inputs, (1, 16, 12, 3), Padding=0, StrideH=2, StrideW=2)
    y = writer.add("PAD", [y, writer.constant([[0, 0], [1, 0], [2, 1], [0, 0]])], (1, 17, 15, 3))
    y = writer.add(
        "RESIZE_BILINEAR",
        [y, writer.constant([20, 9])],
        (1, 20, 9, 3),
        HalfPixelCenters=True,
    )
    y = writer.add(
        "RESIZE_NEAREST_NEIGHBOR",
        [y, writer.constant([10, 18])],
        (1, 10, 18, 3),
        HalfPixelCenters=True,
    )
    bounds = [writer.constant(numbers) for numbers in ([0, 1, -16, 0], [1, 9, -1, 9], [1, 2, 3, 1])]
    y = writer.add("STRIDED_SLICE", [y, *bounds], (1, 4, 5, 3), EndMask=8)
    bounds = [writer.constant(numbers) for numbers in ([0, 0, 1, 0], [1, -1, 3, 2])]
    return writer.add("LOG_SOFTMAX", [writer.add("SLICE", [y, *bounds], (1, 4, 3, 2))], (1, 4, 3, 2))


def functions(writer: Writer) -> int:
    """Return sums of several functions and constants."""
    y = 0
    for code in ("LOGISTIC", "TANH", "HARD_SWISH", "ABS", "RELU6", "SQUARE", "EXP", "NEG"):
        y = writer.add("ADD", [y, writer.add(code, [0], SHAPE)], SHAPE)
    y = writer.add("MUL", [y, writer.constant([1, 2, -1, 0.5])], SHAPE)
    y = writer.add("SUB", [writer.constant(2.0), y], SHAPE, FusedActivationFunction=3)
    y = writer.add(
        "CONCATENATION",
        [y, writer.add("LEAKY_RELU", [0], SHAPE, Alpha=0.2)],
        (1, 8, 6, 8),
        Axis=3,
    )
    y = writer.add("TRANSPOSE", [y, writer.constant([0, 3, 1, 2])], (1, 8, 8, 6))
    return writer.add("MEAN", [y, writer.constant([2, 3])], (1, 8), KeepDims=False)


def dilated(writer: Writer) -> int:
    """Return a dilated convolution as TensorFlow writes it, and slopes for each channel."""
    steps = {"Padding": 1, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    blocks, sides = (
        writer.constant([2, 3]),
        [writer.constant(n) for n in ([[2, 0], [1, 2]], [[0, 0], [0, 1]])],
    )
    x = writer.add("SPACE_TO_BATCH_ND", [0, blocks, sides[0]], (6, 5, 3, 4))
    x = writer.add("CONV_2D", [x, *weights(writer, (5, 2, 2, 4))], (6, 4, 2, 5), **steps)
    x = writer.add("BATCH_TO_SPACE_ND", [x, blocks, sides[1]], (1, 8, 5, 5))
    return writer.add("PRELU", [x, writer.constant(normal(1, 1, 5))], (1, 8, 5, 5))


def selections(writer: Writer) -> int:
    """Return values that comparisons select, and parts and copies of images."""
    part, number = (1, 8, 6, 2), writer.constant(0.25)
    halves = writer.add("SPLIT", [writer.constant(3), 0], part, shapes=[part], NumSplits=2)
    a, b = halves, halves + 1
    larger, smaller = (writer.add(code, [a, b], part, dtype="bool") for code in ("GREATER", "LESS_EQUAL"))
    other = writer.add("LOGICAL_NOT", [writer.add("NOT_EQUAL", [a, number], part, dtype="bool")], part, dtype="bool")
    chosen = writer.add("LOGICAL_OR", [larger, other], part, dtype="bool")
    y = writer.add("SELECT_V2", [chosen, a, writer.constant(normal(6, 2))], part)
    z = writer.add("CAST", [smaller], part)
    y = writer.add("ADD", [y, writer.add("SQUARED_DIFFERENCE", [z, b], part)], part)
    rows = writer.add("UNPACK", [y], (1, 6, 2), shapes=[(1, 6, 2)] * 7, Num=8, Axis=1)
    y = writer.add("PACK", [rows + 3, rows, rows + 6], (1, 6, 3, 2), ValuesCount=3, Axis=2)
    y = writer.add("GATHER", [y, writer.constant([2, 0, 3, 5])], (1, 4, 3, 2), Axis=1)
    y = writer.add("REVERSE_V2", [y, writer.constant([2])], (1, 4, 3, 2))
    y = writer.add("TILE", [y, writer.constant([1, 1, 2, 2])], (1, 4, 6, 4))
    y = writer.add("SPACE_TO_DEPTH", [y], (1, 2, 3, 16), BlockSize=2)
    widths = writer.constant([[0, 0], [1, 1], [0, 2], [0, 0]])
    y = writer.add("MIRROR_PAD", [y, widths], (1, 4, 5, 16), Mode=1)
    y = writer.add("PADV2", [y, widths, writer.constant(0.5)], (1, 6, 7, 16))
    sizes = [writer.constant([4, 12]), writer.constant(3)]
    parts = writer.add("SPLIT_V", [y, *sizes], (1, 6, 7, 4), shapes=[(1, 6, 7, 12)], NumSplits=2)
    y = writer.add("DEPTH_TO_SPACE", [parts + 1], (1, 12, 14, 3), BlockSize=2)
    return writer.add("REDUCE_MAX", [y, writer.constant([3])], (1, 12, 14))


def heads_on_maps(writer: Writer) -> int:
    """Return dense layers on every position, whose inputs or results have a row for each position in the file."""
    y = writer.add("RESHAPE", [0, writer.constant([-1, 4])], (48, 4))
    y = writer.add("FULLY_CONNECTED", [y, *weights(writer, (5, 4))], (48, 5))
    y = writer.add("MUL", [y, writer.constant(normal(5))], (48, 5), FusedActivationFunction=1)
    z = writer.add("RESHAPE", [y, writer.constant([1, 6, 8, 5])], (1, 6, 8, 5))
    z = writer.add("FULLY_CONNECTED", [z, *weights(writer, (3, 5))], (48, 3))
    z = writer.add("SOFTMAX", [z], (48, 3), Beta=1.0)
    z = writer.add("RESHAPE", [z, writer.constant([1, 12, 4, 3])], (1, 12, 4, 3))
    return writer.add("MEAN", [z, writer.constant([1])], (1, 4, 3), KeepDims=False)


def test_several_inputs_and_outputs_have_the_names_of_the_file(tmp_path: Path) -> None:
    writer = Writer(SHAPE)
    other = writer.input((1, 4))
    total = writer.add("ADD", [0, other], SHAPE)
    content = writer.finish(total, writer.add("TANH", [other], (1, 4)))
    (tmp_path / "m.tflite").write_bytes(content)
    assert_equal_outputs(tmp_path / "m.tflite", 1e-5)
    x, z = normal(3, *SHAPE[1:]), normal(3, 4)
    y = cr.load(tmp_path / "m.tflite").predict({f"t{other}": z, "t0": channels_first(x)})
    assert_close(y[f"t{total}"], channels_first(x + z[:, None, None]))
    assert_close(y[f"t{total + 1}"], np.tanh(z))


@pytest.mark.parametrize("build", [network, decoder, functions, dilated, selections, heads_on_maps])
def test_results_are_those_of_litert(build: Callable[[Writer], int], tmp_path: Path) -> None:
    writer = Writer(SHAPE)
    content = writer.finish(build(writer))
    (tmp_path / "m.tflite").write_bytes(content)
    x = RANDOM.standard_normal((3, *SHAPE[1:])).astype(np.float32)
    expected = computed(content, x)
    y = cr.load(tmp_path / "m.tflite", engine="numpy").predict(np.ascontiguousarray(np.moveaxis(x, -1, 1)))
    np.testing.assert_allclose(y, np.moveaxis(expected, -1, 1) if expected.ndim > 2 else expected, rtol=1e-5, atol=1e-5)
    assert_equal_outputs(tmp_path / "m.tflite", 1e-3)


def branches(writer: Writer) -> int:
    """Return functions, clippings, poolings and a concatenation, with results on several scales."""
    steps = {"Padding": 0, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    x = writer.add("CONV_2D", [0, *weights(writer, (6, 3, 3, 4))], (1, 8, 6, 6), **steps)
    inputs = [x, *weights(writer, (6, 1, 1, 6))]
    y = writer.add("CONV_2D", inputs, (1, 8, 6, 6), FusedActivationFunction=2, **steps)
    for code in ("LOGISTIC", "TANH", "HARD_SWISH"):
        y = writer.add("ADD", [y, writer.add(code, [x], (1, 8, 6, 6))], (1, 8, 6, 6))
    y = writer.add("CONCATENATION", [y, y], (1, 8, 6, 12), Axis=3)
    sides = writer.constant([[0, 0], [1, 0], [0, 2], [0, 0]])
    y = writer.add("PAD", [y, sides], (1, 9, 8, 12))
    windows = {"Padding": 0, "StrideH": 2, "StrideW": 2, "FilterHeight": 3, "FilterWidth": 2}
    y = writer.add("MAX_POOL_2D", [y], (1, 5, 4, 12), **windows)
    y = writer.add("MEAN", [y, writer.constant([1, 2])], (1, 12), KeepDims=False)
    y = writer.add("FULLY_CONNECTED", [y, *weights(writer, (5, 12))], (1, 5))
    return writer.add("LOGISTIC", [y], (1, 5))


def enlarged(writer: Writer) -> int:
    """Return an image enlarged by two transposed convolutions, one of which has a bias."""
    steps, (kernel, bias) = {"StrideH": 2, "StrideW": 3}, weights(writer, (5, 3, 4, 4))
    inputs = [writer.constant([1, 16, 18, 5]), kernel, 0, bias]
    y = writer.add("TRANSPOSE_CONV", inputs, (1, 16, 18, 5), Padding=0, **steps)
    inputs = [writer.constant([1, 33, 54, 2]), weights(writer, (2, 3, 2, 5))[0], y]
    return writer.add("TRANSPOSE_CONV", inputs, (1, 33, 54, 2), Padding=1, **steps)


def weights(writer: Writer, shape: tuple[int, ...]) -> list[int]:
    draw = np.random.default_rng(sum(shape))
    kernel = draw.standard_normal(shape) * 1.5 / np.prod(shape[1:]) ** 0.5
    return [writer.constant(kernel), writer.constant(draw.standard_normal(shape[0]))]


INT8: dict[str, tuple[tuple[int, ...], Callable[[Writer], int]]] = {
    **{
        name: (shape, lambda writer, shape=shape, network=network: network(TfliteBuilder(writer, shape)))
        for name, (shape, network) in NETWORKS.items()
    },
    "branches": (SHAPE[1:], branches),
    "enlarged": (SHAPE[1:], enlarged),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", INT8)
def test_int8_networks_and_their_c_programs_compute_what_litert_computes(name: str, tmp_path: Path) -> None:
    """The four networks of MLPerf Tiny, and one of other operators: outputs are equal, or differ by one step."""
    shape, build = INT8[name]
    x = np.random.default_rng(1).standard_normal((6, *shape)).astype(np.float32)
    content = quantized((1, *shape), build, x)
    (tmp_path / "m.tflite").write_bytes(content)
    expected, images = channels_first(computed(content, x)), np.ascontiguousarray(channels_first(x))
    model = cr.load(tmp_path / "m.tflite", engine="numpy")
    assert np.ptp(expected) > 20 * step(content)
    assert_equal_outputs(tmp_path / "m.tflite", 2.01 * step(content))  # the ranges are those of other inputs
    for outputs in (model.predict(images), int8_outputs(tmp_path, model, images)):
        assert np.abs(outputs.reshape(expected.shape) - expected).max() < 1.01 * step(content)


def without_scale(writer: Writer) -> int:
    kernel = writer.constant(np.ones((4, 1, 1, 4)), "int8")
    return writer.add("CONV_2D", [0, kernel], SHAPE, StrideH=1, StrideW=1)


REFUSED: dict[str, Callable[[Writer], int]] = {
    "CUMSUM 'cumsum_0': there is no translation": lambda w: w.add("CUMSUM", [0, w.constant(1)], SHAPE),
    "quantized numbers without a scale": without_scale,
    "it combines the positions of samples": lambda w: w.add(
        "MEAN",
        [
            w.add("RESHAPE", [0, w.constant([48, 4])], (48, 4)),
            w.constant([0]),
        ],
        (4,),
        KeepDims=False,
    ),
    "a constant of shape": lambda w: w.add("ADD", [0, w.constant(np.ones((5, 4)))], SHAPE),
    "another alignment": lambda w: w.add("RESIZE_BILINEAR", [0, w.constant([3, 3])], (1, 3, 3, 4)),
}


@pytest.mark.parametrize("text", REFUSED)
def test_files_that_are_refused(text: str, tmp_path: Path) -> None:
    writer = Writer(SHAPE)
    (tmp_path / "m.tflite").write_bytes(writer.finish(REFUSED[text](writer)))
    with pytest.raises(FormatError, match=text):
        cr.load(tmp_path / "m.tflite")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("is_quantized", [False, True])
def test_damaged_files_are_refused(is_quantized: bool, tmp_path: Path) -> None:
    writer = Writer(SHAPE)
    content = quantized(SHAPE, branches, normal(2, *SHAPE[1:])) if is_quantized else writer.finish(functions(writer))
    for length in (*range(8, 200, 7), *range(200, len(content) - 1, 97)):
        (tmp_path / "m.tflite").write_bytes(content[:length])
        with pytest.raises((FormatError, OptionError)):
            cr.load(tmp_path / "m.tflite")
