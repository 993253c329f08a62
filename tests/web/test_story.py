"""The text beside the network and what it shows: the walk, routed gradients, and another kernel."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from explain.linear import holds
from web.networks import OTHERS, Subject, find_subject, plain, served
from web.pages import Page, number, went

from chainrule import zoo
from chainrule.explain.notation import format_number

SAMPLE = 1
SHOWN = ["conv1", "relu1", "conv2", "relu2", "pool1", "dense1", "softmax1"]


@pytest.fixture(scope="module")
def subject() -> Subject:
    return plain()


def test_the_walk_passes_every_layer_forward_and_back_with_python_s_values(opened: Page, subject: Subject) -> None:
    trace, passed = subject.trace(SAMPLE), list[str]()
    went(opened, f"#/network?sample={SAMPLE}&stop=1", ".story-body h2")
    announced = [title.inner_text() for title in opened.locator(".story-plan li").all()]
    count = int(opened.inner_text(".story-controls .story-meta").split(" of ")[1])
    assert count <= 12
    assert len(announced) == count - 1
    for stop in range(1, count + 1):
        opened.wait_for_selector(f".story-body .story-meta:text-matches('Stop {stop} of')")
        assert opened.inner_text(".story-body h2") == ["The input", *announced][stop - 1]
        for shown in opened.locator(".story-body > p > .story-cell").all():
            cell, value = shown.inner_text().split(" = ")
            layer, bracket, index = cell.removesuffix(" after the step").partition("[")
            tensor = f"{layer}.update" if layer.endswith(".w") else layer
            assert value == format_number(trace.explain(f"{tensor}{bracket}{index}").value)
            passed.append(cell)
        lines = opened.locator(".story-passed .story-cell").all()
        passed += [str(line.get_attribute("title")).split()[2] for line in lines]
        opened.get_by_label("Next stop").click(force=stop == count)
    passed = [cell for cell in passed if not cell.startswith("loss")]
    assert [cell.split(".")[0] for cell in passed] == [*SHOWN, *reversed(SHOWN), "conv1", "conv1"]
    assert [cell.split(".")[1][:2] for cell in passed] == ["y["] * 7 + ["dy"] * 7 + ["dw", "w["]


WALKS = ("first-pool", "numbers", "half_squared_error", "softmax_cross_entropy", "lines", "branching-2")
PICTURES = """() => [...document.querySelectorAll(".story-rule")].map((rule) => ({
  grids: [...rule.querySelectorAll("figure")].map((figure) => [
    figure.querySelector("figcaption").textContent,
    [...figure.querySelectorAll(".story-number")].map((cell) => cell.textContent),
  ]),
  joints: [...rule.querySelectorAll(".story-joint")].map((joint) => joint.textContent),
  result: rule.querySelector(".story-result")?.textContent ?? "",
  note: rule.nextElementSibling.textContent,
}))"""

NEXT = "stop => { location.hash = location.hash.replace(/stop=\\d+/, `stop=${stop}`); }"


def equations(picture: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the equations of the printed numbers in a picture of the walk, and their printed results."""
    titles: list[str] = [title for title, _ in picture["grids"]]
    grids: list[list[str]] = [[text.strip("()") for text in texts if text] for _, texts in picture["grids"]]
    end = re.fullmatch(r"(.*)(?:→|framed|← dy) (\S+)", picture["result"])
    if titles == ["the window"]:
        yield f"max({', '.join(grids[0])})", end[2]
        return
    if titles[:1] == ["the window, forward"]:
        winner = np.argmax([number(text) for text in grids[0]])
        yield grids[1].pop(winner), end[2]
        yield from ((sent, "0") for sent in grids[1])
        return
    if picture["joints"][0] == "↻":
        yield from zip(grids.pop(0), grids[0][::-1], strict=True)
    if framed := re.search(r"Framed[^:]*: (\S+ · \S+) = (\S+)\.", picture["note"]):
        yield framed[1], framed[2]
    factor = re.search(r", times (\S+)", titles[-1])
    joint, scale = picture["joints"][-2], f" · {factor[1]}" if factor else ""
    cells = [f"(({first}) {joint} ({second})){scale}" for first, second in zip(*grids[:2], strict=True)]
    yield from zip(cells, grids[2], strict=True)
    if end is None:
        return
    if not end[1].startswith("Σ"):
        yield next((cell for cell in grids[2] if holds(cell, end[2])), "0"), end[2]
        return
    scale = re.search(r" · (\S+)", end[1])
    shown = re.match(r"Σ (\S+) ", end[1])
    total = shown[1] if shown else end[2]
    if grids[2]:  # maps have no printed numbers
        yield " + ".join(f"({cell})" for cell in grids[2]), total
    parts = [total, *re.findall(r"\+ [^+·]*?(\S+) (?=\+|·|$)", end[1])]
    yield f"({' + '.join(parts)}) · {scale[1] if scale else 1}", end[2]


@pytest.mark.parametrize(
    "name",
    [
        *WALKS,
        *(pytest.param(name, marks=pytest.mark.thorough) for name in sorted({*OTHERS, *zoo.NAMED} - {*WALKS})),
    ],
)
def test_every_equation_of_the_walk_holds_for_the_printed_numbers(page: Page, name: str) -> None:
    subject = find_subject(name)
    with served(subject) as address:
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        went(page, "#/network?stop=1", ".story-body h2")
        count = int(page.inner_text(".story-controls .story-meta").split(" of ")[1])
        pictures: list[dict[str, Any]] = []
        for stop in range(1, count + 1):
            page.evaluate(NEXT, stop)  # in the phase of the last stop, since changing it draws the network again
            page.wait_for_selector(f".story-body .story-meta:text-matches('Stop {stop} of')")
            pictures += page.evaluate(PICTURES)
        page.goto("about:blank")  # which sends no requests to a stopped server
    assert [pair for picture in pictures for pair in equations(picture) if not holds(*pair)] == []
    assert sum(any(texts for _, texts in picture["grids"]) for picture in pictures) >= 2 or name not in WALKS


def test_the_paths_of_the_error_grow_over_the_maps(opened: Page) -> None:
    lines: list[int] = []
    for stop in (7, 9, 11):
        went(opened, f"#/network/backward?sample={SAMPLE}&stop={stop}", f".story-meta:text-matches('Stop {stop} of')")
        opened.wait_for_timeout(300)
        lines.append(opened.locator(".diagram-paths path").count())
    assert lines == sorted(lines)
    assert lines[-1] > lines[0]
    shares = re.findall(r"(−?\d+)\s%", opened.inner_text(".story-key"))
    assert number(shares[0]) > 0
    assert sum(map(number, shares)) == 100


def test_another_kernel_is_run_over_the_whole_image(opened: Page, subject: Subject) -> None:
    trace = subject.trace(SAMPLE)
    cell = "conv1.y[1,2,3]"
    went(opened, f"#/network/forward/{cell}?sample={SAMPLE}", f'.computation-name:text-is("{cell}")')
    opened.click(".computation-kernel summary")
    opened.get_by_role("button", name="Average").click()
    x, kernels = np.asarray(trace["x"])[:, 2:5, 3:5], np.array(trace["conv1.w"][1])
    kernel = kernels[np.abs(x * kernels).max((1, 2)).argmax()]  # of the strongest product; the others stay
    kernel[:] = 1 / 6
    for weight in (1 / 6, 2):
        kernel[0, 0] = weight
        shown = opened.inner_text(".computation-kernel output").split(" = ")[1].split(" ")[0]
        assert number(shown) == pytest.approx((x * kernels).sum() + np.asarray(trace["conv1.b"])[1], rel=5e-3)
        opened.locator(".computation-kernel input").first.fill("2")
