"""Every kind of cell, selected with the mouse on the real server, shows the same value as in Python."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from web import journey
from web.journey import SAMPLE, Journey, entered, waited

from chainrule.explain import Explanation, Trace
from chainrule.explain.notation import format_number

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.long

KINDS = {"x", "y", "dy", "w", "b", "dw", "db", "m", "v", "update", "t", "winner", "loss.y"}
MAPS = "#diagram canvas[data-tensor]:not(.loupe canvas)"


@pytest.fixture(scope="module", params=["numpy_cnn", pytest.param("smooth", marks=pytest.mark.thorough)])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    subject = getattr(journey, request.param)(tmp_path_factory.mktemp("data"))
    with journey.journey(subject, steps=3) as found:
        yield found


def test_every_kind_of_cell_by_mouse(page: "Page", network: Journey) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    entered(page, network.address, f"#/network?sample={SAMPLE}&alone")
    trace, random = network.trace(), np.random.default_rng(6)
    seen: set[str] = set()
    for phase in ("Forward", "Backward", "Update"):
        page.get_by_role("button", name=phase).first.click()
        page.wait_for_selector(f".diagram-track[data-phase={phase.lower()}]")
        keys = page.locator(MAPS).evaluate_all("all => all.map((each) => each.dataset.key)")
        kinds = {re.sub(r"\d", "", key): key for key in random.permutation(keys)}  # any layer of a kind
        for key in kinds.values():
            cell = clicked(page, key, random)
            seen |= compared(page, trace, cell)
            page.locator(".computation-close").click()
            page.wait_for_selector(".computation-panel", state="detached")
    lacking = KINDS - seen - (set() if any("pool" in n and "winner" in n for n in trace.names) else {"winner"})
    assert not lacking


def clicked(page: "Page", key: str, random: np.random.Generator) -> str:
    """Click on a map, and return the name of the cell under the resting pointer."""
    canvas = page.locator(f'{MAPS}[data-key="{key}"]')
    readout = page.locator(".diagram-readout")
    canvas.scroll_into_view_if_needed()
    for _ in range(20):  # some positions between two maps hold no cell
        box = canvas.bounding_box()
        assert box
        x, y = box["x"] + random.uniform(0.1, 0.9) * box["width"], box["y"] + random.uniform(0.1, 0.9) * box["height"]
        page.mouse.move(float(x), float(y))
        if readout.is_visible():
            pointed = readout.inner_text().split("\n")[0].removeprefix("change ")
            page.mouse.click(float(x), float(y))
            page.wait_for_selector(".computation-name")
            assert page.locator(".computation-name").inner_text() == pointed
            return pointed
    raise AssertionError(f"no cell was found on {key}")


def compared(page: "Page", trace: Trace, cell: str) -> set[str]:
    """Compare the cell and the moments of a parameter with Python's; return the kinds compared."""
    explained = trace.explain(cell)
    printed = page.locator(".computation-value").inner_text()
    assert printed == explained.shown or both_nothing(printed, explained), (cell, printed, explained.shown)
    tensor = cell.split("[")[0]
    seen = {tensor, tensor.split(".")[-1]}
    if tensor.startswith("pool") and tensor.endswith(".y") and f"{tensor[:-2]}.winner" in trace.names:
        seen |= winner(page.locator(".computation-square.computation-best"), trace, cell)
    if tensor.endswith(".update") and "running" not in tensor:
        for moment in ("m", "v"):
            page.locator(".computation-likes").get_by_text(re.compile(f", {moment}$")).click()
            name = cell.replace(".update", f".{moment}")
            waited(page, lambda name=name: page.locator(".computation-name").inner_text() == name)
            assert page.locator(".computation-value").inner_text() == trace.explain(name).shown, name
            seen.add(moment)
    return seen


def both_nothing(printed: str, explained: Explanation) -> bool:
    """Return whether both are rounding errors of a sum that cancels, as for a bias before batch normalization."""
    most = 1e-13 * max((abs(term.value) for term in explained.derived.terms), default=0)
    return max(abs(explained.value), abs(float(printed.replace("−", "-")))) < most


def winner(best: "Locator", trace: Trace, cell: str) -> set[str]:
    """Compare the marked winner with the flat index in Python."""
    pool = cell.split(".")[0]
    index = tuple(int(part) for part in cell.partition("[")[2][:-1].split(","))
    flat = int(trace[f"{pool}.winner"][index])
    row, column = divmod(flat, trace[f"{pool}.x"].shape[-1])
    assert f"[{index[0]},{row},{column}] =" in (best.first.get_attribute("title") or "")
    return {"winner"}


def test_the_probabilities_and_the_loss_are_numpys(page: "Page", network: Journey) -> None:
    entered(page, network.address, f"#/network?sample={SAMPLE}")
    trace = network.trace()
    dense = [name for name in trace.names if re.fullmatch(r"dense\d\.y", name)]
    scores = np.asarray(trace[dense[-1]], float)
    model = network.model()
    answer = model.predict(network.session.sample_images().x[SAMPLE : SAMPLE + 1])[0]
    assert scores.shape == answer.shape
    bars = page.locator(".bars .number")
    expected = pytest.approx([*(100 * answer)], abs=0.06)
    waited(page, lambda: read(bars.all_inner_texts()) == expected)
    p = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    loss = -np.log(p[int(np.argmax(trace["t"]))])
    page.locator('canvas[data-tensor="loss.y"]').click()
    page.wait_for_selector(".computation-value")
    assert page.locator(".computation-value").inner_text() == format_number(float(loss))


def read(texts: list[str]) -> list[float]:
    return [float(text.replace("<", "").replace("%", "").strip() or "nan") for text in texts]  # nothing yet: NaN
