"""The page reads the size of an image file before it decodes it, and prepares digits as Python does."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw
from web.pages import Page

from chainrule.data import as_mnist

PREPARED = """
async ([width, height, grey, name]) => {
  const { asMnist, inkAsMnist } = await import("/views/input/digits.js");
  const picture = { width, height, data: Float64Array.from(grey) };
  try {
    const ink = { width, height, data: picture.data.map((value) => value / 255) };
    return Array.from(name === "strokes" ? inkAsMnist(ink) : asMnist(picture, name));
  } catch (error) {
    return error.message;
  }
}
"""


def strokes(*lines: list[tuple[int, int]], size: int = 160, width: int = 13) -> np.ndarray:
    """Draw light strokes on dark, with soft edges."""
    image = Image.new("L", (4 * size, 4 * size), 0)
    for line in lines:
        ImageDraw.Draw(image).line([(4 * x, 4 * y) for x, y in line], 255, 4 * width, "curve")
    return np.asarray(image.resize((size, size), Image.Resampling.BOX))


def seven() -> np.ndarray:
    return strokes([(40, 30), (110, 30), (70, 130)])


def photographed() -> np.ndarray:
    """Draw dark strokes on uneven paper, with noise and a speck."""
    random = np.random.default_rng(3)
    rows, columns = np.indices((160, 160))
    paper = 225 - 0.3 * columns - 0.2 * rows
    light = paper * (1 - 0.75 * seven() / 255) + random.normal(0, 3, (160, 160))
    light[140:144, 20:24] -= 70
    return light.clip(0, 255).astype(np.uint8)


def prepared(page: Page, grey: np.ndarray, name: str = "digit") -> np.ndarray | str:
    """Return the page's prepared digit for a greyscale image, or its error message."""
    digit = page.evaluate(PREPARED, [grey.shape[1], grey.shape[0], grey.ravel().tolist(), name])
    return digit if isinstance(digit, str) else np.array(digit).reshape(28, 28)


def large() -> np.ndarray:
    """Return a large picture, which is reduced first."""
    picture = np.zeros((451, 331), np.uint8)
    picture[101:351, 50:300] = np.asarray(Image.fromarray(seven()).resize((250, 250), Image.Resampling.BICUBIC))
    return picture


PICTURES = [seven(), photographed(), 255 - seven(), seven()[10:150, 20:131]]
DRAWN = [seven(), strokes([(80, 30), (80, 125)]), strokes([(50, 40), (100, 40), (50, 80), (105, 110), (45, 130)])]


@pytest.mark.parametrize(
    ("picture", "name", "off"),
    [
        *((picture, "digit", 1) for picture in PICTURES),
        *((picture, "strokes", 1) for picture in DRAWN),  # without a search for ink
        (large(), "digit", 2),
    ],
)
def test_digits_are_prepared_as_in_python(modules: Page, picture: np.ndarray, name: str, off: int) -> None:
    assert np.abs(prepared(modules, picture, name) - as_mnist(picture).astype(int)).max() <= off


def test_pictures_without_a_digit_are_refused(modules: Page) -> None:
    assert (
        prepared(modules, np.full((60, 60), 90, np.uint8), "note.png") == "note.png: no digit found; the image is blank"
    )
    assert prepared(modules, np.zeros((2, 9), np.uint8), "dot.png") == "dot.png: 9×2 pixels is too small for a digit"


SIZE = 'async (bytes) => (await import("/views/input/image_header.js")).imageSize(Uint8Array.from(bytes))'


def encoded(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((23, 37, 3), np.uint8)).save(file, kind, **options)
    return file.getvalue()


def test_png_and_jpeg_files_name_their_size(modules: Page) -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 3000
    for file in (encoded("PNG"), encoded("JPEG"), encoded("JPEG", progressive=True), encoded("JPEG", exif=exif)):
        assert modules.evaluate(SIZE, list(file)) == {"width": 37, "height": 23}


def test_other_or_short_files_have_no_size(modules: Page) -> None:
    no_frame = b"\xff\xd8" + b"\xff\xe1\x00\x02" * 3
    for file in (encoded("GIF"), encoded("BMP"), b"", b"\xff\xd8\xff\xe0", encoded("PNG")[:20], no_frame):
        assert modules.evaluate(SIZE, list(file)) is None
