"""Image files as arrays: modes, transparency, orientation, size limits."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chainrule.data import load_image
from chainrule.data.images import open_image, to_array
from chainrule.errors import DataError, FormatError, OptionError


def saved(path: Path, array: np.ndarray, **options: object) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def test_grey_and_colour(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    path = saved(tmp_path / "c.png", colours)
    np.testing.assert_array_equal(load_image(path, (3, 4, 6)), colours.transpose(2, 0, 1))
    luma = colours @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(load_image(path, (1, 4, 6))[0], luma, atol=1)
    assert load_image(path, (3, 9, 2)).shape == (3, 9, 2)


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    path = saved(tmp_path / "deep.png", np.array([[0, 257, 128 * 257, 65535]], np.uint16))
    np.testing.assert_array_equal(load_image(path, (1, 1, 4)), [[[0, 1, 128, 255]]])


def test_transparent_is_white(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.png", np.array([[[0, 0, 0, 0], [10, 20, 30, 255]]], np.uint8))
    np.testing.assert_array_equal(load_image(path, (3, 1, 2))[:, 0], [[255, 10], [255, 20], [255, 30]])


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned a quarter: what is stored left is up
    stored = np.zeros((8, 16), np.uint8)
    stored[:, 8:] = 255
    path = saved(tmp_path / "p.jpg", stored, exif=exif, quality=100)
    upright = load_image(path, (1, 16, 8))[0]
    assert upright[:8].mean() < 5
    assert upright[8:].mean() > 250


def test_too_many_pixels(tmp_path: Path) -> None:
    path = saved(tmp_path / "big.png", np.zeros((30, 20), np.uint8))
    assert open_image(path, most_pixels=600).size == (20, 30)
    with pytest.raises(DataError, match=r"big.png: 20×30 pixels is too large; expected at most 599 pixels"):
        open_image(path, most_pixels=599)


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_a_bomb_is_not_unpacked(tmp_path: Path, side: int) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    path = tmp_path / "bomb.png"
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))
    with pytest.raises(DataError, match=r"bomb.png: .*too large; expected at most 64000000 pixels"):
        open_image(path)


def test_what_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.png: cannot be read \(No such file"):
        open_image(tmp_path / "none.png")
    with pytest.raises(DataError, match="cannot be read"):
        open_image(tmp_path)
    saved(tmp_path / "other.png", np.zeros((3, 3), np.uint8), format="GIF")
    with pytest.raises(FormatError, match=r"other.png: not a PNG or JPEG image"):
        open_image(tmp_path / "other.png")
    with pytest.raises(OptionError, match="a model of input 5×4×4 takes no pictures"):
        load_image(tmp_path / "other.png", (5, 4, 4))


def test_arrays_are_contiguous() -> None:
    assert to_array(Image.new("RGB", (3, 2)), 3).flags.c_contiguous
