"""HTML for notebooks: well formed, escaped, with text alternatives."""

from base64 import b64decode
from xml.etree import ElementTree

import numpy as np

from chainrule.plotting.figures import png
from chainrule.plotting.kernels import kernel_grid
from chainrule.plotting.notebook import image, table


def cells(html: str, tag: str) -> list[list[str]]:
    rows = [[cell.text or "" for cell in row.iter(tag)] for row in ElementTree.fromstring(html).iter("tr")]
    return [row for row in rows if row]


def sides(html: str, tag: str) -> list[str]:
    found = [cell.get("style") or "" for cell in ElementTree.fromstring(html).iter(tag)]
    return [style.split("text-align:")[1].split(";")[0] for style in found]


def test_a_table_holds_its_headers_cells_and_caption() -> None:
    html = table(["layer", "parameters", "share"], [["conv1", 1208, 0.25], ["relu1", 0, None]], "numpy-cnn")
    assert cells(html, "th") == [["layer", "parameters", "share"]]
    assert cells(html, "td") == [["conv1", "1,208", "0.25"], ["relu1", "0", "–"]]
    assert ElementTree.fromstring(html).findtext("caption") == "numpy-cnn"
    assert sides(html, "td")[:3] == sides(html, "th") == ["left", "right", "right"]


def test_columns_of_numbers_as_text_are_set_right_and_shapes_are_not() -> None:
    html = table(["a", "b", "c", "d"], [["99.1 %", "8×24×24", "1e-05", True], ["1,208", "10", "−3.5", "–"]], "")
    assert sides(html, "th") == ["right", "left", "right", "left"]
    assert "caption" not in html


def test_everything_is_escaped() -> None:
    evil = '<script>alert("1")</script>&'
    html = table([evil], [[evil]], evil)
    assert "<script" not in html
    assert cells(html, "td") == cells(html, "th") == [[evil]]
    shown = image(b"", '"><script>')
    assert "<script" not in shown
    assert 'alt="&quot;&gt;&lt;script&gt;"' in shown


def test_an_image_carries_its_bytes_its_words_and_its_size() -> None:
    figure = kernel_grid(np.ones((2, 1, 3, 3)), "conv1")
    data = png(figure)
    element = ElementTree.fromstring(image(data, "kernels of conv1").replace(">", "/>"))
    source = element.get("src") or ""
    assert source.startswith("data:image/png;base64,")
    assert b64decode(source.split(",")[1]) == data
    assert element.get("alt") == "kernels of conv1"
    assert f"width:{round(figure.get_size_inches()[0] * 96)}px" in (element.get("style") or "")
