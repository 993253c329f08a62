"""Folders of images and masks, data sets that are computed, and files of predicted masks."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.trees import mask_folder
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image
from selection import draws

import chainrule as cr
from chainrule.data import load
from chainrule.data.computed import SHAPE_CLASSES, shapes
from chainrule.data.folder import image_paths, suggested_size
from chainrule.data.images import mask_array, open_mask
from chainrule.data.mask_values import MaskValues
from chainrule.data.masks import image_png, mask_png, overlay_png
from chainrule.errors import DataError, FormatError


def masks(count: int = 10, values: int = 3) -> np.ndarray:
    result = np.random.default_rng(0).integers(0, values, (count, 4, 6))
    result[:, 0, :values] = np.arange(values)[:6]
    return result


@pytest.mark.parametrize(("values", "names", "expected", "classes"), [
    ((0, 255), "", (0, 1), ("background", "foreground")),
    ((0, 128), "sky tree", (0, 1), ("sky", "tree")),
    ((0, 1, 255), "", (0, 1, 255), ("background", "foreground")),
    ((0, 2, 3, 255), "", (0, 2, 3, 255), ("0", "1", "2", "3")),  # numbers of classes, one of which is absent
    ((0, 15, 255), "", (0, 1, 255), ("background", "foreground")),
    ((0, 1, 2, 255), "road sky tree", (0, 1, 2, 255), ("road", "sky", "tree")),
    ((3, 20, 60), "", (0, 1, 2), ("3", "20", "60")),
    ((0, 128, 255), "", (0, 1, 2), ("0", "128", "255")),
    ((0, 1, 2), "a b c d", (0, 1, 2), tuple("abcd")),
    ((0xFF0000, 0x00FF00, 0x000000), "", (2, 1, 0), ("#000000", "#00ff00", "#ff0000")),
])  # fmt: skip
def test_values_of_masks_become_labels(
    values: tuple[int, ...], names: str, expected: tuple[int, ...], classes: tuple[str, ...], tmp_path: Path
) -> None:
    """Map the values, store them with a model, and predict masks of the same values."""
    places = masks(values=len(values))
    pixels = np.array(values)[places]
    colors = np.stack([pixels >> 16, pixels >> 8 & 255, pixels & 255], axis=-1)
    path = mask_folder(tmp_path / "street", colors if max(values) > 255 else pixels)
    if names:
        (path / "classes.txt").write_text(names.replace(" ", "\n"))
    training, test = load(path)
    assert training.classes == classes
    for part in (training, test):
        for image, labels in part:
            assert_array_equal(labels, np.array(expected)[places[image[0, 0, 0] - 10]])
    outputs = len(classes) + len(names)  # a network may have more outputs
    model = cr.Sequential([cr.Conv2D(outputs, 1), cr.Softmax()], training.sample_shape, engine="numpy")
    model.fit(training, epochs=1, progress=False, ignore_label=255)
    model.save(tmp_path / "model.safetensors")
    meant = cr.load(tmp_path / "model.safetensors").mask_values
    predicted = np.array([label for label in expected if label < len(classes)])
    (tmp_path / "predicted.png").write_bytes(mask_png(predicted[None], meant))
    assert_array_equal(mask_array(open_mask(tmp_path / "predicted.png"))[0], values[: len(predicted)])


@pytest.mark.parametrize(("suffix", "least"), [("png", 0.999), ("jpg", 0.98)])
def test_two_clusters_are_background_and_foreground(suffix: str, least: float, tmp_path: Path) -> None:
    """Load masks of disks with soft edges, 0 … 255."""
    distance = np.hypot(*(np.mgrid[:16, :16] - 8)) - np.random.default_rng(0).uniform(3, 6, (10, 1, 1))
    soft = np.rint(255 * np.clip(0.5 - distance, 0, 1))
    training, _ = load(mask_folder(tmp_path / "street", soft, suffix=suffix))
    assert training.classes == ("background", "foreground")
    for image, labels in training:
        assert (labels == (soft[image[0, 0, 0] - 10] > 127)).mean() > least
    assert "127" in str(training.inventory)


@pytest.mark.parametrize(("value", "ignore_label"), [(255, None), (0, 0)])
@pytest.mark.parametrize("lazy", [False, True])
def test_a_rare_unusable_mask_is_refused_before_training(
    value: int, ignore_label: int | None, lazy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Look at all masks, not only at those that determine the task."""
    monkeypatch.setattr("chainrule.data.sources.PROBE_SAMPLES", 2)
    drawn = masks()
    drawn[7] = value
    if ignore_label is None:
        drawn[7, 0, 0] = 0
    data, _ = load(mask_folder(tmp_path / "street", drawn), lazy=lazy, test_share=0.1, seed=1)
    model, steps = cr.Sequential([cr.Conv2D(3, 1), cr.Softmax()], data.sample_shape, engine="numpy"), list[int]()
    with pytest.raises(DataError, match=r"sample [67]"):
        model.fit(data, ignore_label=ignore_label, progress=False, batch_size=1, callbacks=lambda *_: steps.append(1))
    assert not steps


NOISE = np.random.default_rng(0).integers(0, 256, (10, 4, 6, 3))


def test_folders_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "street"
    for many in (NOISE, NOISE[..., 0]):
        with pytest.raises(DataError, match="expected at most 64"):
            load(mask_folder(path, many))
    mask_folder(path, masks())
    (path / "classes.txt").write_text("road\n")
    with pytest.raises(DataError, match=r"classes.txt: 1 names, but 3 values"):
        load(path)
    (path / "classes.txt").unlink()
    mask = path / "masks" / "03.png"
    for image, message in (
        (None, r"3.png: there is no mask .*3.png"),
        (Image.new("RGBA", (6, 4)), "a mask must have 8 bits"),
        (Image.new("L", (5, 4)), r"5×4 pixels, but 03\.png has 6×4"),
    ):
        mask.unlink() if image is None else image.save(mask)
        with pytest.raises((DataError, FormatError), match=message):
            load(path)


def test_masks_are_resized_without_interpolation(tmp_path: Path) -> None:
    path = mask_folder(tmp_path / "street", NOISE[..., 0] % 8)
    assert suggested_size(path, image_paths(path)) == (4, 8)
    training, _ = load(path, size=(8, 12))
    assert training.y.shape[1:] == (8, 12)
    for image, labels in training:
        assert_array_equal(labels[::2, ::2], NOISE[image[0, 0, 0] - 10, ..., 0] % 8)
        assert_array_equal(labels[1::2, 1::2], labels[::2, ::2])


def test_files_of_predictions() -> None:
    labels, image = np.array([[0, 1], [2, 0]]), np.full((1, 2, 2), 100, np.uint8)
    mask = Image.open(io.BytesIO(mask_png(labels)))
    assert mask.mode == "P"
    assert_array_equal(np.array(mask), labels)
    colors = np.array(mask.getpalette()).reshape(-1, 3).tolist()
    assert colors[11:31] == 2 * colors[1:11]  # label 0 alone has its color
    overlay = np.array(Image.open(io.BytesIO(overlay_png(image, labels))))
    assert overlay.shape == (2, 2, 3)
    assert_array_equal((overlay == 100).all(axis=2), labels == 0)
    gray = np.array(Image.open(io.BytesIO(image_png(np.array([[[0.0, 0.5], [1.0, 7.0]]])))))
    assert_array_equal(gray, [[0, 128], [255, 255]])


def test_shapes_are_drawn_from_their_numbers() -> None:
    training, test = shapes(30, 20)
    again, _ = shapes(50, 1)
    assert_array_equal(again.x, np.concatenate([training.x, test.x]))
    assert training.classes == SHAPE_CLASSES
    assert {*np.unique(training.y)} == {0, 1, 2, 3}
    contrast = [abs(x[0][y > 0].mean() - x[0][y == 0].mean()) for x, y in zip(training.x, training.y, strict=True)]
    assert np.median(contrast) > 10


def test_masks_are_read_during_training(tmp_path: Path) -> None:
    y = masks(30)
    y[::2, 2] = 255
    path, results = mask_folder(tmp_path / "street", y), list[tuple[Any, ...]]()
    options: dict[str, Any] = {"validation_split": 0.3, "augmentation": "shift=1,flip", "batch_size": 4, "epochs": 2}
    for lazy in (False, True):
        training, test = load(path, size=(4, 8), lazy=lazy)
        model = cr.Sequential([cr.Conv2D(3, 3, padding="same"), cr.Softmax()], training.sample_shape)
        history = model.fit(training, ignore_label=255, progress=False, **options)
        evaluation = model.evaluate(test, ignore_label=255)
        assert (evaluation.samples, len(evaluation.outputs)) == (6, 6)
        losses = [epoch.validation_loss for epoch in history.epochs], evaluation.loss
        results.append((model.parameters, evaluation.confusion, *losses))
    for loaded, streamed in zip(*results, strict=True):
        assert_array_equal(loaded, streamed)


@settings(max_examples=draws(20))
@given(st.lists(st.integers(1, 1000), min_size=2, max_size=5))
def test_a_remark_states_the_shares_of_the_pixels(pixels: list[int]) -> None:
    values = MaskValues(tuple(range(10, 10 + len(pixels))))
    names = [f"class {number}" for number in range(len(pixels))]
    remark = values.remark(dict(zip(values.values, pixels, strict=True)), names)
    for name, count in zip(names, pixels, strict=True):
        assert f"is {name} ({count / sum(pixels):.1%})" in remark
