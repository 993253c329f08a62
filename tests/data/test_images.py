"""Image files as arrays: modes, transparency, orientation, size limits."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageOps

from chainrule.data import images, load_image
from chainrule.data.images import image_shape, open_image, open_mask, treatments
from chainrule.errors import DataError, FormatError, OptionError


def saved(path: Path, array: np.ndarray, **options: object) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def test_grey_and_colour(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    path = saved(tmp_path / "c.png", colours)
    assert_array_equal(load_image(path, (3, 4, 6)), colours.transpose(2, 0, 1))
    luma = colours @ [0.299, 0.587, 0.114]
    assert_allclose(load_image(path, (1, 4, 6))[0], luma, atol=1)
    assert load_image(path, (3, 9, 2)).shape == (3, 9, 2)


def test_too_many_pixels(tmp_path: Path) -> None:
    path = saved(tmp_path / "big.png", np.zeros((30, 20), np.uint8))
    assert open_image(path, max_pixels=600).size == (20, 30)
    with pytest.raises(DataError, match=r"big.png: 20×30 pixels is too large; expected at most 599 pixels"):
        open_image(path, max_pixels=599)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.png: cannot be read \(No such file"):
        open_image(tmp_path / "none.png")
    with pytest.raises(DataError, match="cannot be read"):
        open_image(tmp_path)
    saved(tmp_path / "other.png", np.zeros((3, 3), np.uint8), format="TGA")
    with pytest.raises(FormatError, match=r"other.png: not a PNG, JPEG, WebP, TIFF, GIF, BMP or PPM image"):
        open_image(tmp_path / "other.png")
    (tmp_path / "torn.png").write_bytes(b"torn")
    with pytest.raises(FormatError, match=r"torn.png: not a PNG"):
        image_shape(tmp_path / "torn.png")
    with pytest.raises(OptionError, match="the model input 5×4×4 is not an image"):
        load_image(tmp_path / "other.png", (5, 4, 4))


ORIENTED = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12"  # followed by the type, count and value of the orientation


@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_what_pillow_makes_of_it(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "p.png", np.arange(6, dtype=np.uint8).reshape(2, 3), exif=exif)
    with Image.open(path) as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored))
    assert_array_equal(np.asarray(open_image(path)), upright)
    assert image_shape(path)[1:] == upright.shape


@pytest.mark.parametrize(
    "entry",
    [
        b"\0\x02\0\0\0\x04abc\0",
        b"\0\x05\0\0\0\x01\xff\xff\xff\xff",
        b"\0\x63\0\0\0\x01\0\0\0\0",
        b"",
    ],
    ids=["letters", "a fraction outside", "of no kind", "cut off"],
)
def test_an_orientation_that_is_none_is_passed_over(entry: bytes, tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", np.zeros((8, 16), np.uint8), exif=ORIENTED + entry + bytes(4), quality=100)
    assert open_image(path).size == (16, 8)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_large_image_is_converted_in_strips(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (37, 11, 4), np.uint8)
    Image.fromarray(pixels, "RGBA").convert(mode).save(tmp_path / "x.png")
    whole = np.asarray(open_image(tmp_path / "x.png"))
    monkeypatch.setattr(images, "STRIP", 40)
    assert_array_equal(np.asarray(open_image(tmp_path / "x.png")), whole)


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
def test_alpha_is_laid_on_white(tmp_path: Path, suffix: str) -> None:
    """Blend with white, α·c + (1 − α)·255, to within one level."""
    levels = np.random.default_rng(5).integers(0, 256, (7, 6, 4), np.uint8)
    path = saved(tmp_path / f"a.{suffix}", levels, **({"lossless": True, "exact": True} if suffix == "webp" else {}))
    alpha = levels[:, :, 3:] / 255
    expected = alpha * levels[:, :, :3] + (1 - alpha) * 255
    actual = load_image(path, (3, 7, 6))
    assert_allclose(actual.transpose(1, 2, 0), expected, atol=1)
    assert treatments(open_image(path)) == ["transparent parts shown on white"]


def test_a_palette_gives_its_colours(tmp_path: Path) -> None:
    colours = np.random.default_rng(6).integers(0, 256, (256, 3), np.uint8)
    indices = np.random.default_rng(7).integers(0, 256, (5, 4), np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putpalette(colours.tobytes())
    image.save(tmp_path / "p.png")
    actual = load_image(tmp_path / "p.png", (3, 5, 4))
    assert_array_equal(actual.transpose(1, 2, 0), colours[indices])
    assert treatments(open_image(tmp_path / "p.png")) == []


def test_cmyk(tmp_path: Path) -> None:
    """Convert R = (255 − C)(255 − K)/255 and so on, to within two levels."""
    inks = np.random.default_rng(8).integers(0, 256, (5, 4, 4), np.uint8)
    Image.fromarray(inks, "CMYK").save(tmp_path / "c.tiff")
    expected = (255 - inks[:, :, :3].astype(float)) * (255 - inks[:, :, 3:].astype(float)) / 255
    assert_allclose(load_image(tmp_path / "c.tiff", (3, 5, 4)).transpose(1, 2, 0), expected, atol=2)
    assert treatments(open_image(tmp_path / "c.tiff")) == ["CMYK, converted to RGB"]


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits(tmp_path: Path, suffix: str) -> None:
    deep = np.random.default_rng(9).integers(0, 65536, (5, 4), np.uint16)
    path = saved(tmp_path / f"d.{suffix}", deep)
    assert_array_equal(load_image(path, (1, 5, 4))[0], np.rint(deep / 257))
    assert treatments(open_image(path)) == ["16 bits per channel, reduced to 8"]


@pytest.mark.parametrize(("low", "high"), [(0, 65536), (560, 1600)])
def test_colors_of_sixteen_bits_and_few_levels_are_reported(tmp_path: Path, low: int, high: int) -> None:
    """Pillow reduces colors of PNG and PPM files itself."""
    colors = np.random.default_rng(11).integers(low, high, (40, 30, 3)).astype(">u2")
    header = struct.pack(">IIBBBBB", 30, 40, 16, 2, 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(b"".join(b"\0" + row.tobytes() for row in colors)), b"IEND": b""}
    content = [struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks.items()]
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(content))
    (tmp_path / "c.ppm").write_bytes(b"P6 30 40 65535\n" + colors.tobytes())
    saved(tmp_path / "g.png", colors[..., 0].astype(np.uint16))
    for name in ("c.png", "c.ppm", "g.png"):
        image = open_image(tmp_path / name)
        assert_allclose(np.asarray(image), colors[..., : (3 if name[0] == "c" else 1)].squeeze() / 257, atol=1)
        assert [("fewer than" in line) for line in treatments(image)] == [high < 65536]
    with pytest.raises(FormatError, match="a mask must have 8 bits"):
        open_mask(tmp_path / "c.png")


def test_levels_that_would_have_to_be_guessed(tmp_path: Path) -> None:
    generator = np.random.default_rng(10)
    saved(tmp_path / "float.tiff", generator.random((4, 4)).astype(np.float32))
    saved(tmp_path / "large.tiff", generator.integers(70_000, 80_000, (4, 4)).astype(np.int32))
    Image.fromarray(generator.integers(0, 256, (4, 4, 3), np.uint8), "LAB").save(tmp_path / "lab.tiff")
    for name, kind in (("float", "F"), ("large", "I"), ("lab", "LAB")):
        with pytest.raises(
            FormatError, match=rf"{name}.tiff: pixels in mode {kind}; expected 8 or 16 bits per channel"
        ):
            open_image(tmp_path / f"{name}.tiff")


def test_photos_of_telephones_are_recognized_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "IMG_1.jpg").write_bytes(b"\0\0\0\x20ftypheic" + bytes(100))
    with pytest.raises(FormatError, match=r"IMG_1.jpg: not a PNG.* but HEIC or AVIF: convert to JPEG first"):
        open_image(tmp_path / "IMG_1.jpg")
