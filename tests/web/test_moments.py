"""Steps without stored moments: no update is shown, and the page says why."""

import json
import struct

import numpy as np
import pytest
from web.networks import Subject
from web.pages import Page, Route, entered

EARLY = 5


@pytest.fixture
def forgetful(page: Page, subject: Subject) -> Page:
    """Serve a page whose server stored the parameters of an early step, but not its moments."""
    model = subject.model
    sizes = {"parameters": model.parameters.size, "statistics": model.statistics.size, "moments": None}
    header = json.dumps({"step": EARLY, "rate": subject.rate, "sizes": sizes}).encode()
    header += b" " * (-len(header) % 4)
    arrays = [np.ascontiguousarray(array, "<f4").tobytes() for array in (model.parameters, model.statistics)]
    body = struct.pack("<I", len(header)) + header + b"".join(arrays)

    def answer(route: Route) -> None:
        route.fulfill(status=200, body=body, content_type="application/octet-stream")

    page.route(f"**/api/frame?step={EARLY}", answer)
    return page


def shown(page: Page) -> list[str]:
    """Return the tensors of the first convolution's weights whose maps are shown."""
    maps = page.locator('#diagram canvas[data-key^="conv1.w"]')
    return maps.evaluate_all("all => all.map((each) => each.dataset.key)")


def test_maps_of_an_update_go_and_come_back(forgetful: Page, address: str) -> None:
    page = entered(forgetful, address, "#/network/update")
    whole = ["conv1.w", "conv1.w.change", "conv1.w.update"]
    assert shown(page) == whole
    page.evaluate(f"location.hash = '#/network/update?step={EARLY}'")
    page.get_by_text(f"not stored at step {EARLY}").wait_for()
    assert shown(page) == whole[:1]
    for cell in ("conv1.w.m[0,0,0,0]", "conv1.update[0,0,0,0]"):
        page.evaluate(f"location.hash = '#/network/update/{cell}?step={EARLY}'")
        page.locator(".banner p", has_text=cell).wait_for()
        assert f"not stored at step {EARLY}" in page.inner_text(".banner p")
        assert shown(page) == whole[:1]
    page.evaluate("location.hash = '#/network/update'")
    page.wait_for_selector('#diagram canvas[data-key="conv1.w.change"]')
    assert shown(page) == whole
    assert "not kept" not in page.locator("#phases .phase-words").first.inner_text()
