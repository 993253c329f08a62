"""A network that branches: what its layers read, and the parts of a gradient as terms."""

from collections.abc import Iterator

import pytest
from web.conftest import new_page
from web.networks import Subject, branching, served
from web.pages import BrowserContext, Page, arrived, entered, went


@pytest.fixture(scope="module", params=[1, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in (2, 3))])
def branched(request: pytest.FixtureRequest, context: BrowserContext) -> Iterator[tuple[Page, Subject]]:
    """Open the page of a drawn network."""
    subject = branching(request.param)
    with served(subject) as address, new_page(context) as page:
        yield entered(page, address), subject


def test_layers_list_what_they_read(branched: tuple[Page, Subject]) -> None:
    page, subject = branched
    went(page, "#/network/forward?sample=0", ".diagram-track[data-phase=forward]")
    names, signs = ["input", *subject.model.names], {"add": " + ", "multiply": " · "}
    for place, (read, layer) in enumerate(zip(subject.model.wiring.inputs, subject.model.layers, strict=True), 1):
        listed = page.locator(f'[data-stage="{names[place]}"] .reads').all_inner_texts()
        expected = signs.get(layer.kind, ", ").join(names[source] for source in read)
        if len(read) > 1:
            assert [text.replace("\xa0", " ") for text in listed] == [expected]
        else:
            assert len(listed) == (read[0] != place - 1)
    assert page.inner_text('[data-stage="conv2"] .shares') == "weights of conv1"


def test_the_parts_of_a_gradient_are_its_terms(branched: tuple[Page, Subject]) -> None:
    page, subject = branched
    stem = subject.model.names[1]  # the activation of the stem: read by the layer after it and by others
    cell = f"{stem}.dy[0,3,2]"
    page.evaluate("cell => { location.hash = `#/network/backward/${cell}?sample=0`; }", cell)
    parts = subject.trace(0).explain(cell).to_json()["sources"]
    terms = page.locator(".computation-term-factor a")
    page.locator(".computation-fold summary").first.click()
    terms.first.wait_for()
    titles = terms.evaluate_all("all => all.map((each) => each.title)")
    assert sorted(title.partition(" = ")[0] for title in titles) == sorted(parts)
    cells = [f"{stem}.dy_add1[0,3,2]"]
    while not cells[-1].startswith("add1."):
        cells += subject.trace(0).explain(cells[-1]).to_json()["sources"]
    for part in cells:
        page.locator(f'#computation a[title^="{part}"]').first.click()
        arrived(page, f"{part}?sample=0")
        page.wait_for_selector(f'.computation-name:text-is("{part}")')


@pytest.mark.parametrize("width", [1440, 1100, 720])
def test_the_cells_shrink_before_the_diagram_scrolls(page: Page, address: str, width: int) -> None:
    entered(page, address)
    page.set_viewport_size({"width": width, "height": 844})
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.locator(".diagram-place").evaluate("(place) => place.scrollWidth - place.clientWidth") == 0
