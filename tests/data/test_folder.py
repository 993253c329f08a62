"""A folder of images: classes, order, colours, sizes, and files that are left out or refused."""

import errno
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.trees import left_out, picture, tree
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image
from selection import draws

from chainrule.data import load, load_test
from chainrule.data.folder import image_paths, suggested_size
from chainrule.data.folder_layout import images_below
from chainrule.errors import DataError, FormatError, OptionError

IN_TRAIN = "train/a*1 train/b*1"
LINK = "a link, which is not followed; copy the file"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("", r"expected one subfolder of images per class, or a table labels.csv, found nothing"),
        ("other*1 class/a.txt class/b.HEIC", "class: expected .* images, found only a.txt, b.HEIC; convert to JPEG"),
        ("images/cat*1 images/dog*1", r"only one class, 'images'.*subfolders \(cat, dog\) are the classes, load"),
        (f"{IN_TRAIN} test/b*1", "test has no class 'a'; expected the same classes in train and test"),
        (f"{IN_TRAIN} test/a*1 test/b*1 test/c*1 test/d*1", "train has no class 'c', 'd'; expected the same"),
        (f"{IN_TRAIN} validation/a*1 validation/c*1 test/a*1 test/b*1", "validation has no class 'b' and .*'c'"),
        ("test/a*1 test/b*1", "contains test, but no folder train"),
        (f"{IN_TRAIN} training/a*1 training/b*1", "training: rename it to train or, if it is a class, to another"),
        (f"{IN_TRAIN} val/a*1 val/b*1", "val: rename it to validation"),
        ("Test/a*1 Train/b*1", "Test: rename it to test"),
        ("train*2 bus*2", r"train: expected one subfolder of images per class, .* found only 0.png, 1.png"),
        ("a*1 targets.csv", "targets.csv is not read; expected a table labels.csv"),
        (
            "a*1 a/x.png a/y.webp b/z/u.jpg b*1",
            "3 damaged: a/x.png: .*; a/y.webp: .*; and 1 more; skip_damaged=True",
        ),
    ],
)
def test_refused(tmp_path: Path, files: str, message: str) -> None:
    with pytest.raises((DataError, FormatError), match=message):
        load(tree(tmp_path, files))


def test_links_are_named_but_not_followed(tmp_path: Path) -> None:
    """Only the folder itself may be a link; links to it, out of it, to nothing and in a circle are left out."""
    tree(
        tmp_path,
        "store*3 data/dog*2 data/cat*1 data/cat/more->../../store data/dog/around->../dog data/dog/gone.png->no.png "
        "data/dog/loop.png->loop.png data/dog/twice.png->0.png data/root->/ data/bird->dog",
    )
    (tmp_path / "link").symlink_to("data")
    for folder in ("data", "link"):
        train, test = load(tmp_path / folder)
        assert (train.classes, len(train) + len(test)) == (("cat", "dog"), 3)
        unused = left_out(train)
        images = {"dog/gone.png", "dog/loop.png", "dog/twice.png"}
        assert {name: unused[name] for name in images} == dict.fromkeys(images, LINK)
        assert {*unused} - images == {"cat/more", "dog/around", "root", "bird"}


def test_a_folder_named_like_an_image_and_deep_folders(tmp_path: Path) -> None:
    deep = tree(tmp_path, "a/x.png*2 b*2") / "b"
    for _ in range(1200):  # deeper than Python's limit of recursion
        deep /= "d"
        deep.mkdir()
    picture(deep / "0.png", 99)
    try:
        train, test = load(tmp_path)
    finally:  # shutil.rmtree, which cleans up after tests, is recursive
        (deep / "0.png").unlink()
        os.removedirs(deep)
    assert len(train) + len(test) == 5


@pytest.mark.unprivileged
def test_unreadable_entries_are_listed(tmp_path: Path) -> None:
    tree(tmp_path, "a*2 b*2 b/locked*1 b/unsearchable*1")
    (tmp_path / "b" / "locked").chmod(0o000)
    train, _ = load(tmp_path)
    assert left_out(train) == {"b/locked": "cannot be read (Permission denied)"}
    (tmp_path / "b" / "unsearchable").chmod(0o444)  # names can be listed, files cannot be opened
    with pytest.raises(DataError, match=r"b/unsearchable/0.png: cannot be read .Permission denied.*--skip-damaged"):
        load(tmp_path)
    for folder in (tmp_path / "a", tmp_path):
        folder.chmod(0o000)
        with pytest.raises(DataError, match=r"Permission denied"):
            load(tmp_path)
        folder.chmod(0o700)


@pytest.mark.parametrize("call", ["scandir", "stat"])
def test_errors_of_the_operating_system_are_no_exceptions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Fail one system call for everything that is called bad, as disks and network drives do."""
    tree(tmp_path, "a*2 b*2 b/bad*1")
    original = getattr(os, call)

    def failing(path: Any, *words: Any, **options: Any) -> Any:
        if "bad" in str(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return original(path, *words, **options)

    monkeypatch.setattr(os, call, failing)
    train, test = load(tmp_path)
    assert len(train) + len(test) + len(left_out(train)) == 5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_image_and_is_not_waited_for(tmp_path: Path) -> None:
    tree(tmp_path, "a*2 b*2")
    os.mkfifo(tmp_path / "a" / "pipe.png")
    train, _ = load(tmp_path)
    assert left_out(train) == {"a/pipe.png": "no regular file"}
    problems = [problem for _, problem in images_below(tmp_path)]
    assert problems == [None, None, "no regular file", None, None]


def test_numbers_are_in_the_order_of_their_values(tmp_path: Path) -> None:
    assert load(tree(tmp_path, "10*1 9*1 100*1"))[0].classes == ("9", "10", "100")


def test_one_class_is_enough_to_evaluate(tmp_path: Path) -> None:
    folder = tree(tmp_path, "a*2")
    with pytest.raises(DataError, match="only one class, 'a'"):
        load(folder)
    assert load_test(folder).classes == ("a",)


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_beside_colour_is_what_pillow_makes_of_it(tmp_path: Path, mode: str) -> None:
    levels = np.random.default_rng(3).integers(0, 256, (4, 5, 2), np.uint8)
    grey = Image.fromarray(levels, "LA") if mode == "LA" else Image.fromarray(levels[:, :, 0]).convert(mode)
    tree(tmp_path, "a*2 b*2", mode="RGB")
    for name in "ab":
        grey.save(tmp_path / name / "0.png")
    for size in (None, (3, 7)):
        for actual, expected in zip(load(tmp_path, size=size), load(tmp_path, size=size, channels=3), strict=True):
            assert_array_equal(actual.x, expected.x)
    assert load(tmp_path, lazy=True)[0].sample_shape == (3, 4, 5)
    assert load(tmp_path, channels=1)[0].sample_shape == (1, 4, 5)
    with pytest.raises(OptionError, match="1 or 3 channels, not 2"):
        load(tmp_path, channels=2)


def test_the_first_image_of_several_is_taken_and_lossless_formats_are_exact(tmp_path: Path) -> None:
    levels = np.random.default_rng(4).integers(0, 256, (4, 4, 5, 3), np.uint8)
    several = {"save_all": True, "append_images": [Image.fromarray(levels[0])]}
    files = {"0.png": {}, "1.WEBP": {"lossless": True}, "2.tif": several, "3.webp": {"lossless": True} | several}
    tree(tmp_path, "a/ b*2", mode="RGB")
    for (name, options), pixels in zip(files.items(), levels, strict=True):
        Image.fromarray(pixels).save(tmp_path / "a" / name, **options)
    train, test = load(tmp_path, test_share=0.3)
    images = {image.tobytes() for part in (train, test) for image, label in part if label == 0}
    assert images == {image.transpose(2, 0, 1).tobytes() for image in levels}
    assert train.remarks == ("2 images: animated or of several pages, the first taken",)


def test_a_class_or_a_set_of_damaged_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="every image of class 'b' is damaged"):
        load(tree(tmp_path / "classes", "a*4 a/x.png b/y.webp b/deep/z.tiff"), skip_damaged=True)
    folder = tree(tmp_path / "table", "train*3 test/x.png")
    rows = [f"train/{number}.png,{number}" for number in range(3)]
    (folder / "labels.csv").write_text("\n".join(["file,size", *rows, "test/x.png,3"]))
    with pytest.raises(DataError, match="every image in test is damaged"):
        load(folder, skip_damaged=True)


JUNK = {
    **dict.fromkeys(("notes.txt", "readme"), "no image"),
    "clip.tga": "no image",
    "photo.HEIC": "HEIC, which is not read; convert to JPEG first, as with: magick mogrify -format jpg FILE",
}
FOLDERS = [[""], ["train/"], ["train/", "test/"], ["train/", "validation/"], ["train/", "validation/", "test/"]]
QUIET = (".DS_Store", "Thumbs.db", "._0.png", "__MACOSX/0.png", ".git/0.png", "desktop.ini")


@settings(max_examples=draws(13))
@given(st.data())
def test_every_file_is_accounted_for(tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject) -> None:
    """Account for every file: used, named with a reason, or ignored as a system file."""
    root = tmp_path_factory.mktemp("drawn")
    parts = draw.draw(st.sampled_from(FOLDERS))
    used: Counter[str] = Counter()
    for place, part in enumerate(parts):
        for label, name in enumerate("ab"):
            depths = draw.draw(st.lists(st.sampled_from(["", "x/", "x/y/", "z/"]), min_size=2, max_size=5))
            for number, depth in enumerate(depths):
                suffix = draw.draw(st.sampled_from([".png", ".webp", ".TIF", ".jpeg", ".jfif", ".jpe", ".tiff"]))
                picture(root / part / name / depth / f"{number}{suffix}", 100 * label + 20 * place + number)
            used[part] += len(depths)
    places = st.sampled_from(["", *parts, *(f"{part}a/" for part in parts), f"{parts[0]}b/deep/"])
    junk = draw.draw(st.sets(st.tuples(places, st.sampled_from([*JUNK, *QUIET])), max_size=8))
    train, test = load(tree(root, " ".join(map("".join, junk))))
    sets = {"test/": [test], "validation/": [train.validation], parts[0]: [train]}
    if "test/" not in parts:
        sets[parts[0]] += sets.pop("test/")
    for place, part in enumerate(parts):
        found = [data for data in sets[part] if data is not None]
        assert sum(map(len, found)) == used[part]
        for data in found:
            levels = data.x[:, 0, 0, 0]
            assert [data.classes[label] for label in data.y] == ["ab"[level // 100] for level in levels]
            assert {*(levels % 100 // 20).tolist()} == {place}
    assert (train.validation is not None) == ("validation/" in parts)
    expected = {place + name: JUNK[name] for place, name in junk if name in JUNK}
    for name in expected:
        if parts != [""] and not name.startswith(tuple(parts)):
            expected[name] = f"outside of {', '.join(part.strip('/') for part in parts)}"
    assert left_out(train) == expected


def test_suggested_sizes(tmp_path: Path) -> None:
    tree(tmp_path, "a*2 b*1")
    for name, width, size in (("x", 5, None), ("y", 20, (20, 20)), ("z", 300, (64, 64))):
        picture(tmp_path / "a" / f"{name}.png", 1, size=(width, 4 if size is None else 10))
        assert suggested_size(tmp_path, image_paths(tmp_path)) == size
