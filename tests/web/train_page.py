"""Reading the training panel of the page, and waiting for it."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from web.views.opened import number

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOCUSED = """() => {
  const at = document.activeElement;
  return at.type === "range" ? "slider" : at.textContent;
}"""


def visit(page: "Page", address: str) -> None:
    page.goto(f"{address}#/network?sample=0")  # the newest step: without a place, the page chooses an early one
    page.wait_for_selector("html[data-ready]", timeout=60_000)
    until(page, lambda: words(page).get("step"))


def until(page: "Page", true: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, page.inner_text("#train")
        page.wait_for_timeout(30)


def words(page: "Page") -> dict[str, str]:
    """Return the state of training as shown on the page."""
    pairs = page.evaluate("[...document.querySelectorAll('.train-words div')].map((pair) => pair.innerText)")
    return {name: value for name, _, value in (pair.partition("\n") for pair in pairs)}


def step(page: "Page") -> int:
    """Return the newest step."""
    return int(page.locator(".train-slider").get_attribute("max") or 0)


def shown(page: "Page") -> int:
    """Return the shown step, or −1 while the page draws it."""
    return int(words(page).get("step", "-1").split(" ")[0].replace(",", ""))


def weight(page: "Page", index: tuple[int, ...]) -> float:
    """Return a weight of conv1 at the shown step, by its computation."""
    cell = f"conv1.w[{','.join(map(str, index))}]"
    page.evaluate(
        "cell => { location.hash = location.hash.replace(/#.network[^?]*/, `#/network/forward/${cell}`); }", cell
    )
    page.wait_for_function("cell => document.querySelector('.computation-name')?.textContent === cell", arg=cell)
    page.wait_for_selector("main[aria-busy=false]")
    return number(page.inner_text(".computation-value"))


def tab(page: "Page", target: str) -> None:
    """Press Tab until something has the focus: a button by its text, or the slider."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == target:
            return
    raise AssertionError(f"Tab does not lead to {target}")
