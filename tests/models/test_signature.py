"""What training records of inputs and outputs is used by everything later: relations over drawn networks."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from interop.c.compiled import NATIVE, needs, outputs
from numerical import assert_close
from numpy.testing import assert_array_equal
from PIL import Image

import chainrule as cr
from chainrule.interop.c import Quantized

DTYPES = (np.uint8, np.int16, np.int64, np.float32, np.float64)
SIZES = {1: (7,), 2: (2, 70), 3: (1, 9, 6), 4: (3, 6, 8)}


def drawn(seed: int, engine: str) -> tuple[cr.Sequential, np.ndarray]:
    """Return a network trained on drawn numbers of a drawn dtype and range, and other whole numbers 0 … 255."""
    draw = np.random.default_rng(seed)
    shape = SIZES[int(draw.integers(1, 5))]
    high, count = int(draw.choice([2, 17, 256])), 40
    x = draw.integers(0, high, (count, *shape)).astype(draw.choice(["uint8", "int64", "float32", "float64"]))
    x = x - draw.normal() if draw.random() < 0.2 else x / 255 if draw.random() < 0.3 else x
    y = (x.reshape(count, -1)[:, 0] > np.median(x.reshape(count, -1)[:, 0])).astype(np.int64)
    body = {1: [], 2: [cr.Conv1D(3, 5), cr.ReLU()], 3: [cr.Conv2D(3, (3, 2)), cr.ReLU()]}[len(shape)]
    names = ["no", "yes"] if draw.random() < 0.5 else None
    model = cr.Sequential(
        [*body, cr.Flatten(), cr.Dense(2), cr.Softmax()], shape, engine=engine, classes=names, seed=seed, name="drawn"
    )
    kind = draw.choice(["scale", "standardize", "none", ""]) or None
    model.fit(x, y, epochs=1, batch_size=16, normalization=kind, progress=False)
    return model, draw.integers(0, high, (6, *shape))


@pytest.mark.filterwarnings("ignore::chainrule.errors.InputUnitWarning")
@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("seed", range(15))
def test_the_same_numbers_give_the_same_outputs(seed: int, engine: str, tmp_path: Path) -> None:
    model, x = drawn(seed, engine)
    expected = model.predict(x.astype(np.float64))
    for dtype in DTYPES:
        assert_close(model.predict(np.asfortranarray(x.astype(dtype))), expected)
    assert_close(model.predict(x.tolist()), expected)
    order = np.random.default_rng(seed).permutation(len(x))
    assert_close(model.predict(x[order])[np.argsort(order)], expected)
    assert_close(np.concatenate([model.predict(sample) for sample in x]), expected)
    assert_close(model.predict(x, batch_size=4), expected)
    labels = np.arange(len(x)) % 2
    losses = [model.evaluate(x.astype(dtype), labels).loss for dtype in DTYPES]
    assert_close(losses, [losses[0]] * len(losses), dtype=np.float32)
    heat = [model.saliency(x.astype(dtype), 1) for dtype in DTYPES]
    assert_close(heat, [heat[0]] * len(heat), dtype=np.float32)
    model.save(tmp_path / "m.safetensors")
    loaded = cr.load(tmp_path / "m.safetensors", engine=engine)
    assert (loaded.signature, loaded.about()) == (model.signature, model.about())
    assert_array_equal(loaded.predict(x.astype(np.uint8)), model.predict(x.astype(np.uint8)))
    cr.export_onnx(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    assert_close(session.run(None, {"x": x.astype(np.float32)})[0], expected)
    assert cr.load(tmp_path / "m.onnx").signature.inputs == model.signature.inputs


@needs("gcc")
@pytest.mark.filterwarnings("ignore::chainrule.errors.InputUnitWarning")
def test_exported_c_takes_the_same_numbers(tmp_path: Path) -> None:
    models, images = zip(*(drawn(seed, "numpy") for seed in range(8)), strict=True)
    found = outputs(tmp_path, models, images, NATIVE)
    for model, x, y in zip(models, images, found, strict=True):
        assert_close(y, model.predict(x))


@pytest.mark.filterwarnings("ignore::chainrule.errors.InputUnitWarning")
@pytest.mark.parametrize("seed", range(6))
def test_int8_takes_the_same_numbers(seed: int) -> None:
    model, x = drawn(seed, "numpy")
    quantized = Quantized(model, x)
    found = [quantized.predict(x.astype(dtype)) for dtype in DTYPES]
    assert_array_equal(found, [found[0]] * len(found))


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
    found = model.predict(paths)
    if digits and channels == 1:
        expected = np.stack([cr.data.load_digit(path) for path in paths])
        assert_close(found, model.predict(expected if unit == 255 else expected / 255))
        assert np.abs(found - model.predict(data.x[:3])).max() > 1e-3
    else:
        assert_close(found, model.predict(data.x[:3]))


def test_several_outputs_are_answered_by_name() -> None:
    draw = np.random.default_rng(0)
    image = cr.Input((1, 5, 7), name="image")
    features = cr.Flatten()(image)
    model = cr.Graph([image], [cr.Softmax()(cr.Dense(3)(features)), cr.Dense(1)(features)], engine="numpy")
    x, t = draw.normal(size=(30, 1, 5, 7)), draw.integers(0, 3, 30)
    name, other = model.output_names
    model.fit(x, {name: t, other: t * 100.0}, epochs=1, progress=False)
    found, predicted = model.predict_classes(x), model.predict(x)
    assert found[name].tolist() == [str(k) for k in predicted[name].argmax(1)]
    assert_array_equal(found[other], predicted[other])
