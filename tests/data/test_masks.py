"""Folders of images and masks, data sets that are computed, and files of predicted masks."""

import io
from pathlib import Path

import numpy as np
import pytest
from data.trees import left_out, mask_folder
from numpy.testing import assert_array_equal
from PIL import Image

import chainrule as cr
from chainrule.data import load
from chainrule.data.computed import SHAPE_CLASSES, shapes
from chainrule.data.folder import image_paths, suggested_size
from chainrule.data.images import image_png, mask_png, overlay_png
from chainrule.errors import DataError, FormatError


def masks(count: int = 10, values: int = 3) -> np.ndarray:
    result = np.random.default_rng(0).integers(0, values, (count, 4, 6))
    result[:, 0, :values] = np.arange(values)[:6]
    return result


@pytest.mark.parametrize(("values", "names", "classes"), [
    ((0, 1), "", ("0", "1")),
    ((0, 1, 255), "", ("0", "1")),
    ((0, 1, 2), "road sky tree", ("road", "sky", "tree")),
    ((0, 3, 255), "a b c d", tuple("abcd")),  # names of classes that do not occur
])  # fmt: skip
@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_values_of_masks_are_labels(
    values: tuple[int, ...], names: str, classes: tuple[str, ...], mode: str, tmp_path: Path
) -> None:
    if mode == "1" and max(values) > 1:
        return
    labels = np.array(values, np.uint8)[masks(values=len(values))]
    path = mask_folder(tmp_path / "street", labels)
    for number, mask in enumerate(labels):
        image = Image.fromarray(mask > 0) if mode == "1" else Image.fromarray(mask, mode)
        if mode == "P":
            image.putpalette(np.arange(768, dtype=np.uint8)[::-1].tobytes())
        image.save(path / "masks" / f"{number:02}.png")
    if names:
        (path / "classes.txt").write_text(names.replace(" ", "\n"))
    for part in load(path):
        assert part.classes == classes
        for image, own in part:
            assert_array_equal(own, labels[image[0, 0, 0] - 10])


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


@pytest.mark.parametrize(
    ("values", "names", "says"),
    [
        ((0, 255), 0, "only one class in the masks; save those of 0 and 255 as mask // 255"),
        ((0, 1, 128), 0, r"the value 128 in the masks, but no 2; name the classes in classes\.txt"),
        ((0, 1, 2), 2, r"the value 2 in the masks, but 2 names in classes\.txt"),
        (tuple(range(100)), 0, "100 values in the masks; name the classes"),
        ((255,), 2, "10 damaged: .*all pixels are 255"),
    ],
)
def test_values_that_are_no_labels_are_refused(values: tuple[int, ...], names: int, says: str, tmp_path: Path) -> None:
    count = len(values)
    places = np.arange(10 * 24).reshape(10, 4, 6) % count
    path = mask_folder(tmp_path / "street", np.array(values)[places])
    if names:
        (path / "classes.txt").write_text("\n".join("abc"[:names]))
    with pytest.raises(DataError, match=says):
        load(path)


def test_folders_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = mask_folder(tmp_path / "street", masks())
    mask = path / "masks" / "03.png"
    for image, message in (
        (None, r"3.png: there is no mask .*3.png"),
        (Image.new("RGB", (6, 4)), "a mask must have one channel of 8 bits"),
        (Image.new("I;16", (6, 4)), "a mask must have one channel of 8 bits"),
        (Image.new("L", (5, 4)), r"5×4 pixels upright, but 03\.png has 6×4"),
    ):
        mask.unlink() if image is None else image.save(mask)
        with pytest.raises((DataError, FormatError), match=message):
            load(path)
    (path / "images" / "03.png").unlink()
    training, _ = load(path)
    assert left_out(training) == {"masks/03.png": "mask without an image"}


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
