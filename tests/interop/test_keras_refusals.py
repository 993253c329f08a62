"""What is refused in Keras files: one line that names the class, the layer, the option, and what is expected."""

import json
import re
from pathlib import Path
from typing import Any

import h5py  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
import pytest
from fuzz.mutators import packed, unpacked
from interop.keras_models import keras, saved

import chainrule as cr
from chainrule.errors import FormatError

L, ops = keras.layers, keras.ops
IMAGE = (6, 6, 4)


class Doubled(L.Layer):
    """A layer of the author of a file, whose code is not run."""

    def call(self, x: Any) -> Any:
        return 2 * x

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


def _several_originals(x: Any) -> Any:
    """Return layers of which a file does not say to which of two of the same name and options the third is equal."""
    shared = L.Dense(4, name="d")
    parts = [keras.Sequential([keras.Input((4,)), layer]) for layer in (L.Dense(4, name="d"), shared, shared)]
    return L.Add()([part(x) for part in parts])


REFUSED: tuple[tuple[Any, tuple[Any, ...], str], ...] = (
    (L.Conv3D(2, 1), (3, 3, 3, 1), "InputLayer 'x' has shape"),
    (L.LSTM(3, name="l"), (4, 2), "LSTM 'l': chainrule has no such layer"),
    (L.Lambda(lambda x: x, name="l"), IMAGE, "Lambda 'l': Python code, which is never run"),
    (L.Conv2D(2, 1, activation="squareplus", name="c"), IMAGE, "Conv2D 'c': activation 'squareplus'; expected one"),
    (L.LeakyReLU(1.5, name="r"), (4,), "LeakyReLU 'r': slope 1.5"),
    (L.CenterCrop(3, 9, name="c"), IMAGE, "CenterCrop 'c': width 9 of 6; expected images that are not smaller"),
    (L.Resizing(3, 4, crop_to_aspect_ratio=True, name="r"), IMAGE, "'r': crop_to_aspect_ratio true; expected false"),
    (L.AdaptiveAveragePooling2D((2, 3), name="a"), IMAGE, "AdaptiveAveragePooling2D 'a': chainrule has no such layer"),
    (L.LayerNormalization(axis=1, name="n"), IMAGE, "LayerNormalization 'n': axis"),
    (L.BatchNormalization(renorm=True, name="b"), IMAGE, "BatchNormalization 'b': renorm"),
    (L.UpSampling2D(interpolation="bicubic", name="u"), IMAGE, "UpSampling2D 'u': interpolation 'bicubic'"),
    (L.Resizing(3, 4, interpolation="bicubic"), IMAGE, "bicubic"),
    (lambda x: x / 0, (4,), "TrueDivide 'true_divide.*': scale inf: expected a finite number"),
    (ops.floor, (4,), "Floor 'floor.*': chainrule has no such layer"),
    (L.ReLU(), (None, 6, 3), "unknown sizes .*--shape 3,.,6"),
    (lambda x: L.Dropout(0.5, name="d")(L.ReLU()(x), training=True), (3,), "'d' is called with 'training' True"),
    (_several_originals, (4,), "Dense 'd': 0 arrays in the file; expected 2"),
    (Doubled(name="twice"), (3,), "Doubled 'twice': a custom class"),
    (lambda x: ops.mean(x, axis=None, keepdims=True), IMAGE, "axis None; expected axes of a sample"),
    (lambda x: ops.mean(x, axis=0, keepdims=True) + x, IMAGE, "axis 0"),
    (lambda x: ops.transpose(x[:, :1, :1, :1], (3, 1, 2, 0)), IMAGE, "the batch axis first"),
    (lambda x: ops.power(ops.relu(x) + 1, x), IMAGE, "exponent"),
    (lambda x: ops.einsum("bhwc->bhw", x), IMAGE, "no such layer"),
    (lambda x: ops.flip(x, 0), IMAGE, "samples"),
    (lambda x: ops.concatenate([x, np.ones((3, *IMAGE), "f4")], 3), IMAGE, "a constant among the inputs"),
    (lambda x: ops.unstack(x, axis=0, num=3)[1], IMAGE, "samples"),
)


@pytest.mark.parametrize(("layer", "shape", "text"), REFUSED, ids=[text for *_, text in REFUSED])
def test_layers_without_a_counterpart_are_refused_by_name(
    layer: Any, shape: tuple[Any, ...], text: str, tmp_path: Path
) -> None:
    x = keras.Input(shape, name="x")
    with pytest.raises(FormatError, match=text) as refused:
        cr.load(saved(tmp_path, keras.Model(x, layer(x)), ".keras"))
    assert re.match(r"\S*some\.keras: ", str(refused.value))
    assert "\n" not in str(refused.value)


@pytest.mark.filterwarnings("ignore")  # of Keras
def test_weights_alone_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, keras.Sequential([keras.Input((3,)), L.Dense(2)]), ".weights.h5")
    with pytest.raises(FormatError, match="weights without their network; expected a whole model"):
        cr.load(path)


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("units", 7, r"Dense 'd': kernel has type .* and shape \(3, 2\); expected \(3, 7\)"),
        ("use_bias", False, "Dense 'd': 2 arrays in the file; expected 1: kernel"),
        ("units", "2", "Dense 'd': units '2'; expected a whole number of at least 1"),
        ("quantization_config", {"bits": 4}, "Dense 'd': quantization_config .*; expected no quantization_config"),
        ("units", 2, "Dense 'd': kernel is"),
    ],
)
def test_options_and_weights_that_do_not_fit(option: str, value: Any, text: str, tmp_path: Path) -> None:
    """Compressed weights are not read."""
    path = saved(tmp_path, keras.Sequential([keras.Input((3,)), L.Dense(2, name="d")]), ".keras")
    members = unpacked(path.read_bytes())
    config = json.loads(members["config.json"])
    config["config"]["layers"][1]["config"][option] = value
    if "kernel is" in text:
        with h5py.File(tmp_path / "w.h5", "w") as file:
            file.create_dataset("layers/dense/vars/0", data=np.zeros((3, 2), "f4"), compression="gzip")
            file.create_dataset("layers/dense/vars/1", data=np.zeros(2, "f4"))
        members["model.weights.h5"] = (tmp_path / "w.h5").read_bytes()
    path.write_bytes(packed({**members, "config.json": json.dumps(config).encode()}))
    with pytest.raises(FormatError, match=text):
        cr.load(path)
