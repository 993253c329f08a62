"""A folder of images: classes, order, colours, sizes, and unusable files."""

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image
from selection import draws

from chainrule.data import load
from chainrule.data.folder import image_paths, suggested_size
from chainrule.errors import DataError, FormatError, OptionError


def picture(path: Path, level: int, *, size: tuple[int, int] = (5, 4), mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level if mode == "L" else (level, 0, 255)).save(path)


def tree(root: Path, counts: dict[str, int], **options: object) -> Path:
    for number, (name, count) in enumerate(counts.items()):
        for each in range(count):
            picture(root / name / f"{each}.png", 10 * number + each, **options)
    return root


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train": "ab", "test": "b"}, r"test has no class 'a'; expected the same classes in train and test"),
        ({"train": "ab", "test": "abcd"}, r"train has no class 'c', 'd'; expected the same"),
        ({"train": "ab", "val": "ac", "test": "ab"}, r"val has no class 'b' and .*train has no class 'c'"),
        ({"test": "ab"}, "contains test, but no train folder"),
        ({"val": "ab", "test": "ab"}, "contains val and test, but no train folder"),
        ({"train": "ab", "training": "ab"}, "both train and training; expected one train folder"),
        (
            {"train": "ab", "bus": "ab"},
            "train has subfolders, so it is not a class, but bus next to it contains images",
        ),
        ({"train": "ab", "test": ""}, "test has no class 'a', 'b'"),
    ],
)
def test_parts_that_do_not_fit_together(tmp_path: Path, parts: dict[str, str], message: str) -> None:
    for part, classes in parts.items():
        (tmp_path / part).mkdir()
        tree(tmp_path / part, dict.fromkeys(classes, 1))
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_a_folder_around_the_classes_is_named(tmp_path: Path) -> None:
    tree(tmp_path / "images", {"cat": 1, "dog": 1})
    with pytest.raises(
        DataError, match=r"only one class, 'images'.*subfolders \(cat, dog\) are the classes, load images"
    ):
        load(tmp_path)


def test_numbers_are_in_the_order_of_their_values(tmp_path: Path) -> None:
    tree(tmp_path, {"10": 1, "9": 1, "100": 1})
    assert load(tmp_path)[0].classes == ("9", "10", "100")


def test_grey_or_colour(tmp_path: Path) -> None:
    tree(tmp_path, {"a": 2, "b": 1})
    picture(tmp_path / "b" / "c.png", 200, mode="RGB")
    train, test = load(tmp_path)
    colours = np.concatenate([train.x, test.x])
    assert colours.shape == (4, 3, 4, 5)
    assert sorted(colours[:, :, 0, 0].tolist())[-1] == [200, 0, 255]
    assert sorted(colours[:, :, 0, 0].tolist())[:3] == [[0] * 3, [1] * 3, [10] * 3]
    assert load(tmp_path, lazy=True)[0].shape == (3, 4, 5)
    assert load(tmp_path, channels=1)[0].shape == (1, 4, 5)
    with pytest.raises(OptionError, match="1 or 3 channels, not 2"):
        load(tmp_path, channels=2)


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected one subfolder of images per class, .* found nothing"):
        load(tmp_path)
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text("text")
    with pytest.raises(DataError, match=r"per class, .*, found only 0.txt, 1.txt, 2.txt and 2 more"):
        load(tmp_path)
    tree(tmp_path, {"other": 1})
    (tmp_path / "class").mkdir()
    with pytest.raises(DataError, match="class: expected PNG, JPEG, WebP, TIFF, GIF, BMP or PPM images, found nothing"):
        load(tmp_path)
    (tmp_path / "class" / "a.txt").write_text("text")
    (tmp_path / "class" / "b.HEIC").write_text("what a telephone took")
    with pytest.raises(DataError, match=r"found only a.txt, b.HEIC; convert to JPEG first, as with: magick"):
        load(tmp_path)


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_beside_colour_is_what_pillow_makes_of_it(tmp_path: Path, mode: str) -> None:
    levels = np.random.default_rng(3).integers(0, 256, (4, 5, 2), np.uint8)
    grey = Image.fromarray(levels, "LA") if mode == "LA" else Image.fromarray(levels[:, :, 0]).convert(mode)
    for name in "ab":
        (tmp_path / name).mkdir()
        grey.save(tmp_path / name / "0.png")
        picture(tmp_path / name / "1.png", 9, size=(5, 4), mode="RGB")
    for size in (None, (3, 7)):
        mixed = load(tmp_path, size=size)
        asked = load(tmp_path, size=size, channels=3)
        for actual, expected in zip(mixed, asked, strict=True):
            assert_array_equal(actual.x, expected.x)


def test_every_format_that_is_read(tmp_path: Path) -> None:
    """Read lossless formats exactly, and the first image of a multi-page TIFF and an animated WebP."""
    levels = np.random.default_rng(4).integers(0, 256, (6, 4, 5, 3), np.uint8)
    first, jpeg = Image.fromarray(levels[0]), {"format": "JPEG", "quality": 100, "subsampling": 0}
    lossless, several = {"lossless": True}, {"save_all": True, "append_images": [first]}
    files = {"a/0.png": {}, "a/1.WEBP": lossless, "a/2.tiff": {}, "a/3.tif": several, "a/4.webp": lossless | several}
    for (name, options), pixels in zip({**files, "b/5.jfif": jpeg}.items(), levels, strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / name, **options)
    Image.fromarray(levels[5]).save(tmp_path / "b" / "6.jpe", **jpeg)
    train, test = load(tmp_path, test_share=0.3, seed=2)
    actual = np.concatenate([train.x, test.x])[np.concatenate([train.y, test.y]) == 0]
    expected = {image.transpose(2, 0, 1).tobytes() for image in levels[:5]}
    assert {image.tobytes() for image in actual} == expected
    assert train.inventory is not None
    assert train.inventory.changed == {"animated or of several pages, the first taken": 2}


def test_all_damaged_files_are_named_at_once_and_can_be_left_out(tmp_path: Path) -> None:
    tree(tmp_path, {"a": 4, "b": 3})
    for name in ("a/x.png", "a/y.webp", "b/deep/z.tiff", "b/u.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n torn")
    with pytest.raises(
        FormatError, match=r"4 images cannot be used: a/x.png: .*; a/y.webp: .*; and 2 more; to leave them out"
    ):
        load(tmp_path)
    train, test = load(tmp_path, skip_damaged=True)
    assert len(train) + len(test) == 7
    assert train.inventory is not None
    assert train.inventory.reasons == {"damaged": 4}
    assert [entry.path for entry in train.inventory.left_out] == ["a/x.png", "a/y.webp", "b/deep/z.tiff", "b/u.jpg"]
    for path in (tmp_path / "b").glob("[0-9].png"):
        path.write_bytes(b"torn")
    with pytest.raises(DataError, match="every image of class 'b' is damaged"):
        load(tmp_path, skip_damaged=True)


JUNK = {
    **dict.fromkeys(("notes.txt", "labels.csv", "readme"), "no image"),
    "clip.tga": "TGA, which is not read",
    "photo.HEIC": "HEIC, which is not read",
}
FOLDERS = [
    *([""], ["train/"], ["train/", "test/"], ["Train/", "val/"]),  # without a test folder, the images of val are
    *(["training/", "valid/", "TEST/"], ["train/", "validation/", "testing/"]),
]
QUIET = (".DS_Store", "Thumbs.db", "._0.png", "__MACOSX/0.png", ".git/0.png", "desktop.ini")


@settings(max_examples=draws(13))
@given(st.data())
def test_every_file_is_accounted_for(tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject) -> None:
    """Account for every file: used, skipped with a reason, or ignored as a system file."""
    root = tmp_path_factory.mktemp("drawn")
    parts = draw.draw(st.sampled_from(FOLDERS))
    used: Counter[str] = Counter()
    expected: dict[str, str] = {}
    for place, part in enumerate(parts):
        for label, name in enumerate("ab"):
            depths = draw.draw(st.lists(st.sampled_from(["", "x/", "x/y/", "z/"]), min_size=2, max_size=5))
            for number, depth in enumerate(depths):
                suffix = draw.draw(st.sampled_from([".png", ".webp", ".TIF", ".jpeg"]))
                picture(root / part / name / depth / f"{number}{suffix}", 100 * label + 20 * place + number)
            used[name] += len(depths)
    places = st.sampled_from(["", *parts, *(f"{part}a/" for part in parts), f"{parts[0]}b/deep/"])
    for place, name in draw.draw(st.sets(st.tuples(places, st.sampled_from([*JUNK, *QUIET])), max_size=8)):
        path = root / place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"junk")
        if name in JUNK:
            expected[place + name] = JUNK[name]
    train, test = load(root)
    assert train.inventory is not None
    totals: Counter[str] = Counter()
    for classes in train.inventory.used.values():
        totals.update(classes)
    assert totals == used
    sets = [train, *([train.validation, train.only(["b"]).validation] if train.validation else []), test]
    assert len(train) + len(test) + len(train.validation or ()) == used.total()
    for place, part in enumerate(sets):
        levels = part.x[:, 0, 0, 0]
        assert [part.classes[label] for label in part.y] == ["ab"[level // 100] for level in levels]
        if len(parts) > 1:
            assert {*(levels % 100 // 20).tolist()} == {place if len(parts) == len(sets) else (0, 1, 1, 2)[place]}
    assert {entry.path: entry.reason for entry in train.inventory.left_out} == expected
    json.dumps(train.inventory.to_json())


def test_suggested_sizes(tmp_path: Path) -> None:
    tree(tmp_path, {"a": 2, "b": 1})
    assert suggested_size(tmp_path, image_paths(tmp_path)) is None
    picture(tmp_path / "a" / "z.png", 1, size=(20, 10))
    assert suggested_size(tmp_path, image_paths(tmp_path)) == (20, 20)
    picture(tmp_path / "a" / "y.png", 1, size=(300, 10))
    assert suggested_size(tmp_path, image_paths(tmp_path)) == (64, 64)


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not have")
def test_names_with_terminal_codes_and_line_breaks_are_written_out(tmp_path: Path) -> None:
    tree(tmp_path, {"cat\x1b[31m": 2, "dog": 2})
    (tmp_path / "dog" / "new\nline.txt").write_text("x")
    train, _ = load(tmp_path)
    assert train.classes == ("cat\\x1b[31m", "dog")
    assert train.inventory is not None
    assert [str(entry) for entry in train.inventory.left_out] == ["dog/new\\nline.txt: no image"]
