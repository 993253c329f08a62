"""What is refused in Keras files: one line that names the class, the layer, the option, and what is expected."""

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
import pytest
from interop.keras_models import filled, keras, saved

import chainrule as cr
from chainrule.errors import FormatError

L = keras.layers
IMAGE = (6, 6, 4)
REFUSED: dict[str, tuple[Any, tuple[Any, ...], str]] = {
    "a layer": (L.Conv3D(2, 1), (3, 3, 3, 1), "InputLayer 'x' has shape"),
    "a layer of sequences": (L.LSTM(3, name="l"), (4, 2), "LSTM 'l': chainrule has no such layer"),
    "code": (L.Lambda(lambda x: x, name="l"), IMAGE, "Lambda 'l': Python code, which is never run"),
    "an activation": (
        L.Conv2D(2, 1, activation="squareplus", name="c"),
        IMAGE,
        "Conv2D 'c': activation 'squareplus'; expected one",
    ),
    "a slope": (L.LeakyReLU(1.5, name="r"), (4,), "LeakyReLU 'r': slope 1.5"),
    "slopes of rows": (L.PReLU(shared_axes=[2], name="p"), IMAGE, r"PReLU 'p': slope of shape \(6, 1, 4\)"),
    "an axis": (L.LayerNormalization(axis=1, name="n"), IMAGE, "LayerNormalization 'n': axis"),
    "renormalization": (L.BatchNormalization(renorm=True, name="b"), IMAGE, "BatchNormalization 'b': renorm"),
    "another mode": (
        L.UpSampling2D(interpolation="bicubic", name="u"),
        IMAGE,
        "UpSampling2D 'u': interpolation 'bicubic'",
    ),
    "division by 0": (lambda x: x / 0, (4,), "TrueDivide 'true_divide.*': scale inf: expected a finite number"),
    "another operation": (keras.ops.floor, (4,), "Floor 'floor.*': chainrule has no such layer"),
    "a size that is unknown": (L.ReLU(), (None, 6, 3), "unknown sizes .*--shape 3,.,6"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_layers_without_a_counterpart_are_refused_by_name(what: str, tmp_path: Path) -> None:
    layer, shape, text = REFUSED[what]
    x = keras.Input(shape, name="x")
    with pytest.raises(FormatError, match=text) as refused:
        cr.load(saved(tmp_path, keras.Model(x, layer(x)), ".keras"))
    assert re.match(r"\S*some\.keras: ", str(refused.value))
    assert "\n" not in str(refused.value)


def test_a_layer_in_training_mode_is_refused(tmp_path: Path) -> None:
    x = keras.Input((3,))
    model = keras.Model(x, L.Dropout(0.5, name="d")(L.ReLU()(x), training=True))
    with pytest.raises(FormatError, match="'d' is called with 'training' True"):
        cr.load(saved(tmp_path, model, ".keras"))


def test_a_shared_layer_with_several_originals_is_refused(tmp_path: Path) -> None:
    """The file does not say to which of two layers of the same name and options the third is equal."""

    def within(name: str, layer: Any) -> Any:
        return keras.Sequential([keras.Input((3,)), layer], name=name)

    x, shared = keras.Input((3,)), L.Dense(3, name="d")
    models = [within("a", L.Dense(3, name="d")), within("b", shared), within("c", shared)]
    model = keras.Model(x, L.Add()([each(x) for each in models]))
    with pytest.raises(FormatError, match="Dense 'd': 0 arrays in the file; expected 2"):
        cr.load(saved(tmp_path, model, ".keras"))


def test_classes_of_the_author_are_refused_and_not_run(tmp_path: Path) -> None:
    class Doubled(L.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    model = keras.Sequential([keras.Input((3,)), Doubled(name="twice")])
    for ending, text in ((".keras", "Doubled 'twice': a custom class"), (".h5", "Doubled 'twice'")):
        with pytest.raises(FormatError, match=text):
            cr.load(saved(tmp_path, model, ending))


@pytest.mark.filterwarnings("ignore")  # of Keras
def test_weights_alone_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, keras.Sequential([keras.Input((3,)), L.Dense(2)]), ".weights.h5")
    with pytest.raises(FormatError, match="a Keras file of weights, without a network"):
        cr.load(path)


def _rewritten(path: Path, change: Callable[[dict[str, Any]], None], weights: Path | None = None) -> Path:
    """Write a file with a changed configuration."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    if weights is not None:
        members["model.weights.h5"] = weights.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("units", 7, r"Dense 'd': kernel has type .* and shape \(3, 2\); expected \(3, 7\)"),
        ("use_bias", False, "Dense 'd': 2 arrays in the file; expected 1: kernel"),
        ("units", "2", "Dense 'd': units '2'; expected a whole number of at least 1"),
        ("quantization_config", {"bits": 4}, "Dense 'd': quantization_config .*; expected no quantization_config"),
    ],
)
def test_options_that_do_not_fit(option: str, value: Any, text: str, tmp_path: Path) -> None:
    path = saved(tmp_path, keras.Sequential([keras.Input((3,)), L.Dense(2, name="d")]), ".keras")

    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["config"][option] = value

    with pytest.raises(FormatError, match=text):
        cr.load(_rewritten(path, change))


def test_packed_weights_are_refused(tmp_path: Path) -> None:
    model = filled(keras.Sequential([keras.Input((3,)), L.Dense(2, name="d")]), np.random.default_rng(0))
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("layers/dense/vars/0", data=np.zeros((3, 2), "f4"), compression="gzip")
        file.create_dataset("layers/dense/vars/1", data=np.zeros(2, "f4"))
    path = _rewritten(saved(tmp_path, model, ".keras"), lambda config: None, tmp_path / "w.h5")
    with pytest.raises(FormatError, match="Dense 'd': kernel is"):
        cr.load(path)


def test_a_file_of_something_else_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"nothing of the kind")
    with pytest.raises(FormatError, match=r"m\.keras: starts with"):
        cr.load(tmp_path / "m.keras")
