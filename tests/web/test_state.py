"""Places and their addresses."""

from typing import Any

import pytest
from web.pages import Page

READ = 'async (hash) => (await import("/state.js")).readAddress(hash)'
WRITTEN = 'async (place) => (await import("/state.js")).address(place)'
START = {
    "phase": "forward",
    **dict.fromkeys(("cell", "sample", "image", "step", "why", "stop")),
    "alone": False,
    "hall": False,
}


@pytest.mark.parametrize(
    ("address", "change"),
    [
        ("#/network", {}),
        ("#/network/backward/conv2.dw[3,1,0,2]?sample=12&step=300", {
            "phase": "backward", "cell": "conv2.dw[3,1,0,2]", "sample": 12, "step": 300}),
        ("#/network/forward/loss.y?sample=0", {"cell": "loss.y", "sample": 0}),
        ("#/network/update?step=0", {"phase": "update", "step": 0}),
        ("#/network/update?sample=2&alone", {"phase": "update", "sample": 2, "alone": True}),
        ("#/network/update?step=3&hall", {"phase": "update", "step": 3, "hall": True}),
        ("#/network?image=4&step=9&stop=2&why=conv1.w[0,1]", {"image": 4, "step": 9, "stop": 2, "why": "conv1.w[0,1]"}),
    ],
)  # fmt: skip
def test_there_and_back(modules: Page, address: str, change: dict[str, Any]) -> None:
    place = {**START, **change}
    assert modules.evaluate(READ, address) == {"place": place, "complaints": []}
    assert modules.evaluate(WRITTEN, place) == address


def test_brackets_may_come_encoded(modules: Page) -> None:
    found = modules.evaluate(READ, "#/network/forward/conv2.y%5B3%2C4%2C5%5D")
    assert (found["place"]["cell"], found["complaints"]) == ("conv2.y[3,4,5]", [])


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("#/nowhere", "“nowhere”"),
        ("#/network/sideways", "“sideways”"),
        ("#/network?sample=-3", "sample=-3"),
        ("#/network?step=1e9", "step=1e9"),
        ("#/network/forward/%E0%A4%A", "%E0%A4%A"),
    ],
)
def test_parts_that_cannot_be_read_are_named(modules: Page, address: str, words: str) -> None:
    found = modules.evaluate(READ, address)
    assert found["place"] == START
    assert len(found["complaints"]) == 1
    assert words in found["complaints"][0]
