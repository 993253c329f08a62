"""Image files as arrays: modes, transparency, orientation, size limits."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.trees import save
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageOps

from chainrule.data import images, load_image
from chainrule.data.images import image_shape, open_image, open_mask, treatments
from chainrule.errors import DataError, FormatError, OptionError

LEVELS = np.random.default_rng(0).integers(0, 256, (7, 6, 4), np.uint8)
DEEP = np.random.default_rng(9).integers(0, 65536, (7, 6), np.uint16)
PALETTE = np.random.default_rng(6).integers(0, 256, (256, 3), np.uint8)
COLORS, WEIGHT = LEVELS[:, :, :3] * 1.0, LEVELS[:, :, 3:] / 255  # WEIGHT: of alpha or of black ink
ON_WHITE = WEIGHT * COLORS + (1 - WEIGHT) * 255


def indexed(path: Path) -> None:
    """Write an image whose pixels are places in a palette."""
    image = Image.fromarray(LEVELS[:, :, 0]).convert("P")
    image.putpalette(PALETTE.tobytes())
    image.save(path)


# file → how to write it, its colors or gray levels, how many levels it may differ, what is said
FILES: dict[str, tuple[Callable[[Path], object], np.ndarray, int, list[str]]] = {
    "rgb.png": (lambda path: save(path, LEVELS[:, :, :3]), COLORS, 0, []),
    "grey.png": (lambda path: save(path, LEVELS[:, :, 0]), COLORS[:, :, :1], 0, []),
    "luma.png": (lambda path: save(path, LEVELS[:, :, :3]), COLORS @ [[0.299], [0.587], [0.114]], 1, []),
    "palette.png": (indexed, PALETTE[LEVELS[:, :, 0]], 0, []),
    **{
        f"alpha.{suffix}": (
            lambda path, options=options: save(path, LEVELS, **options),
            ON_WHITE,
            1,
            ["transparent parts shown on white"],
        )
        for suffix, options in {"png": {}, "webp": {"lossless": True, "exact": True}, "tiff": {}}.items()
    },
    "inks.tiff": (
        lambda path: Image.fromarray(LEVELS, "CMYK").save(path),
        (255 - COLORS) * (1 - WEIGHT),
        2,
        ["CMYK, converted to RGB"],
    ),
    **{
        f"deep.{suffix}": (
            lambda path: save(path, DEEP),
            np.rint(DEEP / 257)[:, :, None],
            0,
            ["16 bits per channel, reduced to 8"],
        )
        for suffix in ("png", "tiff")
    },
}


@pytest.mark.parametrize("name", FILES)
def test_pixels_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    """Blend transparent colors with white, α·c + (1 − α)·255; convert inks to R = (255 − C)(255 − K)/255."""
    write, expected, error, said = FILES[name]
    write(tmp_path / name)
    pixels = load_image(tmp_path / name, (expected.shape[2], 7, 6))
    assert_allclose(pixels.transpose(1, 2, 0), expected, atol=error)
    assert treatments(open_image(tmp_path / name)) == said
    assert load_image(tmp_path / name, (3, 9, 2)).shape == (3, 9, 2)


def test_too_many_pixels(tmp_path: Path) -> None:
    path = save(tmp_path / "big.png", np.zeros((30, 20), np.uint8))
    assert open_image(path, max_pixels=600).size == (20, 30)
    with pytest.raises(DataError, match=r"big.png: 20×30 pixels is too large; expected at most 599 pixels"):
        open_image(path, max_pixels=599)


NO_IMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "none.png": (lambda path: None, r"cannot be read \(No such file"),
    "folder.png": (lambda path: path.mkdir(), "cannot be read"),
    "other.png": (
        lambda path: save(path, np.zeros((3, 3), np.uint8), format="TGA"),
        "not a PNG, JPEG, WebP, TIFF, GIF, BMP or PPM image",
    ),
    "torn.png": (lambda path: path.write_bytes(b"torn"), "not a PNG"),
    "IMG_1.jpg": (
        lambda path: path.write_bytes(b"\0\0\0\x20ftypheic" + bytes(100)),
        "not a PNG.* but HEIC or AVIF: convert to JPEG first",
    ),
    # levels that would have to be guessed
    "float.tiff": (lambda path: save(path, DEEP / np.float32(9)), "mode F; expected 8 or 16 bits per channel"),
    "large.tiff": (lambda path: save(path, DEEP + np.int32(70_000)), "mode I; expected 8 or 16 bits per channel"),
    "lab.tiff": (lambda path: Image.fromarray(LEVELS[:, :, :3], "LAB").save(path), "mode LAB; expected 8 or 16 bits"),
}


@pytest.mark.parametrize("name", NO_IMAGE)
def test_other_files_are_refused(name: str, tmp_path: Path) -> None:
    write, message = NO_IMAGE[name]
    write(tmp_path / name)
    with pytest.raises((DataError, FormatError), match=f"{name}: .*{message}"):
        open_image(tmp_path / name)
    if "PNG" in message:
        with pytest.raises(FormatError, match=name):
            image_shape(tmp_path / name)
    with pytest.raises(OptionError, match="the model input 5×4×4 is not an image"):
        load_image(tmp_path / name, (5, 4, 4))


@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_what_pillow_makes_of_it(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "p.png", np.arange(6, dtype=np.uint8).reshape(2, 3), exif=exif)
    with Image.open(path) as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored))
    assert_array_equal(np.asarray(open_image(path)), upright)
    assert image_shape(path)[1:] == upright.shape


@pytest.mark.parametrize(
    "entry",
    [b"\0\x02\0\0\0\x04abc\0", b"\0\x05\0\0\0\x01\xff\xff\xff\xff", b"\0\x63\0\0\0\x01\0\0\0\0", b""],
    ids=["letters", "a fraction outside", "of no kind", "cut off"],
)
def test_an_orientation_that_is_none_is_passed_over(entry: bytes, tmp_path: Path) -> None:
    oriented = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12"  # followed by the type, count and value of the orientation
    path = save(tmp_path / "p.jpg", np.zeros((8, 16), np.uint8), exif=oriented + entry + bytes(4), quality=100)
    assert open_image(path).size == (16, 8)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_large_image_is_converted_in_strips(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (37, 11, 4), np.uint8)
    Image.fromarray(pixels, "RGBA").convert(mode).save(tmp_path / "x.png")
    whole = np.asarray(open_image(tmp_path / "x.png"))
    monkeypatch.setattr(images, "STRIP", 40)
    assert_array_equal(np.asarray(open_image(tmp_path / "x.png")), whole)


@pytest.mark.parametrize(("low", "high"), [(0, 65536), (560, 1600)])
def test_colors_of_sixteen_bits_and_few_levels_are_reported(tmp_path: Path, low: int, high: int) -> None:
    """Pillow reduces colors of PNG and PPM files itself."""
    colors = np.random.default_rng(11).integers(low, high, (40, 30, 3)).astype(">u2")
    header = struct.pack(">IIBBBBB", 30, 40, 16, 2, 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(b"".join(b"\0" + row.tobytes() for row in colors)), b"IEND": b""}
    content = [struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks.items()]
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(content))
    (tmp_path / "c.ppm").write_bytes(b"P6 30 40 65535\n" + colors.tobytes())
    save(tmp_path / "g.png", colors[..., 0].astype(np.uint16))
    expected: dict[str, Any] = {"c.png": colors, "c.ppm": colors, "g.png": colors[..., 0]}
    for name, levels in expected.items():
        image = open_image(tmp_path / name)
        assert_allclose(np.asarray(image), levels / 257, atol=1)
        assert [("fewer than" in line) for line in treatments(image)] == [high < 65536]
    with pytest.raises(FormatError, match="a mask must have one channel of 8 bits"):
        open_mask(tmp_path / "c.png")
