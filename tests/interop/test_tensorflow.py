"""Files of TensorFlow's converter give the results of LiteRT: `make tflite`, since TensorFlow is large."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from interop.keras_draws import draw_model
from interop.keras_models import channels_first, filled, keras
from interop.tflite_files import computed, step
from numpy.typing import NDArray
from selection import draws

import chainrule as cr

tf: Any = pytest.importorskip("tensorflow", reason="needs TensorFlow, with KERAS_BACKEND=tensorflow")
Array = NDArray[Any]
L, ops = keras.layers, keras.ops
SEEDS = range(draws(8))
SHAPE = (8, 6, 4)


def causal(x: Any) -> Any:
    """Return the end of a causal network whose convolutions are dilated."""
    y = L.Reshape((24, 8))(x)
    for dilation in (1, 2, 4):
        y = L.Conv1D(6, 3, padding="causal", dilation_rate=dilation, activation="relu")(y)
    return L.GlobalAveragePooling1D()(L.LayerNormalization()(y))


def resized(x: Any) -> Any:
    """Return an image that is reduced and enlarged."""
    y = L.Conv2DTranspose(3, 3, 2, padding="same")(L.AveragePooling2D(2)(L.Conv2D(5, 3, padding="same")(x)))
    y = L.UpSampling2D(2, interpolation="bilinear")(L.ZeroPadding2D(((1, 0), (2, 1)))(y))
    return L.Cropping2D(((1, 2), (0, 3)))(L.MaxPooling2D(3, 2)(y))


def compared(x: Any) -> Any:
    """Return values that comparisons select."""
    a, b = ops.split(L.Conv2D(6, 3)(x), 2, axis=-1)
    chosen = ops.where(ops.logical_and(a > b, ops.less_equal(b, 0.5)), a, b * 2.0)
    return chosen * ops.cast(ops.not_equal(a, 0.0), "float32") + ops.clip(a, -0.5, 0.7)


def split(x: Any) -> Any:
    """Return channels of parts of different sizes, and single rows."""
    a, b, c = ops.split(L.Conv2D(6, 3, padding="same")(x), [1, 3], axis=-1)
    first, *_, last = ops.unstack(c, axis=1)
    return L.Flatten()(L.Concatenate()([a, b])) + 0.0 * L.Dense(144)(ops.stack([first, last], 2)[:, :, 1, 0])


def large(x: Any) -> Any:
    """Return results of weights that are large enough for int8 without calibration."""
    y = L.Dense(64, activation="relu")(L.Flatten()(L.DepthwiseConv2D(3, activation="relu6")(L.Conv2D(32, 3)(x))))
    return L.Dense(20, activation="softmax")(y)


MODELS: dict[str, Callable[[Any], Any]] = {
    function.__name__: function for function in (causal, resized, compared, split, large)
}


def converted(model: Any, kind: str, x: Array) -> bytes:
    """Return the file of TensorFlow's converter: float32, float16, dynamic, int8 or int16x8."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind.startswith("int"):
        converter.representative_dataset = lambda: ([sample[None]] for sample in x)
        converter.inference_input_type = converter.inference_output_type = tf.int8 if kind == "int8" else tf.int16
        sets = tf.lite.OpsSet
        wide = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [sets.TFLITE_BUILTINS_INT8 if kind == "int8" else wide]
    return converter.convert()


def worst(content: bytes, path: Path, x: Array) -> float:
    """Return the largest difference from LiteRT in batches of 1, 2 and 5, in steps or as a share of the outputs."""
    path.write_bytes(content)
    model, expected = cr.load(path, engine="numpy"), channels_first(computed(content, x))
    images = np.ascontiguousarray(channels_first(x))
    unit = step(content) or np.abs(expected).max()
    batches = [(0, 1), (1, 3), (3, 8)]
    return max(float(np.abs(model.predict(images[a:b]) - expected[a:b]).max() / unit) for a, b in batches)


CASES: list[tuple[str | int, str]] = [
    *((name, kind) for name in (*MODELS, *SEEDS) for kind in ("float32", "float16", "dynamic", "int8")),
    *((name, "int16x8") for name in ("resized", "split", "large")),  # the converter does not support the others
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_results_are_those_of_litert(name: str | int, kind: str, tmp_path: Path) -> None:
    """Integers differ by two steps if roundings add up. LiteRT rounds activations before weights of int8."""
    if isinstance(name, int):
        model = draw_model(Random(name))
    else:
        inputs = keras.Input(SHAPE)
        model = keras.Model(inputs, MODELS[name](inputs))
    filled(model, 0)
    x = np.random.default_rng(1).standard_normal((8, *model.input_shape[1:])).astype(np.float32)
    content = converted(model, kind, x)
    limit = {"int8": 2.5, "int16x8": 16, "dynamic": 0.03}.get(kind, 1e-4)
    assert worst(content, tmp_path / "m.tflite", x) < limit
