"""The text beside the network and what it shows: the walk, routed gradients, and another kernel."""

import re
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from web.networks import OTHERS, Subject, built, find_subject, served
from web.pages import Page, number, went

from chainrule import layers, zoo
from chainrule.explain.notation import format_number

SAMPLE = 1
BODY = [
    *(layers.Conv2D(3, (3, 2)), layers.ReLU(), layers.MaxPool2D(2), layers.Flatten()),
    *(layers.Dense(6), layers.ReLU(), layers.Dense(5), layers.Softmax()),
]
SHOWN = ["conv1", "relu1", "pool1", "dense1", "relu2", "dense2", "softmax1"]


@pytest.fixture(scope="module")
def subject() -> Subject:
    return built("small", BODY, (1, 9, 8))


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


Interval = NDArray[np.float64]  # its two ends; of a printed number, or of what is computed from printed numbers


def read(text: str) -> Interval:
    """Read a number: a whole one is exact, any other within half a unit of the last digit shown."""
    printed = Decimal(text.strip("()").replace("−", "-"))
    is_exact = printed == int(printed) and "." not in text
    return float(printed) + (0 if is_exact else 0.5 * 10.0 ** int(printed.as_tuple().exponent)) * np.array([-1, 1])


def difference(first: Interval, second: Interval) -> Interval:
    return first - second[::-1]


def product(first: Interval, second: Interval) -> Interval:
    products = np.outer(first, second)
    return np.array([products.min(), products.max()])


def agree(first: Interval, second: Interval) -> bool:
    slack = 1e-12 + 1e-9 * (np.ptp(first) + np.ptp(second))
    return max(first[0], second[0]) <= min(first[1], second[1]) + slack


def holds(picture: dict[str, Any]) -> bool:
    """Whether the equation in a picture of the walk holds for the numbers in it, within their digits."""
    titles: list[str] = [title for title, _ in picture["grids"]]
    grids: list[list[Interval]] = [[read(text) for text in texts if text] for _, texts in picture["grids"]]
    end = re.fullmatch(r"(.*)(?:→|framed|← dy) (\S+)", picture["result"])
    result = read(end[2]) if end else np.zeros(2)
    if titles == ["the window"]:
        return agree(result, max(grids[0], key=np.mean))
    if titles[:1] == ["the window, forward"]:
        winner = int(np.mean(grids[0], 1).argmax())
        sent = np.mean(grids[1], 1)
        return agree(result, grids[1][winner]) and np.count_nonzero(sent) == (sent[winner] != 0)
    if picture["joints"][0] == "↻":
        stored = grids.pop(0)
        if not np.array_equal(stored, grids[0][::-1]):
            return False
    framed = re.search(r"Framed[^:]*: (\S+) · (\S+) = (\S+)\.", picture["note"])
    if framed and not agree(product(read(framed[1]), read(framed[2])), read(framed[3])):
        return False
    operation = {"·": product, "−": difference}[picture["joints"][-2]]
    factor = re.search(r", times (\S+)", titles[-1])
    cells = [operation(*pair) for pair in zip(grids[0], grids[1], strict=True)]
    cells = [product(cell, read(factor[1])) if factor else cell for cell in cells]
    if not all(map(agree, cells, grids[2])) or len(cells) != len(grids[2]):
        return False
    if end is None or not end[1].startswith("Σ"):
        return end is None or any(agree(result, cell) for cell in grids[2])
    scale = re.search(r" · (\S+)", end[1])
    shown = re.match(r"Σ (\S+) ", end[1])
    own = read(shown[1]) if shown else result
    if grids[2] and not agree(own, np.sum(grids[2], 0)):
        return False  # maps have no printed numbers
    total = sum((read(text) for text in re.findall(r"\+ [^+·]*?(\S+) (?=\+|·|$)", end[1])), own)
    return agree(result, product(total, read(scale[1])) if scale else total)


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
    assert [picture for picture in pictures if not holds(picture)] == []
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
    window = np.asarray(trace["x"])[0, 2:5, 3:5]
    for added in (0, (2 - 1 / 6) * window[0, 0]):
        shown = opened.inner_text(".computation-kernel output").split(" = ")[1].split(" ")[0]
        assert number(shown) == pytest.approx(window.mean() + np.asarray(trace["conv1.b"])[1] + added, rel=5e-3)
        opened.locator(".computation-kernel input").first.fill("2")
