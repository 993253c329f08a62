"""The text beside the network and what it shows: the walk, routed gradients, and another kernel."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from explain.linear import comes_out
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
    went(opened, f"#/network?sample={SAMPLE}&stop=1", ".story-body .story-meta:text-matches('Stop 1 of')")
    opened.wait_for_selector("main[aria-busy=false]")
    announced = [title.inner_text() for title in opened.locator(".story-plan li").all()]
    count = int(opened.inner_text(".story-controls .story-meta").split(" of ")[1])
    assert count <= 12
    assert len(announced) == count - 1
    for stop in range(1, count + 1):
        opened.wait_for_selector(f".story-body .story-meta:text-matches('Stop {stop} of')")
        assert opened.inner_text(".story-body h2") == ["conv1: A convolution", *announced][stop - 1]
        for shown in opened.locator(".story-body > p > .story-cell[title^=Show]").all():
            cell, value = shown.inner_text().split(" = ")
            layer, bracket, index = cell.removesuffix(" after the step").partition("[")
            tensor = f"{layer}.update" if layer.endswith(".w") else layer
            assert value == format_number(trace.explain(f"{tensor}{bracket}{index}").value)
            passed.append(cell)
        lines = opened.locator(".story-passed .story-cell[title^=Show]").all()
        passed += [str(line.get_attribute("title")).split()[2] for line in lines]
        opened.get_by_label("Next stop").click(force=stop == count)
    passed = [cell for cell in passed if not cell.startswith("loss")]
    assert [cell.split(".")[0] for cell in passed] == [*SHOWN, *reversed(SHOWN), "conv1"]
    assert [cell.split(".")[1][:2] for cell in passed] == ["y["] * 7 + ["dy"] * 7 + ["w["]


WALKS = ("first-pool", "numbers", "half_squared_error", "softmax_cross_entropy", "lines", "branching-2")
ROWS = """() => [...document.querySelectorAll(".story-error")].map((table) => ({
  heads: [...table.querySelectorAll("thead th")].map((head) => head.textContent),
  rows: [...table.tBodies[0].rows].map((row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent)),
}))"""
NEXT = "stop => { location.hash = location.hash.replace(/stop=\\d+/, `stop=${stop}`); }"


def stops_of(page: Page, address: str) -> Iterator[int]:
    """Open the walk and yield the number of each stop while it is shown."""
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    went(page, "#/network?stop=1", ".story-body h2")
    count = int(page.inner_text(".story-controls .story-meta").split(" of ")[1])
    for stop in range(1, count + 1):
        page.evaluate(NEXT, stop)  # in the phase of the last stop, since changing it draws the network again
        page.wait_for_selector(f".story-body .story-meta:text-matches('Stop {stop} of')")
        yield stop
    page.goto("about:blank")  # which sends no requests to a stopped server


@pytest.mark.parametrize(
    "name",
    [
        *WALKS,
        *(pytest.param(name, marks=pytest.mark.thorough) for name in sorted({*OTHERS, *zoo.NAMED} - {*WALKS})),
    ],
)
def test_every_row_of_the_error_is_an_equation_of_the_printed_numbers(page: Page, name: str) -> None:
    tables: list[dict[str, Any]] = []
    with served(find_subject(name)) as address:
        for _ in stops_of(page, address):
            tables += page.evaluate(ROWS)
    for table in tables:
        _, _, scale = table["heads"][-1].partition(" · ")
        for output, target, error in table["rows"]:
            assert comes_out(f"(({output}) − ({target})) · {scale or 1}", error)
    assert tables or name not in ("first-pool", "half_squared_error", "softmax_cross_entropy")


STOP = """() => ({
  title: document.querySelector(".story-body h2").textContent,
  cells: [...document.querySelectorAll("#story .story-cell[title^=Show]")].map((link) => link.title.split(" ")[2]),
  paragraphs: [...document.querySelectorAll(".story-body > p")].map((each) => each.textContent),
})"""


@pytest.mark.parametrize("name", ["branching-1", "branching-2", "lines", "numbers", "flat", "yes-or-no"])
def test_the_walk_leaves_out_no_layer_and_repeats_no_paragraph(page: Page, name: str) -> None:
    """Every layer with an output is visited or listed, in order, and every gradient on the way back to a weight."""
    subject = find_subject(name)
    seen: list[dict[str, Any]] = []
    with served(subject) as address:
        for _ in stops_of(page, address):
            page.wait_for_timeout(200)  # for the sentence about the paths
            seen.append(page.evaluate(STOP))
    cells = [cell for stop in seen for cell in stop["cells"]]
    trace = subject.trace(0)
    forward = [cell.partition(".")[0] for cell in cells if re.search(r"\.y\[", cell) and "loss" not in cell]
    expected = [layer for layer in subject.model.names if f"{layer}.y" in trace.names]
    assert list(dict.fromkeys(forward)) == expected
    paragraphs = [text for stop in seen for text in stop["paragraphs"] if len(text) > 60]
    assert [text for text in paragraphs if re.search(r"the other \w+ 0\s%", text)] == []
    keys = [text for text in paragraphs if text.startswith("The lines in the network")]
    assert len(keys) <= 1


def test_the_paths_of_the_error_grow_over_the_maps(opened: Page) -> None:
    lines: list[int] = []
    keys: list[str] = []
    for stop in (7, 9, 11):
        went(opened, f"#/network/backward?sample={SAMPLE}&stop={stop}", f".story-meta:text-matches('Stop {stop} of')")
        opened.wait_for_timeout(600)
        lines.append(opened.locator(".diagram-paths path").count())
        keys += opened.locator(".story-key").all_inner_texts()
    assert lines == sorted(lines)
    assert lines[-1] > lines[0]
    [key] = keys  # the first stop on the way back explains the lines
    shares = re.findall(r"(−?\d+)\s%", key)
    assert number(shares[0]) > 0
    assert sum(map(number, shares)) == 100
