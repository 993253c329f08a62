"""Drawing and samples."""

import numpy as np
import pytest
from web.networks import Subject
from web.pages import Page, arrived, draw, waited, went

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
