"""The lab against the tutorials, the reference and SciPy, in a browser."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.signal import convolve2d, correlate2d
from web.fixed_networks import plain
from web.fixed_page import served
from web.lab_page import COLOURED, Setting, block, opened, printed, went
from web.watching import watched

from chainrule.core import shapes
from chainrule.operations import reference

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IMAGE = np.array([[[1.0, 6, 2], [5, 3, 1], [7, 0, 4]]])
KERNEL = np.array([[[[1.0, 2], [-1, 0]]]])
ZAYAN = np.array([[[5.0, 2, 7, 4], [6, 3, 2, 1], [8, 6, 5, 9], [1, 3, 6, 1]]])
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with served(plain()) as address:
        yield address


@pytest.fixture(scope="module")
def opened_page(browser: "Browser", site: str) -> "Iterator[Page]":
    """Open one page for all tests, which navigate it to their own addresses."""
    context = browser.new_context()
    page = context.new_page()
    opened(page, site)
    yield page
    context.close()


@pytest.fixture
def lab(opened_page: "Page") -> "Iterator[Page]":
    """Open the lab; the test fails if an error goes unreported on it."""
    with watched(opened_page):
        went(opened_page)
        yield opened_page


def test_opens_on_the_worked_example_of_the_tutorials(lab: "Page") -> None:
    """8 7, 4 5, and the gradients of docs/derivations/convolution.md for dy = 1 −1, 2 3."""
    assert block(lab, "x") == [["1", "6", "2", "5", "3", "1", "7", "0", "4"]]
    assert block(lab, "y") == [["8", "7", "4", "5"]]
    assert block(lab, "dy") == [["1", "−1", "2", "3"]]
    assert block(lab, "dw") == [["14", "13", "16", "14"]]
    assert block(lab, "dx") == [["1", "1", "−2", "1", "8", "6", "−2", "−3", "0"]]
    assert block(lab, "db") == [["5"]]
    assert lab.locator(".lab-size b").all_inner_texts() == ["2", "2"]


def drawn(seed: int) -> tuple[Setting, dict[str, Any], np.ndarray, np.ndarray]:
    """Draw a random setting, the reference's options for it, its biases and its dy."""
    random = np.random.default_rng(seed)
    C_in, C_out = (int(n) for n in random.integers(1, 4, 2))
    size = tuple(int(n) for n in random.integers(5, 8, 2)) if seed % 4 else (1, 9)
    kernel = tuple(int(n) for n in random.integers(1, 4, 2)) if seed % 4 else (1, 3)
    stride, dilation = (tuple(int(n) for n in random.integers(1, 3, 2)) for _ in range(2))
    rule = ("valid", "same", "full", "numbers")[seed % 4]
    padding = tuple(tuple(int(n) for n in pair) for pair in random.integers(0, 3, (2, 2)))
    if rule != "numbers":
        padding = shapes.resolve_padding(rule, size, kernel, stride, dilation)
    x = random.integers(-40, 40, (C_in, *size)) / 8
    w = random.integers(-20, 20, (C_out, C_in, *kernel)) / 8  # all sums are exact, in any order
    b = random.integers(-9, 9, C_out) / 4
    options = {"stride": stride, "padding": padding, "dilation": dilation, "flip": bool(seed % 2)}
    dy = random.integers(-30, 30, reference.cross_correlate(x[None], w, b, **options)[0].shape) / 16
    pads = "~".join(str(n) for pair in padding for n in pair) if rule == "numbers" else rule
    fields = (
        "b" + "~".join(map(str, b)),
        f"d{'.'.join(map(str, dy.shape))}_{'~'.join(map(str, dy.flat))}",
        *(f"s{stride[0]}~{stride[1]}", f"p{pads}", f"e{dilation[0]}~{dilation[1]}"),
    )
    kind = "convolution" if options["flip"] else "correlation"
    return Setting(x, w, kind, fields), options, b, dy


def test_random_settings_equal_the_reference_to_the_printed_digit(lab: "Page") -> None:
    for seed in range(10):
        setting, options, b, dy = drawn(seed)
        went(lab, setting.address)
        x, w = setting.x[None], setting.w
        y = reference.cross_correlate(x, w, b, **options)[0]
        dw = reference.cross_correlate_dw(x, dy[None], kernel=w.shape[2:], **options)
        dx = reference.cross_correlate_dx(dy[None], w, size=x.shape[2:], **options)[0]
        assert block(lab, "y") == printed(y), setting
        assert block(lab, "dw") == printed(dw), setting
        assert block(lab, "dx") == printed(dx), setting
        assert np.ravel(block(lab, "db")).tolist() == printed(reference.bias_gradient(dy[None]))[0], setting
        assert lab.locator(".lab-size b").all_inner_texts() == [str(size) for size in y.shape[1:]]


@pytest.mark.parametrize("kind", ["max", "average", "sum"])
def test_pooling_of_every_kind_equals_the_reference(lab: "Page", kind: str) -> None:
    options = {"window": (3, 2), "stride": (1, 2), "padding": ((1, 0), (0, 1))}
    random = np.random.default_rng(len(kind))
    x = random.integers(-3, 4, (2, 5, 6)).astype(float)  # small values, with ties
    for divisor in ("cells", "window") if kind == "average" else ("cells",):
        setting = Setting(x, KERNEL.repeat(2, 1), kind, ("s1~2", "p1~0~0~1", "k3~2", f"v{divisor}"))
        went(lab, setting.address)
        dy = np.array([[float(n.replace("−", "-")) for n in plane] for plane in block(lab, "dy")])
        if kind == "max":
            y, winner = reference.max_pool(x[None], **options)
            dx = reference.max_pool_dx(dy.reshape(y.shape), winner, size=(5, 6))
        else:
            divided = {**options, "divisor": "one" if kind == "sum" else divisor}
            y = reference.average_pool(x[None], **divided)
            dx = reference.average_pool_dx(dy.reshape(y.shape), size=(5, 6), **divided)
        assert block(lab, "y") == printed(y[0])
        assert block(lab, "dx") == printed(dx[0])
        counts = reference.average_pool(np.ones((1, 2, 5, 6)), **options, divisor="one")[0, :1]
        shown = lab.locator("[data-block=counts]").is_visible()
        assert shown == (kind == "average" and divisor == "cells")
        assert not shown or block(lab, "counts")[:1] == printed(counts)
        assert not lab.locator("[data-block=w], [data-block=dw], [data-block=db]").first.is_visible()


def marked(page: "Page", mark: str) -> list[str]:
    script = "mark => [...document.querySelectorAll(`#lab [data-mark=${mark}]`)].map(e => e.getAttribute('aria-label'))"
    return [label.split(" = ")[0] for label in page.evaluate(script, mark)]


def test_the_winner_of_a_window_is_marked(lab: "Page") -> None:
    went(lab, Setting(ZAYAN, KERNEL, "max").address)
    assert block(lab, "y") == [["6", "7", "8", "9"]]
    assert marked(lab, "won") == ["x[0,0,2]", "x[0,1,0]", "x[0,2,0]", "x[0,2,3]"]
    lab.locator("[data-block=dx] [role=gridcell]").nth(11).click()
    assert lab.locator("#lab .computation-value").inner_text() == "3"  # dy of the last window, won by the 9 at (2, 3)


def test_what_a_number_was_made_from_and_goes_into_lights_up(lab: "Page") -> None:
    went(lab, Setting(ZAYAN, KERNEL, "correlation", ("s2~1", "e2~1")).address)
    lab.locator("[data-block=y] [role=gridcell]").nth(1).hover()  # rows 0 and 2, columns 1 and 2
    assert marked(lab, "chosen") == ["conv1.y[0,0,1]"]
    weights = [f"conv1.w[0,0,{u},{v}]" for u in (0, 1) for v in (0, 1)]
    assert marked(lab, "from") == ["x[0,0,1]", "x[0,0,2]", "x[0,2,1]", "x[0,2,2]", *weights, "conv1.b[0]"]
    lab.locator("[data-block=x] input").nth(9).hover()  # x[0,2,1]: only under the second row of the kernel
    reached = ["conv1.y[0,0,0]", "conv1.y[0,0,1]", "conv1.dw[0,0,1,0]", "conv1.dw[0,0,1,1]"]
    assert marked(lab, "reach") == reached


def test_correlation_and_convolution_side_by_side(lab: "Page") -> None:
    lab.get_by_label("correlation and convolution side by side").check()
    assert block(lab, "y") == printed(correlate2d(IMAGE[0], KERNEL[0, 0], "valid")[None])
    assert block(lab, "other") == printed(convolve2d(IMAGE[0], KERNEL[0, 0], "valid")[None])
    assert block(lab, "rotated") == [["0", "−1", "2", "1"]]
    assert lab.locator(".lab-both").inner_text() == "4 of the 4 values differ."
    lab.locator("[data-block=other] [role=gridcell]").nth(2).click()
    assert lab.locator("#lab .computation-value").inner_text() == "11"
    assert lab.locator("[data-value=convolution]").get_attribute("aria-pressed") == "true"
    lab.locator("[data-block=w] input").nth(0).fill("0")
    lab.locator("[data-block=w] input").nth(1).fill("-1")
    assert "equal" in lab.locator(".lab-both").inner_text()  # 0 −1, −1 0 is its own rotation


def test_what_cannot_be_is_said_in_words_and_the_last_result_stays(lab: "Page") -> None:
    kernel = lab.locator("[data-block=w]")
    kernel.get_by_label("Size, rows").fill("4")
    trouble = lab.locator("#lab .lab-trouble")
    assert "The kernel’s 4 rows do not fit into the input’s 3." in trouble.inner_text()
    assert block(lab, "y") == [["8", "7", "4", "5"]]
    assert lab.locator(".bench-rows.stale").count() == 1
    kernel.get_by_label("Size, rows").fill("2")
    assert trouble.is_hidden()
    lab.get_by_label("Dilation, down").fill("3")
    assert "dilated by 3 to 4" in trouble.inner_text()
    lab.locator("[data-value=full]").click()
    assert trouble.is_hidden()


def test_padding_as_large_as_a_pooling_window_is_refused_in_words(lab: "Page") -> None:
    went(lab, Setting(ZAYAN, KERNEL, "max", ("p2~0~0~0",)).address)
    assert "Padding of 2 is not smaller than the window of 2 rows" in lab.locator("#lab .lab-trouble").inner_text()
    lab.get_by_label("Zeros, top").fill("1")
    assert lab.locator("#lab .lab-trouble").is_hidden()


def test_what_is_no_number_is_named_and_the_last_one_counts(lab: "Page") -> None:
    cell = lab.locator("[data-block=x] input").first
    for text, y in (("2", "9"), ("1/4", "7.25"), ("0,5", "7.5"), ("−1", "6"), ("1e1", "17")):
        cell.fill(text)
        assert block(lab, "y")[0][0] == y
    cell.fill("ten")
    assert "“ten” is not a number" in lab.locator(".lab-words").inner_text()
    assert block(lab, "y")[0][0] == "17"
    cell.press("Tab")
    assert cell.input_value() == "10"


def test_a_block_of_a_spreadsheet_is_pasted(lab: "Page") -> None:
    paste = """([selector, text]) => { const data = new DataTransfer(); data.setData('text', text);
        document.querySelector(selector).dispatchEvent(
            new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})); }"""
    lab.evaluate(paste, ["[data-block=x] input", "1\t2,5\t3\t4\n5\t6\t7\t8\n"])
    assert block(lab, "x") == [["1", "2.5", "3", "4", "5", "6", "7", "8"]]
    lab.evaluate(paste, ["[data-block=x] input:nth-of-type(4)", "1;2\n3;x"])
    assert "“x” in the pasted text is not a number" in lab.locator(".lab-words").inner_text()
    rows = "\n".join("\t".join(map(str, range(15))) for _ in range(3))
    lab.evaluate(paste, ["[data-block=x] input", rows])
    assert [len(plane) for plane in block(lab, "x")] == [36]
    assert "those that fit into 3 × 12 are used" in lab.locator(".lab-words").inner_text()


def test_the_address_holds_the_whole_lab(lab: "Page") -> None:
    lab.get_by_label("Example").select_option(label="two channels, three filters")
    lab.locator("[data-block=x] input").nth(4).fill("0.1")
    lab.locator("[data-block=dy] input").nth(1).fill("2.5")
    lab.locator("[data-block=b] input").nth(2).fill("-3")
    lab.get_by_label("Stride, across").fill("2")
    lab.locator("[data-block=dw] [role=gridcell]").nth(5).click()
    names = ("x", "w", "b", "y", "dy", "dw", "dx", "db")
    before = {name: block(lab, name) for name in names}
    value = lab.locator("#lab .computation-value").inner_text()
    address = lab.url
    lab.locator("[data-value=max]").click()
    other = lab.context.new_page()
    other.goto(address)
    other.wait_for_selector("#lab .computation-value")
    assert {name: block(other, name) for name in names} == before
    assert other.locator("#lab .computation-value").inner_text() == value
    other.close()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("division", "the operation is “division”"),
        ("correlation!x1.3.3_1~2~3!w1.1.1.1_1", "the input should be 9 numbers"),
        ("correlation!x1.99.3_1!w1.1.1.1_1", "the input has the size “1.99.3”"),
        ("correlation!x1.1.1_1!w1.2.1.1_1~1", "the kernel is for 2 channels, the input has 1"),
        ("correlation!x1.1.1_1!w1.1.1.1_1!s0~1", "expected two whole numbers from 1 to 12"),
        ("correlation!xsample77!w1.2.1.1_1~1", "there is no sample 77 here"),
        ("correlation!x1.1.1_*0@@!w1.1.1.1_1", "the input should be 1 numbers"),
    ],
)
def test_an_address_that_cannot_be_read_is_said_and_the_worked_example_shown(
    lab: "Page", address: str, words: str
) -> None:
    went(lab, address)
    assert words in lab.locator("#banners").inner_text()
    assert block(lab, "y") == [["8", "7", "4", "5"]]


def test_numbers_travel_in_addresses_without_losing_a_bit(lab: "Page") -> None:
    random = np.random.default_rng(3)
    lists = [
        *([0.0] * 784, random.integers(0, 256, 784).astype(float), [0.0] * 300 + [255.0] + [0.0] * 3, [-0.5]),
        *(random.integers(-9, 9, 144).astype(float), random.integers(-999, 999, 100) / 100, random.normal(size=60)),
        *(np.repeat(1 / 9, 81), [1e-300, -1e300], random.integers(-(2**30), 2**30, 50) / 1000),
    ]
    script = """async lists => { const {read, written} = await import('/page/views/lab/numbers.js');
        return lists.map(list => [written(list), read(written(list), list.length)]) }"""
    for values, (text, back) in zip(lists, lab.evaluate(script, [list(map(float, v)) for v in lists]), strict=True):
        assert back == list(map(float, values))
        assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~*.e+")
    drawn_digit = lab.evaluate(script, [[0.0] * 400 + list(map(float, random.integers(0, 256, 100))) + [0.0] * 284])
    assert len(drawn_digit[0][0]) < 300


def test_every_kind_of_cell_is_explained_by_the_panel(lab: "Page") -> None:
    went(lab, Setting(np.arange(32.0).reshape(2, 4, 4) % 7, np.arange(16.0).reshape(2, 2, 2, 2) % 5 - 2).address)
    for name in ("y", "dw", "dx", "db"):
        cell = lab.locator(f"[data-block={name}] [role=gridcell]").last
        cell.click()
        assert f"{lab.locator('#lab .computation-name').inner_text()} = " in (cell.get_attribute("aria-label") or "")
        assert (cell.get_attribute("aria-label") or "").endswith(
            f"= {lab.locator('#lab .computation-value').inner_text()}"
        )
        assert lab.locator("#lab .computation-name").is_visible()
        assert (lab.locator("#lab .computation-name").bounding_box() or {})["y"] < lab.evaluate("innerHeight")
        lab.mouse.move(1, 1)  # what is under the pointer lights up its own cells
        assert cell.get_attribute("data-mark") == "chosen"
        assert lab.locator("#lab [data-mark=from]").count() > 0
    for kind in ("max", "average", "sum"):
        went(lab, Setting(ZAYAN, KERNEL, kind, ("opool1.y~0~1~0",)).address)
        assert lab.locator("#lab .computation-name").inner_text() == "pool1.y[0,1,0]"
    lab.locator("#lab .computation-panel").press("Escape")
    assert lab.locator("#lab .computation-panel").count() == 0


def test_a_picture_and_a_known_filter(lab: "Page") -> None:
    went(lab, query="?sample=2")
    lab.wait_for_timeout(300)  # the image follows the address
    lab.locator("#lab").get_by_role("button", name="image").click()
    lab.get_by_label("Filter preset").select_option("Sobel y")
    picture = plain().images[2].astype(float)
    sobel = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]) / 2  # one kernel per channel, divided by their number
    assert block(lab, "x") == printed(picture)
    assert block(lab, "y") == printed(sum(correlate2d(plane, sobel, "valid") for plane in picture)[None])
    assert "xsample2!" in lab.url
    y, address = block(lab, "y"), lab.url
    went(lab)
    assert block(lab, "y") == [["8", "7", "4", "5"]]
    lab.evaluate("address => { location.href = address; }", address)
    lab.wait_for_function("() => document.querySelectorAll('[data-block=x] [role=gridcell]').length > 100")
    assert block(lab, "y") == y


def test_from_sample_to_sample_and_the_middle_as_numbers(lab: "Page") -> None:
    lab.wait_for_timeout(300)
    lab.get_by_label("Example").select_option(label="the page’s image and a Sobel kernel")
    images = plain().images.astype(float)
    assert block(lab, "x") == printed(images[0])
    lab.locator("#lab").get_by_role("button", name="Previous sample").click()
    lab.wait_for_function("() => location.hash.includes('xsample2')")
    assert block(lab, "x") == printed(images[2])
    lab.locator("#lab").get_by_role("button", name="crop centre").click()
    assert lab.locator("[data-block=x] .number-plane input").count() == images[2].size
    lab.locator("[data-block=x] .number-plane input").first.fill("7")
    assert block(lab, "x")[0][0] == "7"


def test_large_pictures_are_pixels(lab: "Page") -> None:
    random = np.random.default_rng(4)
    x = random.integers(0, 256, (1, 28, 28)).astype(float)
    went(lab, Setting(x, np.ones((1, 1, 3, 3)), "correlation", ("f1",)).address)
    canvas = lab.locator("[data-block=y] canvas")
    assert canvas.evaluate(COLOURED) > 50
    canvas.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowRight"):
        lab.keyboard.press(key)
    y = correlate2d(x[0], np.ones((3, 3)), "valid")
    assert lab.locator("[data-block=y] output").inner_text() == f"conv1.y[0,1,1] = {printed(y[1:2, 1:2])[0][0]}"
    lab.keyboard.press("Enter")
    assert lab.locator("#lab .computation-value").inner_text() == printed(y[1:2, 1:2])[0][0]


def test_by_keyboard_alone(lab: "Page") -> None:
    lab.locator("#lab .lab-head select").focus()
    for _ in range(60):
        lab.keyboard.press("Tab")
        if lab.evaluate("document.activeElement.closest('[data-block]')?.dataset.block") == "y":
            break
    assert lab.evaluate("document.activeElement.getAttribute('aria-label')") == "conv1.y[0,0,0] = 8"
    lab.keyboard.press("ArrowRight")
    lab.keyboard.press("ArrowDown")
    lab.keyboard.press("Enter")
    assert lab.locator("#lab .computation-name").inner_text() == "conv1.y[0,1,1]"
    lab.locator("[data-block=x] input").first.focus()
    lab.keyboard.press("ArrowDown")
    lab.keyboard.type("9")
    assert block(lab, "x")[0][3] == "9"


def test_on_a_phone_nothing_scrolls_sideways(browser: "Browser", site: str) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True, color_scheme="dark")
    page = context.new_page()
    opened(page, site)
    for example in ("the worked example of the tutorials", "two channels, three filters", "one dimension"):
        page.get_by_label("Example").select_option(label=example)
        page.get_by_label("correlation and convolution side by side").check()
        page.locator("[data-block=dw] [role=gridcell]").first.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], example
    context.close()
