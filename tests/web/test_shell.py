"""The page around its views: addresses, what is pointed at, drawing, images, keys, trouble."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from web.fixed_networks import rich
from web.fixed_page import Subject, served
from web.views.subjects import digits

from chainrule.explain import numbers

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SEED = 8


@pytest.fixture(scope="module")
def subject() -> Subject:
    return digits()


@pytest.fixture(scope="module")
def address(subject: Subject) -> Iterator[str]:
    with served(subject) as found:
        yield found


def opened(page: "Page", address: str) -> "Page":
    """The page at an address, once it stands."""
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    page.wait_for_selector("#river canvas")
    return page


def arrived(page: "Page", place: str) -> None:
    """Waits until the address ends so."""
    page.wait_for_url(lambda url: url.endswith(place))


def point(page: "Page", tensor: str, x: int, y: int) -> str:
    """What is said of the cell of the first map at column x, row y."""
    canvas = page.locator(f'#river canvas[data-tensor="{tensor}"]').first
    cell = canvas.evaluate("(canvas) => canvas.parentElement.parentElement.dataset.cell")
    canvas.hover(position={"x": (x + 0.5) * float(cell), "y": (y + 0.5) * float(cell)})
    return page.locator(".river-readout").inner_text()


def hash_of(page: "Page") -> str:
    return page.evaluate("location.hash")


def test_a_place_has_an_address(page: "Page", address: str) -> None:
    opened(page, address)
    arrived(page, "#/network?sample=0")
    page.get_by_role("button", name="Backward").click()
    assert hash_of(page) == "#/network/backward?sample=0"
    page.locator('#river canvas[data-tensor="conv1.dw"]').click(position={"x": 1, "y": 1})
    assert hash_of(page) == "#/network/backward/conv1.dw[0,0,0,0]?sample=0"
    page.go_back()
    arrived(page, "#/network/backward?sample=0")
    page.go_back()
    assert page.get_by_role("button", name="Forward").get_attribute("aria-pressed") == "true"
    page.go_forward()
    page.go_forward()
    page.reload()
    page.wait_for_selector(".loupe canvas")
    assert hash_of(page) == "#/network/backward/conv1.dw[0,0,0,0]?sample=0"
    assert page.get_by_role("button", name="Backward").get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize(
    ("wrong", "words", "right"),
    [
        ("#/network/forward/conv9.y[0]?sample=1", "conv9.y[0]", "#/network?sample=1"),
        ("#/network/forward/conv1.y[0,0,99]?sample=1", "conv1.y[0,0,99]", "#/network?sample=1"),
        ("#/nowhere?sample=1", "“nowhere”", "#/network?sample=1"),
        ("#/network?sample=999", "no sample 999", "#/network?sample=0"),
    ],
)
def test_a_bad_address_is_said_and_the_page_stands(
    page: "Page", address: str, wrong: str, words: str, right: str
) -> None:
    opened(page, address + wrong)
    banner = page.locator(".banner p")
    banner.wait_for()
    assert words in banner.inner_text()
    arrived(page, right)
    page.get_by_role("button", name="Dismiss").click()
    assert banner.count() == 0


def test_a_cell_that_is_pointed_at_says_its_value(page: "Page", address: str, subject: Subject) -> None:
    trace = subject.trace(1)
    for phase, tensors in (("forward", ("x", "conv1.y", "conv1.w", "pool1.y")), ("backward", ("conv1.dy", "conv1.dw"))):
        opened(page, f"{address}#/network/{phase}?sample=1")
        for tensor in tensors:
            for row, column in ((0, 0), (1, 3), (4, 2)):
                index = (*(0,) * (trace[tensor].ndim - 2), row, column)
                name = f"{tensor}[{','.join(map(str, index))}]"
                expected = numbers.shown(float(trace[tensor][index]))
                assert point(page, tensor, column, row) == f"{name}\n= {expected}"


def test_where_a_cell_came_from_lights_up(page: "Page", address: str) -> None:
    opened(page, f"{address}#/network?sample=0")
    point(page, "conv1.y", 2, 3)
    boxes = page.locator(".river-marks path.from.line").get_attribute("d")
    assert boxes
    assert boxes.count("M") == 3  # the patch of x, the kernel, the bias
    goes = page.locator(".river-marks path.to.line").get_attribute("d")
    assert goes
    assert goes.count("M") == 1
    page.mouse.move(1, 1)
    assert page.locator(".river-readout").is_hidden()
    assert page.locator(".river-marks path.from.line").get_attribute("d") == ""


def test_maps_are_in_true_proportion(page: "Page", address: str) -> None:
    opened(page, f"{address}#/network?sample=0")
    width = 'canvas[data-tensor="{}"]'
    x, y = (page.locator(width.format(name)).first.bounding_box() for name in ("x", "conv1.y"))
    assert x
    assert y
    assert y["width"] / x["width"] == pytest.approx(24 / 28)


def test_draw_a_one_and_it_is_answered(page: "Page", address: str) -> None:
    opened(page, f"{address}#/network?sample=0")
    draw(page)
    arrived(page, "#/network")
    page.wait_for_selector("text=As MNIST would see it")
    shares = [float(text.strip("< %")) for text in page.locator(".bars .number").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=1)
    said = page.locator(".winner").inner_text()
    assert re.fullmatch(r"It says \d, [\d.]+ %", said)
    own = said[8]
    other = str((int(own) + 1) % 10)
    page.locator("#input option", has_text=f"as it says: {own}").wait_for(state="attached")
    loss = page.locator('figure:has(canvas[data-tensor="loss.y"]) figcaption')
    before = loss.inner_text()
    page.locator("#input select").select_option(other)
    loss.filter(has_not_text=before).wait_for()
    page.go_back()
    page.wait_for_selector("text=Sample 0")
    page.go_forward()
    page.wait_for_selector("text=As MNIST would see it")


def draw(page: "Page") -> None:
    box = page.locator(".pad-canvas").bounding_box()
    assert box
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle + 4, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(middle - 4, box["y"] + 170, steps=12)
    page.mouse.up()


def test_samples_by_class(page: "Page", address: str, subject: Subject) -> None:
    opened(page, f"{address}#/network?sample=0")
    page.get_by_role("button", name="Samples").click()
    label = subject.labels[2]
    page.get_by_role("group", name="Class").get_by_role("button", name=str(label), exact=True).click()
    assert page.locator(".thumbnails button").count() == subject.labels.count(label)
    page.get_by_role("button", name=f"Sample 2: {label}").click()
    arrived(page, "#/network?sample=2")
    assert page.locator(".input-label").inner_text().split("\n\n") == ["Sample 2", f"labelled {label}"]


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


def test_by_keyboard_alone(page: "Page", address: str, subject: Subject) -> None:
    opened(page, f"{address}#/network?sample=0")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement?.dataset.tensor") == "conv1.y":
            break
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    value = numbers.shown(float(subject.trace(0)["conv1.y"][0, 1, 2]))
    assert page.locator("#river [aria-live]").text_content() == f"conv1.y[0,1,2] = {value}"
    page.keyboard.press("Enter")
    page.wait_for_selector(".loupe canvas")
    assert hash_of(page) == "#/network/forward/conv1.y[0,1,2]?sample=0"
    page.keyboard.press("b")
    assert hash_of(page) == "#/network/backward/conv1.y[0,1,2]?sample=0"
    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="Keys").is_visible()
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog", name="Keys").is_hidden()


def test_nothing_is_fetched_from_outside(page: "Page", address: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opened(page, f"{address}#/network/backward/conv1.dw[0,0,0,0]")
    draw(page)
    assert asked
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_no_sideways_scroll_of_the_page(page: "Page", width: int) -> None:
    with served(rich()) as address:
        for phase in ("forward", "backward", "update"):
            opened(page, f"{address}#/network/{phase}")
            page.set_viewport_size({"width": width, "height": 844})
            page.wait_for_timeout(60)
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_light_and_dark(page: "Page", address: str) -> None:
    page.emulate_media(color_scheme="dark")
    opened(page, address)
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate(ground) != dark
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate(ground) == dark  # the choice is not kept


def test_the_server_goes_and_comes_back(browser: "Browser", subject: Subject) -> None:
    context = browser.new_context()
    page = context.new_page()
    with served(subject) as address:
        opened(page, f"{address}#/network?sample=0")
        port = int(address.rstrip("/").rpartition(":")[2])
    page.locator(".banner", has_text="does not answer").wait_for(timeout=8000)
    point(page, "conv1.y", 1, 1)  # what is there still works
    with served(subject, port):
        page.locator(".banner").wait_for(state="detached", timeout=8000)
    context.close()
