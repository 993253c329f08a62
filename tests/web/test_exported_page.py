"""The page that `chainrule export --wasm` writes shows what the network makes of a drawing; needs ziglang."""

from pathlib import Path

import numpy as np
import pytest
from web.pages import Page

import chainrule as cr
from chainrule.interop.c.wasm import write_wasm


def test_a_drawing_is_classified_and_cleared(tmp_path: Path, page: Page) -> None:
    pytest.importorskip("ziglang")
    model = cr.Sequential((cr.Flatten(), cr.Dense(2), cr.Softmax()), (1, 7, 14), classes=["left", "right"])
    left = np.broadcast_to(np.arange(14) < 7, (7, 14)).ravel()
    model.set_weights({"dense1.w": np.stack([left, ~left]).astype("f4") / 100, "dense1.b": np.zeros(2, "f4")})
    *_, file = write_wasm(model, tmp_path / "sides.wasm")
    page.goto(file.as_uri())
    box = page.locator("canvas").bounding_box()
    assert box["width"] == pytest.approx(2 * box["height"], rel=0.02)
    for share, name in ((0.2, "left"), (0.8, "right")):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.up()
        page.wait_for_function("() => document.querySelectorAll('#found li').length == 2")
        assert name in page.locator("#found li").first.inner_text()
        page.get_by_role("button", name="Clear").click()
        assert page.locator("#found li").count() == 0
