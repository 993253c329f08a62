"""What training records of inputs and outputs is used by everything later: relations over drawn networks."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numerical import assert_close
from PIL import Image
from training.drawn_fits import KINDS, fitted

import chainrule as cr
from chainrule.interop.c import Quantized

DTYPES = (np.uint8, np.int16, np.int64, np.float32, np.float64)
PLAIN = ("classes", "names", "binary", "multi-label", "regression", "signal", "map", "images")
NORMALIZATIONS = (None, "scale", "standardize", "none")
CASES = [(kind, name, "numpy") for kind in PLAIN for name in NORMALIZATIONS]
CASES += [("classes", None, "compiled"), ("regression", "standardize", "compiled")]


def trained(kind: str, normalization: str | None, engine: str = "numpy") -> tuple[Any, np.ndarray]:
    """Return a network trained on data of its kind, and other whole numbers that are not negative."""
    _, x, y = KINDS[kind]
    result = fitted(kind, (x, y), engine, {"normalization": normalization, "epochs": 1})
    assert result
    return result[0], np.random.default_rng(0).integers(0, 256 if x.max() > 9 else 5, (6, *x.shape[1:]))


@pytest.mark.filterwarnings("ignore::chainrule.errors.InputUnitWarning")
@pytest.mark.parametrize(("kind", "normalization", "engine"), CASES)
def test_the_same_numbers_give_the_same_outputs(
    kind: str, normalization: str | None, engine: str, tmp_path: Path
) -> None:
    model, x = trained(kind, normalization, engine)
    expected = model.predict(x.astype(np.float64))
    for dtype in DTYPES:
        assert_close(model.predict(np.asfortranarray(x.astype(dtype))), expected)
    assert_close(model.predict(x.tolist()), expected)
    order = np.random.default_rng(1).permutation(len(x))
    assert_close(model.predict(x[order])[np.argsort(order)], expected)
    assert_close(np.concatenate([model.predict(sample) for sample in x]), expected)
    assert_close(model.predict(x, batch_size=4), expected)
    losses = [model.evaluate(x.astype(dtype), KINDS[kind][2][:6]).loss for dtype in DTYPES]
    assert_close(losses, [losses[0]] * len(losses), dtype=np.float32)
    if kind in ("classes", "names", "map"):
        quantized = Quantized(model, x)
        assert len({quantized.predict(x.astype(dtype)).tobytes() for dtype in DTYPES}) == 1
    cr.export_onnx(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    assert_close(session.run(None, {"x": x.astype(np.float32)})[0], expected)
    assert cr.load(tmp_path / "m.onnx").signature.inputs == model.signature.inputs


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("unit", [1.0, 255.0])
@pytest.mark.parametrize("digits", [False, True])
def test_files_become_inputs_as_recorded(channels: int, unit: float, digits: bool, tmp_path: Path) -> None:
    """Take a file by the unit of the training data. Only data that say so consist of centered digits."""
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 60, (20, channels, 28, 28)).astype(np.uint8)
    pixels[:, :, 4:14, 6:12] += 180  # not centered
    data = cr.Dataset(pixels if unit == 255 else pixels / 255, np.arange(20) % 10, digits=digits)
    model = cr.Sequential([cr.Flatten(), cr.Dense(10), cr.Softmax()], (channels, 28, 28), engine="numpy")
    model.fit(data, epochs=1, progress=False)
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, image in zip(paths, pixels, strict=False):
        Image.fromarray(np.moveaxis(image, 0, -1).squeeze()).save(path)
    actual = model.predict(paths)
    if digits and channels == 1:
        expected = np.stack([cr.data.load_digit(path) for path in paths])
        assert_close(actual, model.predict(expected if unit == 255 else expected / 255))
        assert np.abs(actual - model.predict(data.x[:3])).max() > 1e-3
    else:
        assert_close(actual, model.predict(data.x[:3]))
