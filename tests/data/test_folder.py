"""A folder of pictures: classes, order, colours, sizes, and what cannot be used."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chainrule.data import load, load_folder
from chainrule.errors import DataError, FormatError, OptionError


def picture(path: Path, level: int, *, size: tuple[int, int] = (5, 4), mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level if mode == "L" else (level, 0, 255)).save(path)


def tree(root: Path, counts: dict[str, int], **options: object) -> Path:
    for number, (name, count) in enumerate(counts.items()):
        for each in range(count):
            picture(root / name / f"{each}.png", 10 * number + each, **options)
    return root


def test_a_folder_a_class(tmp_path: Path) -> None:
    tree(tmp_path, {"cat": 3, "ant": 2})
    (tmp_path / "cat" / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden").mkdir()
    train, test = load(tmp_path, test_share=0.2, seed=1)
    assert train.classes == ("ant", "cat")
    assert train.shape == (1, 4, 5)
    assert (len(train), len(test)) == (4, 1)
    levels = {**{int(x[0, 0, 0]): int(y) for x, y in zip(train.x, train.y, strict=True)}}
    levels |= {int(x[0, 0, 0]): int(y) for x, y in zip(test.x, test.y, strict=True)}
    assert levels == {0: 1, 1: 1, 2: 1, 10: 0, 11: 0}
    np.testing.assert_array_equal(load(tmp_path, test_share=0.2, seed=1)[1].x, test.x)


def test_train_and_test_folders(tmp_path: Path) -> None:
    tree(tmp_path / "train", {"a": 2, "b": 2})
    tree(tmp_path / "test", {"b": 1})
    train, test = load_folder(tmp_path)
    np.testing.assert_array_equal(train.y, [0, 0, 1, 1])
    np.testing.assert_array_equal(train.x[:, 0, 0, 0], [0, 1, 10, 11])
    np.testing.assert_array_equal(test.y, [1])
    picture(tmp_path / "test" / "c" / "0.png", 0)
    with pytest.raises(DataError, match=r"test/c: a class without training pictures; known: a, b"):
        load_folder(tmp_path)


def test_numbers_are_in_the_order_of_their_values(tmp_path: Path) -> None:
    tree(tmp_path, {"10": 1, "9": 1, "100": 1})
    assert load_folder(tmp_path)[0].classes == ("9", "10", "100")


def test_grey_or_colour(tmp_path: Path) -> None:
    tree(tmp_path, {"a": 2, "b": 1})
    picture(tmp_path / "b" / "c.png", 200, mode="RGB")
    train, test = load_folder(tmp_path)
    colours = np.concatenate([train.x, test.x])
    assert colours.shape == (4, 3, 4, 5)
    assert sorted(colours[:, :, 0, 0].tolist())[-1] == [200, 0, 255]
    assert sorted(colours[:, :, 0, 0].tolist())[:3] == [[0] * 3, [1] * 3, [10] * 3]
    assert load_folder(tmp_path, channels=1)[0].shape == (1, 4, 5)
    with pytest.raises(OptionError, match="1 or 3 channels, not 2"):
        load_folder(tmp_path, channels=2)


def test_jpeg_and_sizes(tmp_path: Path) -> None:
    tree(tmp_path, {"a": 2, "b": 1})
    picture(tmp_path / "b" / "z.JPG", 99, size=(10, 8))
    with pytest.raises(DataError, match=r"z.JPG: 10×8 pixels, but .*0.png has 5×4; say which size"):
        load_folder(tmp_path)
    train, test = load_folder(tmp_path, size=(6, 7))
    assert train.shape == test.shape == (1, 6, 7)
    with pytest.raises(OptionError, match=r"resized to \(0, 7\)"):
        load_folder(tmp_path, size=(0, 7))


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected one sub-folder of pictures a class, found nothing"):
        load(tmp_path)
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text("text")
    with pytest.raises(DataError, match=r"a class, found only 0.txt, 1.txt, 2.txt and 2 more"):
        load(tmp_path)
    (tmp_path / "class").mkdir()
    with pytest.raises(DataError, match="class: expected PNG or JPEG pictures, found nothing"):
        load(tmp_path)
    (tmp_path / "class" / "a.txt").write_text("text")
    with pytest.raises(DataError, match=r"class: expected PNG or JPEG pictures, found only a.txt"):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"text that only says it is a picture"])
def test_files_that_are_no_pictures_are_named(tmp_path: Path, content: bytes) -> None:
    tree(tmp_path, {"a": 2})
    (tmp_path / "a" / "x.png").write_bytes(content)
    with pytest.raises(FormatError, match=r"x.png: not a PNG or JPEG image"):
        load(tmp_path)


def test_damaged_pictures_are_named(tmp_path: Path) -> None:
    tree(tmp_path, {"a": 2})
    noise = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.png")
    (tmp_path / "a" / "x.png").write_bytes((tmp_path / "whole.png").read_bytes()[:900])
    with pytest.raises(FormatError, match=r"x.png: damaged image"):
        load(tmp_path)


def bomb(path: Path, side: int) -> None:
    """A PNG file of a few bytes that says it is side×side pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))


@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("side", [9_000, 10_000, 60_000])
def test_a_bomb_is_named(tmp_path: Path, side: int, channels: int | None) -> None:
    tree(tmp_path, {"a": 2})
    bomb(tmp_path / "a" / "x.png", side)
    size = f"{side}×{side} pixels is " if side < 20_000 else ""  # beyond, Pillow refuses before it says the size
    with pytest.raises(DataError, match=rf"x.png: {size}too large; expected at most 64000000 pixels"):
        load(tmp_path, channels=channels)


def test_every_picture_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, {"a": 2, "b": 1})
    opened: list[Any] = []
    original = Image.open
    monkeypatch.setattr(Image, "open", lambda path, **options: opened.append(path) or original(path, **options))
    load_folder(tmp_path)
    assert sorted(path.name for path in opened) == ["0.png", "0.png", "1.png"]


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_beside_colour_is_what_pillow_makes_of_it(tmp_path: Path, mode: str) -> None:
    levels = np.random.default_rng(3).integers(0, 256, (4, 5, 2), np.uint8)
    grey = Image.fromarray(levels, "LA") if mode == "LA" else Image.fromarray(levels[:, :, 0]).convert(mode)
    (tmp_path / "a").mkdir()
    grey.save(tmp_path / "a" / "0.png")
    picture(tmp_path / "a" / "1.png", 9, size=(5, 4), mode="RGB")
    for size in (None, (3, 7)):
        mixed = load_folder(tmp_path, size=size)
        asked = load_folder(tmp_path, size=size, channels=3)
        for found, expected in zip(mixed, asked, strict=True):
            np.testing.assert_array_equal(found.x, expected.x)
