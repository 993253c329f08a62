"""Drawing, samples and image files."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from web.networks import Subject
from web.views.opened import arrived, draw, hash_of, went

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_draw_a_one_and_it_is_answered(opened: "Page") -> None:
    went(opened, "#/network?sample=0", "text=Sample 0")
    draw(opened)
    arrived(opened, "#/network")
    opened.wait_for_selector("text=Prepared as in MNIST")
    shares = [float(text.strip("< %")) for text in opened.locator(".bars .number").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=1)
    own = opened.locator(".winner").inner_text().removeprefix("Prediction: ")[0]
    other = str(shares.index(min(shares)))  # its loss differs most from that of the prediction
    opened.locator("#input option", has_text=f"the prediction: {own}").wait_for(state="attached")
    loss = opened.locator('figure:has(canvas[data-tensor="loss.y"]) figcaption')
    before = loss.inner_text()
    opened.locator("#input select").select_option(other)
    opened.wait_for_function("([figure, before]) => figure.innerText !== before", arg=[loss.element_handle(), before])
    assert float(loss.inner_text().split()[1]) == pytest.approx(-np.log(min(shares) / 100), abs=0.02)
    opened.go_back()
    opened.wait_for_selector("text=Sample 0")
    opened.go_forward()
    opened.wait_for_selector("text=Prepared as in MNIST")


def test_samples_by_class(opened: "Page", subject: Subject) -> None:
    went(opened, "#/network?sample=0", "text=Sample 0")
    opened.get_by_role("button", name="Samples").click()
    label = subject.labels[2]
    opened.get_by_role("group", name="Class").get_by_role("button", name=str(label), exact=True).click()
    assert opened.locator(".thumbnails button").count() == subject.labels.count(label)
    opened.get_by_role("button", name=f"Sample 2: {label}").click()
    arrived(opened, "#/network?sample=2")
    opened.get_by_text("Sample 2", exact=True).wait_for()
    assert opened.locator(".input-label").inner_text().split("\n\n") == ["Sample 2", f"label: {label}"]


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


def test_an_image_that_cannot_be_used_is_refused_in_words(opened: "Page") -> None:
    went(opened, "#/network?sample=0", "text=Sample 0")
    for file, words in files():
        opened.locator("#input input[type=file]").set_input_files([{"mimeType": "image/png", **file}])
        opened.get_by_text(words, exact=True).wait_for()
    assert hash_of(opened) == "#/network?sample=0"


def test_an_image_of_a_digit(opened: "Page", tmp_path: Any) -> None:
    grey = np.full((300, 200), 230, np.uint8)
    grey[60:240, 90:112] = 40
    Image.fromarray(grey).save(tmp_path / "one.jpg")
    went(opened, "#/network?sample=0", "text=Sample 0")
    opened.locator("#input input[type=file]").set_input_files(str(tmp_path / "one.jpg"))
    opened.wait_for_selector(".input-label:has-text('one.jpg')")
    assert opened.locator(".input-trouble").inner_text() == ""
    assert hash_of(opened) == "#/network"
