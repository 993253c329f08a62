"""Drawing, samples and image files."""

from typing import Any

import numpy as np
import pytest
from PIL import Image
from web.networks import Subject
from web.pages import Page, arrived, draw, hash_of, waited, went

from chainrule.data import as_mnist


def drawing(page: Page) -> np.ndarray:
    """Return the pad's content, 0 to 255, as a mixture of paper (its corner) and ink (the most distant colour)."""
    numbers = page.locator(".pad-canvas").evaluate(
        "c => [c.width, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    colours = np.reshape(numbers[1:], (-1, numbers[0], 4))[..., :3].astype(float)
    away = np.abs(colours - colours[0, 0]).sum(-1)
    return np.round(255 * away / away.max()).astype(np.uint8)


def test_a_drawn_digit_is_answered_as_predict_does(opened: Page, subject: Subject) -> None:
    went(opened, "#/network?sample=0", "text=Sample 0")
    draw(opened)
    arrived(opened, "#/network")
    opened.wait_for_selector("text=Prepared as in MNIST")
    expected = 100 * subject.model.predict(as_mnist(drawing(opened))[None, None])[0]
    assert np.ptp(expected) > 20

    def shares() -> list[float]:
        return [float(text.strip("< %") or "nan") for text in opened.locator(".bars .number").all_inner_texts()]

    waited(opened, lambda: shares() == pytest.approx(expected, abs=1))  # the pad has a higher resolution
    assert opened.inner_text(".winner").startswith(f"Prediction: {expected.argmax()}")
    other = int(expected.argmin())  # its loss differs most from that of the prediction
    opened.locator("#input option", has_text=f"the prediction: {expected.argmax()}").wait_for(state="attached")
    loss = opened.locator('figure:has(canvas[data-tensor="loss.y"]) figcaption')
    before = loss.inner_text()
    opened.locator("#input select").select_option(str(other))
    opened.wait_for_function("([figure, before]) => figure.innerText !== before", arg=[loss.element_handle(), before])
    assert float(loss.inner_text().split()[1]) == pytest.approx(-np.log(expected[other] / 100), abs=0.05)
    opened.go_back()
    opened.wait_for_selector("text=Sample 0")
    opened.go_forward()
    opened.wait_for_selector("text=Prepared as in MNIST")


def test_samples_by_class(opened: Page, subject: Subject) -> None:
    went(opened, "#/network?sample=0", "text=Sample 0")
    opened.get_by_role("button", name="Samples").click()
    label = subject.labels[2]
    opened.get_by_role("group", name="Class").get_by_role("button", name=str(label), exact=True).click()
    assert opened.locator(".thumbnails button").count() == subject.labels.count(label)
    opened.get_by_role("button", name=f"Sample 2: {label}").click()
    arrived(opened, "#/network?sample=2")
    opened.get_by_text("Sample 2", exact=True).wait_for()
    assert opened.inner_text(".input-label").split("\n\n") == ["Sample 2", f"label: {label}"]


PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
REFUSED = {
    "a.gif": (b"GIF89a" + bytes(60), "not a PNG or JPEG image"),
    "bomb.png": (
        PNG + (60000).to_bytes(4, "big") + (50000).to_bytes(4, "big") + bytes(20),
        "60000×50000 pixels is too large; expected at most 4 megapixels",
    ),
    "cut.png": (PNG + (20).to_bytes(4, "big") * 2 + bytes(80), "damaged image, it could not be decoded"),
    "big.png": (bytes(5_000_001), "5.0 MB is too large; expected at most 5 MB"),
}


def test_an_image_that_cannot_be_used_is_refused_in_words(opened: Page) -> None:
    went(opened, "#/network?sample=0", "text=Sample 0")
    for name, (content, words) in REFUSED.items():
        file = {"name": name, "mimeType": "image/png", "buffer": content}
        opened.locator("#input input[type=file]").set_input_files([file])
        opened.get_by_text(f"{name}: {words}", exact=True).wait_for()
    assert hash_of(opened) == "#/network?sample=0"


def test_an_image_of_a_digit(opened: Page, tmp_path: Any) -> None:
    grey = np.full((300, 200), 230, np.uint8)
    grey[60:240, 90:112] = 40
    Image.fromarray(grey).save(tmp_path / "one.jpg")
    went(opened, "#/network?sample=0", "text=Sample 0")
    opened.locator("#input input[type=file]").set_input_files(str(tmp_path / "one.jpg"))
    opened.wait_for_selector(".input-label:has-text('one.jpg')")
    assert opened.inner_text(".input-trouble") == ""
    assert hash_of(opened) == "#/network"
