"""HTML for notebooks: well formed, escaped, with text alternatives; arrays as small images."""

from base64 import b64decode
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from chainrule.plotting.figures import png
from chainrule.plotting.kernels import kernel_grid
from chainrule.plotting.notebook import HIGH, LOW, image, map_png, table


def cells(html: str, tag: str) -> list[list[str]]:
    rows = [[cell.text or "" for cell in row.iter(tag)] for row in ElementTree.fromstring(html).iter("tr")]
    return [row for row in rows if row]


def sides(html: str, tag: str) -> list[str]:
    styles = [cell.get("style") or "" for cell in ElementTree.fromstring(html).iter(tag)]
    return [style.split("text-align:")[1].split(";")[0] for style in styles]


def test_a_table_holds_its_headers_cells_and_caption() -> None:
    html = table(["layer", "parameters", "share"], [["conv1", 1208, 0.25], ["relu1", 0, None]], "numpy-cnn")
    assert cells(html, "th") == [["layer", "parameters", "share"]]
    assert cells(html, "td") == [["conv1", "1,208", "0.25"], ["relu1", "0", "–"]]
    assert ElementTree.fromstring(html).findtext("caption") == "numpy-cnn"
    assert sides(html, "td")[:3] == sides(html, "th") == ["left", "right", "right"]
    html = table(["a", "b", "c", "d"], [["99.1 %", "8×24×24", "1e-05", True], ["1,208", "10", "−3.5", "–"]], "")
    assert sides(html, "th") == ["right", "left", "right", "left"]
    assert "caption" not in html


def test_everything_is_escaped() -> None:
    evil = '<script>alert("1")</script>&'
    html, shown = table([evil], [[evil]], evil), image(b"", '"><script>')
    assert "<script" not in html + shown
    assert cells(html, "td") == cells(html, "th") == [[evil]]
    assert 'alt="&quot;&gt;&lt;script&gt;"' in shown


def test_an_image_carries_its_bytes_its_words_and_its_size() -> None:
    figure = kernel_grid(np.ones((2, 1, 3, 3)), "conv1")
    data = png(figure)
    element = ElementTree.fromstring(image(data, "kernels of conv1").replace(">", "/>"))
    kind, content = (element.get("src") or "").split(",")
    assert (kind, b64decode(content)) == ("data:image/png;base64", data)
    assert element.get("alt") == "kernels of conv1"
    assert f"width:{round(figure.get_size_inches()[0] * 96)}px" in (element.get("style") or "")


MAPS = np.stack([np.full((3, 2), value) for value in (4.0, -1.0, 2.0)])


@pytest.mark.parametrize(
    ("values", "shape", "pixels"),
    [
        (
            [[-2.0, -1.0], [0.0, 2.0]],
            (2, 2),
            {(0, 0): (*LOW, 255), (0, 1): (*LOW, 128), (1, 0): 0, (1, 1): (*HIGH, 255)},
        ),
        (MAPS, (7, 5), {(0, 0): 255, (0, 3): 64, (4, 0): 128, (3, 1): 0, (1, 2): 0, (5, 3): 0}),  # side by side
        (np.zeros((40, 2, 2)), (11, 11), {}),
        (np.arange(10.0), (3, 4), {(2, 2): 0, (2, 1): 255}),
        (3.0, (1, 1), {}),
        ([[np.nan, np.inf], [-np.inf, 1.0]], (2, 2), {(0, 0): 0, (0, 1): (*HIGH, 255), (1, 0): (*LOW, 255)}),
        ([[np.nan]], (1, 1), {(0, 0): 0}),
    ],
)
def test_signs_have_colors_and_sizes_have_strength(values: Any, shape: tuple[int, ...], pixels: dict[Any, Any]) -> None:
    shown = np.asarray(Image.open(BytesIO(map_png(np.asarray(values, float)))))
    assert shown.shape == (*shape, 4)
    for place, color in pixels.items():
        assert (tuple(shown[place]) if isinstance(color, tuple) else shown[place][3]) == color
