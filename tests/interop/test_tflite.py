"""TensorFlow Lite files give the results of LiteRT, or are refused in one line."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from interop.c.compiled import int8_outputs
from interop.keras_models import channels_first
from interop.tflite_files import Writer, computed, step, written
from numerical import assert_close
from numpy.typing import NDArray
from selection import draws

import chainrule as cr
from chainrule.errors import FormatError, OptionError
from chainrule.interop.c import Quantized

Array = NDArray[Any]
Build = Callable[[Writer], int]  # adds operators and returns the index of the output
RELU = {"FusedActivationFunction": 1}
KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "CONCATENATION", "PAD", "MAX_POOL_2D", "AVERAGE_POOL_2D")
SHAPE = (1, 8, 6, 4)
RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    return RANDOM.standard_normal(shape).astype(np.float32) / 2


def decoder(net: Writer) -> int:
    """Return parts of an enlarged image."""
    y = net.add("TRANSPOSE_CONV", [1, 16, 12, 3], net.weights(3, 3, 3, 4), 0, StrideH=2, StrideW=2)
    y = net.add("PAD", y, [[0, 0], [1, 0], [2, 1], [0, 0]])
    y = net.add("RESIZE_BILINEAR", y, [20, 9], HalfPixelCenters=True)
    y = net.add("RESIZE_NEAREST_NEIGHBOR", y, [10, 18], HalfPixelCenters=True)
    y = net.add("STRIDED_SLICE", y, [0, 1, -16, 0], [1, 9, -1, 9], [1, 2, 3, 1], EndMask=8)
    return net.add("LOG_SOFTMAX", net.add("SLICE", y, [0, 0, 1, 0], [1, -1, 3, 2], shape=(1, 4, 3, 2)))


def functions(net: Writer) -> int:
    """Return sums of several functions and constants."""
    y = 0
    for code in ("ABS", "RELU6", "SQUARE", "EXP", "NEG"):
        y = net.add("ADD", y, net.add(code, 0))
    y = net.add("SUB", 2.0, net.add("MUL", y, [1, 2, -1, 0.5]), FusedActivationFunction=3)
    y = net.add("CONCATENATION", y, net.add("LEAKY_RELU", 0, Alpha=0.2), Axis=3)
    return net.add("MEAN", net.add("TRANSPOSE", y, [0, 3, 1, 2]), [2, 3], KeepDims=False)


def dilated(net: Writer) -> int:
    """Return a dilated convolution as TensorFlow writes it, and slopes for each channel."""
    x = net.add("SPACE_TO_BATCH_ND", 0, [2, 3], [[2, 0], [1, 2]])
    x = net.add("CONV_2D", x, net.weights(5, 2, 2, 4), net.weights(5), Padding=1)
    x = net.add("BATCH_TO_SPACE_ND", x, [2, 3], [[0, 0], [0, 1]])
    return net.add("PRELU", x, net.weights(1, 1, 5))


def selections(net: Writer) -> int:
    """Return values that comparisons select, and parts and copies of images."""
    a = net.add("SPLIT", np.int32(3), 0, results=2, NumSplits=2)
    b = a + 1
    larger, smaller = (net.add(code, a, b, dtype="bool") for code in ("GREATER", "LESS_EQUAL"))
    other = net.add("LOGICAL_NOT", net.add("NOT_EQUAL", a, 0.25, dtype="bool"), dtype="bool")
    y = net.add("SELECT_V2", net.add("LOGICAL_OR", larger, other, dtype="bool"), a, net.weights(6, 2))
    y = net.add("ADD", y, net.add("SQUARED_DIFFERENCE", net.add("CAST", smaller), b))
    rows = net.add("UNPACK", y, results=8, Num=8, Axis=1)
    y = net.add("PACK", rows + 3, rows, rows + 6, ValuesCount=3, Axis=2)
    y = net.add("REVERSE_V2", net.add("GATHER", y, [2, 0, 3, 5], Axis=1), [2])
    y = net.add("SPACE_TO_DEPTH", net.add("TILE", y, [1, 1, 2, 2]), BlockSize=2)
    widths = np.array([[0, 0], [1, 1], [0, 2], [0, 0]])
    y = net.add("PADV2", net.add("MIRROR_PAD", y, widths, Mode=1), widths, 0.5)
    y = net.add("SPLIT_V", y, [4, 12], np.int32(3), results=2, NumSplits=2) + 1
    return net.add("REDUCE_MAX", net.add("DEPTH_TO_SPACE", y, BlockSize=2), [3])


def resized(net: Writer) -> int:
    """Return images resized with every alignment of pixels."""
    parts: list[int] = []
    for code in ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"):
        for alignment in ({}, {"AlignCorners": True}, {"HalfPixelCenters": True}):
            parts.append(net.add(code, 0, [11, 5], **alignment))
    return net.add("CONCATENATION", *parts, np.ones((1, 11, 5, 2), np.float32), Axis=3)


def heads_on_maps(net: Writer) -> int:
    """Return dense layers on every position, whose inputs or results have a row for each position in the file."""
    halves = net.add("DEQUANTIZE", net.constant(net.weights(5, 4), "float16"))
    y = net.add("FULLY_CONNECTED", net.add("RESHAPE", 0, [-1, 4]), halves, net.weights(5))
    z = net.add("RESHAPE", net.add("MUL", y, net.weights(5), **RELU), [1, 6, 8, 5])
    z = net.add("FULLY_CONNECTED", z, net.weights(3, 5), net.weights(3))
    z = net.add("RESHAPE", net.add("SOFTMAX", z, Beta=1.0), [1, 12, 4, 3])
    return net.add("MEAN", z, [1], KeepDims=False)


def computed_positions(net: Writer) -> int:
    """Return a dense layer on every position, as TensorFlow writes it for any batch size.

    Targets of RESHAPE are computed from the shape of the input, and the file states 1 for the sizes of their results.
    """
    whole = {"dtype": "int32"}
    sizes = net.add("GATHER", net.add("SHAPE", 0, shape=(4,), OutType=2, **whole), [0, 1, 2], shape=(3,), **whole)
    count = net.add("REDUCE_PROD", sizes, [0], shape=(), **whole)
    rows = net.add("RESHAPE", 0, net.add("PACK", count, np.int32(4), shape=(2,), ValuesCount=2, **whole), shape=(1, 1))
    y = net.add("TANH", net.add("FULLY_CONNECTED", rows, net.weights(5, 4), net.weights(5), shape=(1, 5)), shape=(1, 5))
    target = net.add("CONCATENATION", sizes, [5], shape=(4,), Axis=0, **whole)
    return net.add("RESHAPE", y, target, shape=(1, 1, 1, 1))


def test_bytes_are_cast_and_constants_are_quantized(tmp_path: Path) -> None:
    net, x = Writer(SHAPE, dict.fromkeys(range(9), SHAPE)), RANDOM.integers(0, 256, (3, *SHAPE[1:])).astype(np.uint8)
    net.store(0, "uint8")
    constant = net.add("QUANTIZE", net.constant(net.weights(*SHAPE)))
    net.store(constant, "int8", (np.array([0.02]), np.array([3]), 0))
    shifted = net.add("ADD", net.add("MUL", net.add("CAST", 0, InDataType=3), 0.01), net.add("DEQUANTIZE", constant))
    content = net.finish(net.add("TANH", shifted))
    (tmp_path / "m.tflite").write_bytes(content)
    y = cr.load(tmp_path / "m.tflite", engine="numpy").predict(channels_first(x))
    assert_close(y, channels_first(computed(content, x)), 1e3)


def test_shapes_that_a_file_computes(tmp_path: Path) -> None:
    net, x = Writer(SHAPE), normal(3, *SHAPE[1:])
    content = net.finish(computed_positions(net))
    (tmp_path / "m.tflite").write_bytes(content)
    network = cr.load(tmp_path / "m.tflite", engine="numpy")
    assert_close(network.predict(channels_first(x)), channels_first(computed(content, x)), 1e3)


def drawn(seed: int) -> Build:
    """Return a network of drawn layers and a function, whose end is a classifier."""

    def build(net: Writer) -> int:
        random, x, channels = Random(seed), 0, SHAPE[-1]

        def convolution(code: str, *sizes: int, **options: int) -> int:
            biases = net.weights(sizes[0] * sizes[-1] if options else sizes[0]) / 5
            return net.add(
                code, x, net.weights(*sizes), biases, FusedActivationFunction=random.choice((0, 1, 3)), **options
            )

        for kind in ("CONV_2D", *random.sample(KINDS, 3), random.choice(("LOGISTIC", "TANH", "HARD_SWISH"))):
            filters, size = random.randint(3, 7), random.choice((1, 3))
            if kind == "CONV_2D":
                x, channels = convolution(kind, filters, size, 3, channels), filters
            elif kind == "DEPTHWISE_CONV_2D":
                times = random.choice((1, 2))
                x = convolution(kind, 1, 3, size, times * channels, DepthMultiplier=times, StrideH=2, StrideW=1)
                channels *= times
            elif kind == "ADD":
                x = net.add(kind, x, convolution("CONV_2D", channels, size, size, channels), **RELU)
            elif kind == "CONCATENATION":
                x, channels = net.add(kind, x, x, Axis=3), 2 * channels
            elif kind == "PAD":
                x = net.add(kind, x, [[0, 0], [1, 0], [0, 2], [0, 0]])
            elif kind in KINDS:  # a pooling
                x = net.add(kind, x, StrideH=2, StrideW=2, FilterHeight=3, FilterWidth=2)
            else:
                x = net.add("ADD", x, net.add(kind, x))
        x = net.add("MEAN", x, [1, 2], KeepDims=False)
        x = net.add("FULLY_CONNECTED", x, net.weights(9, channels), net.weights(9), **RELU)
        x = net.add("FULLY_CONNECTED", x, net.weights(5, 9) / 4, net.weights(5))
        return net.add("SOFTMAX", x, Beta=1.0) if seed % 2 else net.add("LOGISTIC", x)

    return build


def enlarged(net: Writer) -> int:
    """Return an image enlarged by two transposed convolutions, one of which has a bias."""
    steps = {"StrideH": 2, "StrideW": 3}
    y = net.add("TRANSPOSE_CONV", [1, 16, 18, 5], net.weights(5, 3, 4, 4), 0, net.weights(5), **steps)
    return net.add("TRANSPOSE_CONV", [1, 33, 54, 2], net.weights(2, 3, 2, 5), y, Padding=1, **steps)


def of_bytes(net: Writer) -> int:
    """Return a classifier whose input and probabilities are uint8, and that computes with int8."""
    x = net.add("CONV_2D", net.to_bytes(0, of_input=True), net.weights(6, 3, 2, 4), net.weights(6), **RELU)
    x = net.add("FULLY_CONNECTED", net.add("MEAN", x, [1, 2], KeepDims=False), net.weights(5, 6), net.weights(5))
    return net.to_bytes(net.add("SOFTMAX", x, Beta=1.0), of_input=False)


def test_several_inputs_and_outputs_have_the_names_of_the_file(tmp_path: Path) -> None:
    net = Writer(SHAPE, {2: SHAPE, 3: (1, 4)})
    other = net.input((1, 4))
    (tmp_path / "m.tflite").write_bytes(net.finish(total := net.add("ADD", 0, other), net.add("TANH", other)))
    x, z = normal(3, *SHAPE[1:]), normal(3, 4)
    y = cr.load(tmp_path / "m.tflite").predict({f"t{other}": z, "t0": channels_first(x)})
    assert_close(y[f"t{total}"], channels_first(x + z[:, None, None]))
    assert_close(y[f"t{total + 1}"], np.tanh(z))


@pytest.mark.parametrize(
    "build", [*map(drawn, range(draws(3))), decoder, functions, dilated, selections, heads_on_maps, resized]
)
def test_results_are_those_of_litert(build: Build, tmp_path: Path) -> None:
    content, x = written(SHAPE, build), normal(3, *SHAPE[1:])
    (tmp_path / "m.tflite").write_bytes(content)
    expected = channels_first(computed(content, x))
    y = cr.load(tmp_path / "m.tflite", engine="numpy").predict(np.ascontiguousarray(channels_first(x)))
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("build", [*map(drawn, range(draws(5))), enlarged, of_bytes])
def test_int8_networks_and_their_c_programs_compute_what_litert_computes(build: Build, tmp_path: Path) -> None:
    """Outputs are equal, or differ by one step."""
    x = np.random.default_rng(1).standard_normal((6, *SHAPE[1:])).astype(np.float32)
    content = written(SHAPE, build, x)
    (tmp_path / "m.tflite").write_bytes(content)
    expected, images = channels_first(computed(content, x)), np.ascontiguousarray(channels_first(x))
    model = cr.load(tmp_path / "m.tflite", engine="numpy")
    assert np.ptp(expected) > 20 * step(content)
    integers = Quantized(model, io="uint8")
    assert integers.predict(images).shape == model.predict(images).shape
    for outputs in (model.predict(images), int8_outputs(tmp_path, model, images)):
        assert np.abs(outputs.reshape(expected.shape) - expected).max() < 1.01 * step(content)


REFUSED: dict[str, Build] = {
    "CUMSUM 'cumsum_0': there is no translation": lambda net: net.add("CUMSUM", 0, np.int32(1)),
    "quantized numbers without a scale": lambda net: net.add("CONV_2D", 0, net.constant(np.ones((4, 1, 1, 4)), "int8")),
    "it combines the positions of samples": lambda net: net.add("MEAN", net.add("RESHAPE", 0, [48, 4]), [0]),
    "a constant of shape": lambda net: net.add("ADD", 0, np.ones((5, 4))),
    "DENSIFY 'densify_0': there is no translation": lambda net: net.add("DENSIFY", 0),
}


@pytest.mark.parametrize("text", REFUSED)
def test_files_that_are_refused(text: str, tmp_path: Path) -> None:
    """LiteRT refuses some of them, too: in their files, the shapes of results are those of the input."""
    try:
        content = written(SHAPE, REFUSED[text])
    except (RuntimeError, ValueError):
        net = Writer(SHAPE, dict.fromkeys(range(9), SHAPE))
        content = net.finish(REFUSED[text](net))
    (tmp_path / "m.tflite").write_bytes(content)
    with pytest.raises(FormatError, match=text):
        cr.load(tmp_path / "m.tflite")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    content = written(SHAPE, drawn(0), normal(2, *SHAPE[1:]))
    for length in (*range(8, 200, 7), *range(200, len(content) - 1, 97)):
        (tmp_path / "m.tflite").write_bytes(content[:length])
        with pytest.raises((FormatError, OptionError)):
            cr.load(tmp_path / "m.tflite")
