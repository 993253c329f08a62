"""The network diagram's text for its cells, with mouse and keyboard."""

import pytest
from web.networks import Subject
from web.pages import Page, hash_of, point, went

from chainrule.explain import notation


def test_a_cell_that_is_pointed_at_says_its_value(opened: Page, subject: Subject) -> None:
    trace = subject.trace(1)
    for phase, tensors in (("forward", ("x", "conv1.y", "conv1.w", "pool1.y")), ("backward", ("conv1.dy", "conv1.dw"))):
        went(opened, f"#/network/{phase}?sample=1", f".diagram-track[data-phase={phase}]")
        opened.wait_for_selector("text=Sample 1")
        for tensor in tensors:
            for row, column in ((0, 0), (1, 3), (4, 2)):
                index = (*(0,) * (trace[tensor].ndim - 2), row, column)
                name = f"{tensor}[{','.join(map(str, index))}]"
                expected = notation.format_number(float(trace[tensor][index]))
                assert point(opened, tensor, column, row) == f"{name}\n= {expected}"


def test_marks_lie_on_the_cell_at_the_pointer_and_on_the_selected_one(opened: Page) -> None:
    went(opened, "#/network/forward/relu1.y[0,1,2]?sample=0", ".diagram-track[data-phase=forward]")
    point(opened, "relu1.y", 2, 3)
    marks = opened.locator(".diagram-marks path.line").evaluate_all(
        "all => Object.fromEntries(all.map((path) => [path.classList[0], path.getBoundingClientRect().toJSON()]))"
    )
    canvas = opened.locator('#diagram canvas[data-tensor="relu1.y"]').bounding_box()
    cell = float(opened.get_attribute('figure:has(canvas[data-tensor="relu1.y"])', "data-cell"))
    for kind, (row, column) in {"here": (3, 2), "chosen": (1, 2)}.items():
        assert marks[kind]["x"] + 1 == pytest.approx(canvas["x"] + column * cell, abs=1)
        assert marks[kind]["y"] + 1 == pytest.approx(canvas["y"] + row * cell, abs=1)
    opened.mouse.move(1, 1)
    assert opened.locator(".diagram-readout").is_hidden()
    assert opened.get_attribute(".diagram-marks path.here.line", "d") == ""


def test_maps_are_in_true_proportion(opened: Page) -> None:
    went(opened, "#/network/forward?sample=0", ".diagram-track[data-phase=forward]")
    cells = {
        name: float(opened.get_attribute(f'figure:has(canvas[data-tensor="{name}"])', "data-cell") or 0)
        for name in ("x", "conv1.y", "relu1.y", "pool1.y", "conv1.w")
    }
    assert cells.pop("conv1.w") >= 8  # kernels are never smaller
    assert len(set(cells.values())) == 1
    box = opened.locator('canvas[data-tensor="x"]').bounding_box()
    assert box["width"] == box["height"] == pytest.approx(28 * cells["x"])


def test_by_keyboard_alone(opened: Page, subject: Subject) -> None:
    went(opened, "#/network/forward?sample=0", ".diagram-track[data-phase=forward]")
    for _ in range(60):
        opened.keyboard.press("Tab")
        if opened.evaluate("document.activeElement?.dataset.tensor") == "conv1.y":
            break
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        opened.keyboard.press(key)
    value = notation.format_number(float(subject.trace(0)["conv1.y"][0, 1, 2]))
    assert opened.locator("#diagram [aria-live]").text_content() == f"conv1.y[0,1,2] = {value}"
    opened.keyboard.press("Enter")
    opened.wait_for_selector(".computation-panel")
    assert hash_of(opened) == "#/network/forward/conv1.y[0,1,2]?sample=0"
    opened.keyboard.press("b")
    assert hash_of(opened) == "#/network/backward/conv1.y[0,1,2]?sample=0"
    assert opened.evaluate("document.activeElement.closest('.computation-panel') !== null")  # where Enter led
    opened.keyboard.press("?")
    assert opened.get_by_role("dialog", name="Keys").is_visible()
    opened.keyboard.press("Escape")
    assert opened.get_by_role("dialog", name="Keys").is_hidden()
    opened.keyboard.press("f")
    gradient = opened.get_by_role("link", name="gradient", exact=True)
    gradient.focus()
    opened.keyboard.press("Enter")
    opened.wait_for_selector(".computation-panel h2:focus")
    opened.keyboard.press("Escape")
    opened.wait_for_selector('#diagram canvas[data-tensor="conv1.dy"]:focus')
