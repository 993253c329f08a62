"""A folder of images: classes, order, colours, sizes, links, and files that are left out or refused."""

import errno
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.trees import inventory, picture, tree
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image
from selection import draws

from chainrule.data import Dataset, load
from chainrule.data.folder import image_paths, suggested_size
from chainrule.data.folder_layout import images_below
from chainrule.errors import DataError, FormatError, OptionError

IN_TRAIN = "train/a*1 train/b*1"
OUTSIDE = "link out of the folder"
AROUND = "link to a folder around it"
AGAIN = "link to an image that is already used"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("", r"expected one subfolder of images per class, .* found nothing"),
        ("other*1 class/a.txt class/b.HEIC", "found only a.txt, b.HEIC; convert to JPEG first, as with: magick"),
        (
            "images/cat*1 images/dog*1",
            r"only one class, 'images'.*subfolders \(cat, dog\) are the classes, load images",
        ),
        ("a*2 data/dog*2 data/cat->../a", r"only one class, 'dog'.*cat: link out of the folder"),
        ("a*2 data/dog*2 data/cat/0.png->../../a/0.png", rf"cat: .*, found only 0.png \({OUTSIDE}\)"),
        (f"{IN_TRAIN} test/b*1", "test has no class 'a'; expected the same classes in train and test"),
        (f"{IN_TRAIN} test/a*1 test/b*1 test/c*1 test/d*1", "train has no class 'c', 'd'; expected the same"),
        (f"{IN_TRAIN} val/a*1 val/c*1 test/a*1 test/b*1", "val has no class 'b' and .*train has no class 'c'"),
        ("test/a*1 test/b*1", "contains test, but no train folder"),
        (f"{IN_TRAIN} training/a*1 training/b*1", "both train and training; expected one train folder"),
        (f"{IN_TRAIN} bus/a*1 bus/b*1", "train has subfolders, so it is not a class, but bus next to it contains"),
        (
            "a*1 a/x.png a/y.webp b/z/u.jpg b*1",
            "3 damaged: a/x.png: .*; a/y.webp: .*; and 1 more; skip_damaged=True",
        ),
    ],
)
def test_refused(tmp_path: Path, files: str, message: str) -> None:
    tree(tmp_path, files)
    with pytest.raises((DataError, FormatError), match=message):
        load(tmp_path / "data" if "data/" in files else tmp_path)


@pytest.mark.parametrize(
    ("files", "used", "left_out"),
    [
        (  # loops and links out of the folder
            "store/cats*3 data/dog*2 data/cat*1 data/.hidden*2 data/cat/more->../.hidden data/dog/around->../dog "
            "data/dog/gone.png->nothing.png data/dog/loop.png->loop.png data/dog/outside->../../store "
            "data/dog/outside.png->../../store/cats/0.png data/root->/ data/whole->../data",
            {"all": {"cat": 3, "dog": 2}},
            {
                "dog/around": AROUND,
                "dog/gone.png": "cannot be read",
                "dog/loop.png": "cannot be read",
                **dict.fromkeys(("dog/outside", "dog/outside.png", "root"), OUTSIDE),
                "whole": AROUND,
            },
        ),
        (  # each image counts once
            "data/all/cat*3 data/all/dog*3 data/train/dog*1 data/test/cat*1 data/test/dog*1 "
            "data/train/cat/a.png->../../all/cat/0.png data/train/cat/b.png->../../all/cat/0.png "
            "data/train/cat/c.png->d.png data/train/cat/d.png->../../all/cat/1.png "
            "data/train/dog/a.png->../../test/dog/0.png data/train/dog/both->../../all/dog "
            "data/train/dog/twice->../../all/dog data/train/dogs->dog",
            {"train": {"cat": 2, "dog": 4}, "test": {"cat": 1, "dog": 1}},
            {
                **dict.fromkeys(("train/cat/b.png", "train/cat/d.png", "train/dog/a.png"), AGAIN),
                **dict.fromkeys(("train/dog/twice", "train/dogs"), "link to a folder that is already used"),
            },
        ),
    ],
    ids=["links out of it", "links within it"],
)
def test_links_are_followed_within_the_folder_and_count_no_image_twice(
    tmp_path: Path, files: str, used: Any, left_out: dict[str, str]
) -> None:
    train, test = load(tree(tmp_path, files) / "data")
    assert inventory(train).used == used
    assert len(train) + len(test) == sum(sum(part.values()) for part in used.values())
    assert {entry.path: entry.reason for entry in inventory(train).left_out if entry.path != "all/"} == left_out
    (tmp_path / "link").symlink_to("data")
    assert load(tmp_path / "link")[0].classes == train.classes


def test_many_links_between_folders_are_walked_in_linear_time(tmp_path: Path) -> None:
    """Follow 20 folders that all link to each other, which have 20! paths."""
    names = [f"{number:02}" for number in range(20)]
    links = [f".all/{name}/{other}->../{other}" for name in names for other in names]
    tree(tmp_path, " ".join(["a*1 b*1 a/in->../.all/00", *(f".all/{name}*1" for name in names), *links]))
    train, _ = load(tmp_path)
    assert inventory(train).used == {"all": {"a": 21, "b": 1}}
    assert len(images_below(tmp_path / "a")) == 2  # the image, and the link, which leads out of this folder


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
    tree(tmp_path, "a*2 b*2 b/locked*1 b/unsearchable*1 .secret*1 a/x->../.secret/0.png stray->.secret/0.png")
    for name in (".secret", "b/locked"):
        (tmp_path / name).chmod(0o000)
    train, _ = load(tmp_path)
    left_out = {entry.path: entry.detail for entry in inventory(train).left_out}
    assert left_out == dict.fromkeys(("a/x", "b/locked", "stray"), "Permission denied")
    below = {str(path.relative_to(tmp_path)) for path, problem in images_below(tmp_path) if "denied" in str(problem)}
    assert below == {*left_out}
    (tmp_path / "b" / "unsearchable").chmod(0o444)  # names can be listed, files cannot be opened
    with pytest.raises(DataError, match=r"b/unsearchable/0.png: cannot be read .Permission denied.*--skip-damaged"):
        load(tmp_path)
    assert [len(part) for part in load(tmp_path, skip_damaged=True)] == [3, 1]
    for folder in (tmp_path / "a", tmp_path):
        folder.chmod(0o000)
        for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "0.png"):
            with pytest.raises(DataError, match=r"cannot be read .Permission denied."):
                load(path)
        folder.chmod(0o700)


@pytest.mark.parametrize("call", ["scandir", "stat", "readlink"])
def test_errors_of_the_operating_system_are_no_exceptions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Fail one system call for everything that is called bad, as disks and network drives do."""
    tree(tmp_path, "a*2 b*2 b/bad*1 a/bad.png->../b/bad/0.png")
    original = getattr(os, call)

    def failing(path: Any, *words: Any, **options: Any) -> Any:
        if "bad" in str(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return original(path, *words, **options)

    monkeypatch.setattr(os, call, failing)
    images = images_below(tmp_path)
    assert {"0.png", "1.png"} <= {path.name for path, problem in images if not problem}
    assert call == "scandir" or any("error" in str(problem) for _, problem in images)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_image_and_is_not_waited_for(tmp_path: Path) -> None:
    tree(tmp_path, "a*2 b*2")
    os.mkfifo(tmp_path / "a" / "pipe.png")
    train, _ = load(tmp_path)
    assert inventory(train).reasons == {"no regular file": 1}
    assert [path.name for path, _ in images_below(tmp_path)] == ["0.png", "1.png", "0.png", "1.png"]


def test_numbers_are_in_the_order_of_their_values(tmp_path: Path) -> None:
    assert load(tree(tmp_path, "10*1 9*1 100*1"))[0].classes == ("9", "10", "100")


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
    assert inventory(train).changed == {"animated or of several pages, the first taken": 2}


def test_a_class_of_damaged_files_is_refused(tmp_path: Path) -> None:
    tree(tmp_path, "a*4 a/x.png b/y.webp b/deep/z.tiff")
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
    for place, part in enumerate(parts):
        for label, name in enumerate("ab"):
            depths = draw.draw(st.lists(st.sampled_from(["", "x/", "x/y/", "z/"]), min_size=2, max_size=5))
            for number, depth in enumerate(depths):
                suffix = draw.draw(st.sampled_from([".png", ".webp", ".TIF", ".jpeg", ".jfif", ".jpe", ".tiff"]))
                picture(root / part / name / depth / f"{number}{suffix}", 100 * label + 20 * place + number)
            used[name] += len(depths)
    places = st.sampled_from(["", *parts, *(f"{part}a/" for part in parts), f"{parts[0]}b/deep/"])
    junk = draw.draw(st.sets(st.tuples(places, st.sampled_from([*JUNK, *QUIET])), max_size=8))
    train, test = load(tree(root, " ".join(map("".join, junk))))
    assert sum(map(Counter, inventory(train).used.values()), Counter()) == used
    sets: list[Dataset] = [
        *([train, train.validation, train.only(["b"]).validation] if train.validation else [train]),
        test,
    ]
    assert len(train) + len(test) + len(train.validation or ()) == used.total()
    for place, part in enumerate(sets):
        levels = part.x[:, 0, 0, 0]
        assert [part.classes[label] for label in part.y] == ["ab"[level // 100] for level in levels]
        if len(parts) > 1:
            assert {*(levels % 100 // 20).tolist()} == {place if len(parts) == len(sets) else (0, 1, 1, 2)[place]}
    assert {entry.path: entry.reason for entry in inventory(train).left_out} == {
        place + name: JUNK[name] for place, name in junk if name in JUNK
    }
    json.dumps(inventory(train).to_json())


def test_suggested_sizes(tmp_path: Path) -> None:
    tree(tmp_path, "a*2 b*1")
    for name, width, size in (("x", 5, None), ("y", 20, (20, 20)), ("z", 300, (64, 64))):
        picture(tmp_path / "a" / f"{name}.png", 1, size=(width, 4 if size is None else 10))
        assert suggested_size(tmp_path, image_paths(tmp_path)) == size
