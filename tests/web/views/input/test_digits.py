"""The page prepares drawn digits as Python does."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from web.pages import Page

from chainrule.data import as_mnist

PREPARED = """
async ([width, height, ink]) => {
  const { inkAsMnist } = await import("/views/input/digits.js");
  return Array.from(inkAsMnist({ width, height, data: Float64Array.from(ink, (value) => value / 255) }));
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


def prepared(page: Page, ink: np.ndarray) -> np.ndarray:
    """Return the page's prepared digit for an image of ink."""
    return np.array(page.evaluate(PREPARED, [ink.shape[1], ink.shape[0], ink.ravel().tolist()])).reshape(28, 28)


DRAWN = [seven(), strokes([(80, 30), (80, 125)]), strokes([(50, 40), (100, 40), (50, 80), (105, 110), (45, 130)])]


@pytest.mark.parametrize("picture", DRAWN)
def test_drawn_digits_are_prepared_as_in_python(modules: Page, picture: np.ndarray) -> None:
    assert np.abs(prepared(modules, picture) - as_mnist(picture).astype(int)).max() <= 1
