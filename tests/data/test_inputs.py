"""Photographed digits: drawn ones here, MNIST itself in test_mnist.py."""

from pathlib import Path

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from PIL import Image, ImageDraw

from chainrule.data import as_mnist, load_digit
from chainrule.data.sources import as_array
from chainrule.errors import DataError, FormatError


def drawn(size: tuple[int, int] = (200, 300), corner: tuple[int, int] = (50, 40), ink: int = 255) -> np.ndarray:
    """Draw a seven: a bar and a leg, strokes of 12 pixels, 100 high and 60 wide, light on dark."""
    image = Image.new("L", (size[1], size[0]), 0)
    y, x = corner
    draw = ImageDraw.Draw(image)
    draw.rectangle((x, y, x + 59, y + 11), fill=ink)
    draw.rectangle((x + 48, y, x + 59, y + 99), fill=ink)
    return np.asarray(image)


def test_a_digit_is_twenty_pixels_high_and_centred_by_mass_wherever_it_is() -> None:
    digit = as_mnist(drawn())
    assert (digit.shape, digit.dtype, digit.max()) == ((28, 28), np.uint8, 255)
    rows, columns = (np.flatnonzero((digit > 60).any(axis)) for axis in (1, 0))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (20, 12)
    middle = (np.indices(digit.shape) * digit).sum((1, 2)) / digit.sum()
    assert ((middle >= 13.4) & (middle <= 14.6)).all()
    assert_close(as_mnist(255 - drawn()).astype(int), digit)
    for same in (drawn()[None], np.repeat(drawn()[:, :, None], 3, 2), Image.fromarray(drawn())):
        assert_array_equal(as_mnist(same), digit)
    for other in (drawn(corner=(90, 200)), drawn((700, 700), (300, 300)), drawn(ink=120)):
        assert np.abs(as_mnist(other).astype(int) - digit).mean() < 6


def test_images_without_a_digit_are_refused(tmp_path: Path) -> None:
    Image.new("L", (50, 60), 200).save(tmp_path / "blank.png")
    with pytest.raises(DataError, match=r"blank.png: no digit found; the image is blank"):
        load_digit(tmp_path / "blank.png")
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(FormatError, match=r"text.png: not a PNG, JPEG, WebP, TIFF, GIF, BMP or PPM image"):
        load_digit(tmp_path / "text.png")
    for array, message in (
        (np.array([[0], [255]], np.uint8), "1×2 pixels is too small for a digit"),
        *((np.zeros(shape, np.uint8), "expected bytes of shape") for shape in (5, (2, 4, 4))),
        (np.zeros((3, 4)), "expected bytes of shape"),
        (np.zeros((0, 4), np.uint8), "the image is empty"),
    ):
        with pytest.raises(DataError, match=message):
            as_mnist(array)


def test_rows_of_different_lengths_are_refused_with_their_shapes() -> None:
    for rows, shapes in (([[1, 2], [3]], "2 and 1"), ([np.zeros((2, 3)), np.zeros((2, 5))], "2×3 and 2×5")):
        with pytest.raises(DataError, match=shapes):
            as_array(rows)
