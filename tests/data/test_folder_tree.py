"""Links, special files, and entries that cannot be read, in image folders."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.test_folder import picture, tree

from chainrule.data import load
from chainrule.data.folder_layout import images_below
from chainrule.errors import DataError


def link(path: Path, target: Path | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.symlink_to(target)
    except OSError as error:
        pytest.skip(f"no links here: {error}")


def left_out(folder: Path) -> list[tuple[str, str, str]]:
    """Return (path, reason, detail) of what was left out of a folder."""
    inventory = load(folder)[0].inventory
    assert inventory is not None
    return [(entry.path, entry.reason, entry.detail) for entry in inventory.left_out]


def test_links_are_followed_within_the_folder_only(tmp_path: Path) -> None:
    tree(tmp_path / "store", {"cats": 3})
    data = tree(tmp_path / "data", {"dog": 2, "cat": 1, ".hidden": 2})
    link(data / "cat" / "more", "../.hidden")
    link(data / "dog" / "around", data / "dog")
    link(data / "dog" / "gone.png", tmp_path / "nothing.png")
    link(data / "dog" / "loop.png", "loop.png")
    link(data / "dog" / "outside", tmp_path / "store")
    link(data / "dog" / "outside.png", tmp_path / "store" / "cats" / "0.png")
    link(data / "root", "/")
    link(data / "whole", data)
    train, test = load(data)
    assert train.classes == ("cat", "dog")
    levels = sorted(np.concatenate([train.x, test.x])[:, 0, 0, 0].tolist())
    assert levels == [0, 1, 10, 20, 21]
    outside = "link out of the folder"
    assert left_out(data) == [
        ("dog/around", "link to a folder around it", ""),
        ("dog/gone.png", "cannot be read", "No such file or directory"),
        ("dog/loop.png", "cannot be read", "Too many levels of symbolic links"),
        ("dog/outside", outside, f"to {tmp_path.resolve()}/store"),
        ("dog/outside.png", outside, f"to {tmp_path.resolve()}/store/cats/0.png"),
        ("root", outside, "to /"),
        ("whole", "link to a folder around it", ""),
    ]
    link(tmp_path / "given", data)  # the link that is given is followed
    assert load(tmp_path / "given")[0].classes == ("cat", "dog")


def test_links_count_no_image_twice(tmp_path: Path) -> None:
    data = tree(tmp_path, {"all/cat": 3, "all/dog": 3, "train/dog": 1, "test/cat": 1, "test/dog": 1})
    link(data / "train" / "cat" / "a.png", "../../all/cat/0.png")
    link(data / "train" / "cat" / "b.png", "../../all/cat/0.png")
    link(data / "train" / "cat" / "c.png", "d.png")
    link(data / "train" / "cat" / "d.png", "../../all/cat/1.png")
    link(data / "train" / "dog" / "a.png", "../../test/dog/0.png")
    link(data / "train" / "dog" / "both", "../../all/dog")
    link(data / "train" / "dog" / "twice", "../../all/dog")
    link(data / "train" / "dogs", "dog")
    train, test = load(data)
    assert train.inventory is not None
    assert train.inventory.used == {"train": {"cat": 2, "dog": 4}, "test": {"cat": 1, "dog": 1}}
    image, folder = "link to an image that is already used", "link to a folder that is already used"
    assert [entry for entry in left_out(data) if entry[0] != "all/"] == [
        ("train/cat/b.png", image, ""),
        ("train/cat/d.png", image, ""),
        ("train/dog/a.png", image, ""),
        ("train/dog/twice", folder, ""),
        ("train/dogs", folder, ""),
    ]
    assert len(test) == 2


def test_many_links_between_folders_are_walked_in_linear_time(tmp_path: Path) -> None:
    """Follow 20 folders that all link to each other, which have 20! paths."""
    names = [f"{number:02}" for number in range(20)]
    tree(tmp_path / ".all", dict.fromkeys(names, 1))
    for name in names:
        for other in names:
            link(tmp_path / ".all" / name / other, f"../{other}")
    tree(tmp_path, {"a": 1, "b": 1})
    link(tmp_path / "a" / "in", "../.all/00")
    train, _ = load(tmp_path)
    assert train.inventory is not None
    assert train.inventory.used == {"all": {"a": 21, "b": 1}}
    assert len(images_below(tmp_path / "a")) == 2  # the image, and the link, which leads out of this folder


def test_classes_that_are_links_out_of_the_folder_are_named(tmp_path: Path) -> None:
    tree(tmp_path / "store", {"cats": 3})
    data = tree(tmp_path / "data", {"dog": 2})
    link(data / "cat", tmp_path / "store" / "cats")
    with pytest.raises(DataError, match=r"only one class, 'dog'.*cat: link out of the folder"):
        load(data)
    (data / "cat").unlink()
    link(data / "cat" / "0.png", tmp_path / "store" / "cats" / "0.png")
    with pytest.raises(DataError, match=r"cat: expected .* images, found only 0.png \(link out of the folder\)"):
        load(data)


def test_a_folder_named_like_an_image_and_deep_folders(tmp_path: Path) -> None:
    tree(tmp_path, {"a/x.png": 2, "b": 2})
    deep = tmp_path / "b"
    for _ in range(1200):  # deeper than Python's limit of recursion
        deep /= "d"
        deep.mkdir()
    picture(deep / "0.png", 99)
    try:
        train, test = load(tmp_path)
    finally:  # shutil.rmtree, which cleans up after tests, is recursive
        (deep / "0.png").unlink()
        os.removedirs(deep)
    assert train.inventory is not None
    assert train.inventory.used == {"all": {"a": 2, "b": 3}}
    assert len(train) + len(test) == 5


@pytest.mark.unprivileged
def test_unreadable_entries_are_listed(tmp_path: Path) -> None:
    tree(tmp_path, {"a": 2, "b": 2, "b/locked": 1, "b/unsearchable": 1, ".secret": 1})
    link(tmp_path / "a" / "x", "../.secret/0.png")
    link(tmp_path / "stray", ".secret/0.png")
    (tmp_path / ".secret").chmod(0o000)
    (tmp_path / "b" / "locked").chmod(0o000)
    assert left_out(tmp_path) == [
        ("a/x", "cannot be read", "Permission denied"),
        ("b/locked", "cannot be read", "Permission denied"),
        ("stray", "cannot be read", "Permission denied"),
    ]
    below = {str(path.relative_to(tmp_path)): problem for path, problem in images_below(tmp_path)}
    assert {path for path, problem in below.items() if "Permission denied" in problem} == {"a/x", "b/locked", "stray"}
    (tmp_path / "b" / "unsearchable").chmod(0o444)  # names can be listed, files cannot be opened
    with pytest.raises(DataError, match=r"b/unsearchable/0.png: cannot be read .Permission denied.*--skip-damaged"):
        load(tmp_path)
    assert [len(part) for part in load(tmp_path, skip_damaged=True)] == [3, 1]
    for folder in (tmp_path / "a", tmp_path):
        folder.chmod(0o000)
        with pytest.raises(DataError, match=rf"{folder}: cannot be read .Permission denied."):
            load(tmp_path)
        folder.chmod(0o700)
    (tmp_path / "a").chmod(0o000)
    for path in (tmp_path / "a" / "0.png", tmp_path / "a" / "more"):
        with pytest.raises(DataError, match=r"cannot be read .Permission denied."):
            load(path)


@pytest.mark.parametrize("call", ["scandir", "stat", "readlink"])
def test_errors_of_the_operating_system_are_no_exceptions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Fail one system call for everything that is called bad, as disks and network drives do."""
    tree(tmp_path, {"a": 2, "b": 2, "b/bad": 1})
    link(tmp_path / "a" / "bad.png", "../b/bad/0.png")
    original = getattr(os, call)

    def failing(path: Any, *words: Any, **options: Any) -> Any:
        if "bad" in str(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return original(path, *words, **options)

    monkeypatch.setattr(os, call, failing)
    images = images_below(tmp_path)
    assert {"0.png", "1.png"} <= {path.name for path, problem in images if not problem}
    assert call == "scandir" or any("error" in problem for _, problem in images)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_image_and_is_not_waited_for(tmp_path: Path) -> None:
    tree(tmp_path, {"a": 2, "b": 2})
    os.mkfifo(tmp_path / "a" / "pipe.png")
    train, _ = load(tmp_path)
    assert train.inventory is not None
    assert train.inventory.reasons == {"no regular file": 1}
    assert [path.name for path, _ in images_below(tmp_path)] == ["0.png", "1.png", "0.png", "1.png"]
