"""Drawing, samples and image files."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from web.fixed_page import Subject
from web.views.opened import arrived, draw, hash_of, opened

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_draw_a_one_and_it_is_answered(page: "Page", address: str) -> None:
    opened(page, f"{address}#/network?sample=0")
    draw(page)
    arrived(page, "#/network")
    page.wait_for_selector("text=Prepared as in MNIST")
    shares = [float(text.strip("< %")) for text in page.locator(".bars .number").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=1)
    said = page.locator(".winner").inner_text()
    assert re.fullmatch(r"Prediction: \d, [\d.]+ %", said)
    own = said.removeprefix("Prediction: ")[0]
    other = str(shares.index(min(shares)))  # its loss differs most from that of the prediction
    page.locator("#input option", has_text=f"the prediction: {own}").wait_for(state="attached")
    loss = page.locator('figure:has(canvas[data-tensor="loss.y"]) figcaption')
    before = loss.inner_text()
    page.locator("#input select").select_option(other)
    page.wait_for_function("([figure, before]) => figure.innerText !== before", arg=[loss.element_handle(), before])
    assert float(loss.inner_text().split()[1]) == pytest.approx(-np.log(min(shares) / 100), abs=0.02)
    page.go_back()
    page.wait_for_selector("text=Sample 0")
    page.go_forward()
    page.wait_for_selector("text=Prepared as in MNIST")


def test_samples_by_class(page: "Page", address: str, subject: Subject) -> None:
    opened(page, f"{address}#/network?sample=0")
    page.get_by_role("button", name="Samples").click()
    label = subject.labels[2]
    page.get_by_role("group", name="Class").get_by_role("button", name=str(label), exact=True).click()
    assert page.locator(".thumbnails button").count() == subject.labels.count(label)
    page.get_by_role("button", name=f"Sample 2: {label}").click()
    arrived(page, "#/network?sample=2")
    page.get_by_text("Sample 2", exact=True).wait_for()
    assert page.locator(".input-label").inner_text().split("\n\n") == ["Sample 2", f"label: {label}"]


def files() -> list[tuple[dict[str, Any], str]]:
    gif = b"GIF89a" + bytes(60)
    bomb = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (60000).to_bytes(4, "big") + (50000).to_bytes(4, "big") + bytes(20)
    broken = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (20).to_bytes(4, "big") * 2 + bytes(80)
    return [
        ({"name": "a.gif", "buffer": gif}, "a.gif: not a PNG or JPEG image"),
        (
            {"name": "bomb.png", "buffer": bomb},
            "bomb.png: 60000×50000 pixels is too large; expected at most 4 megapixels",
        ),
        ({"name": "cut.png", "buffer": broken}, "cut.png: damaged image, it could not be decoded"),
        ({"name": "big.png", "buffer": bytes(5_000_001)}, "big.png: 5.0 MB is too large; expected at most 5 MB"),
        ({"name": "empty.png", "buffer": b""}, "empty.png: not a PNG or JPEG image"),
        ({"name": "text.png", "buffer": b"Dear reader,\n"}, "text.png: not a PNG or JPEG image"),
    ]


def test_an_image_that_cannot_be_used_is_refused_in_words(page: "Page", address: str) -> None:
    opened(page, f"{address}#/network?sample=0")
    for file, words in files():
        page.locator("#input input[type=file]").set_input_files([{"mimeType": "image/png", **file}])
        page.get_by_text(words, exact=True).wait_for()
    assert hash_of(page) == "#/network?sample=0"


def test_an_image_of_a_digit(page: "Page", address: str, tmp_path: Any) -> None:
    grey = np.full((300, 200), 230, np.uint8)
    grey[60:240, 90:112] = 40
    Image.fromarray(grey).save(tmp_path / "one.jpg")
    opened(page, f"{address}#/network?sample=0")
    page.locator("#input input[type=file]").set_input_files(str(tmp_path / "one.jpg"))
    page.wait_for_selector(".input-label:has-text('one.jpg')")
    assert page.locator(".input-trouble").inner_text() == ""
    assert hash_of(page) == "#/network"
