"""A network that branches: its wires, the parts of a gradient as terms, and the overview of a long network."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from web.conftest import new_page
from web.networks import Subject, branching, served
from web.pages import BrowserContext, Page, arrived, entered, point, went

REST = "(place) => [place.scrollLeft, place.scrollWidth - place.clientWidth - place.scrollLeft]"
GEOMETRY = """() => {
  const origin = document.querySelector(".diagram-track").getBoundingClientRect();
  const box = (element) => {
    const { left, right, top, bottom } = element.getBoundingClientRect();
    return [left - origin.left, right - origin.left, top - origin.top, bottom - origin.top];
  };
  const of = (stage, role) => [...stage.querySelectorAll(`figure.${role} canvas`)].map(box);
  const ends = (path) => [0, path.getTotalLength()].map((at) => path.getPointAtLength(at)).map(({ x, y }) => [x, y]);
  const lane = (path) => path.getBBox().y + path.getBBox().height;
  return {
    wires: [...document.querySelectorAll(".diagram-wires .wire")].map((path) =>
      ({ ...path.dataset, ends: ends(path), lane: lane(path) })),
    stages: Object.fromEntries([...document.querySelectorAll(".diagram-stage")].map((stage) =>
      [stage.dataset.stage, { box: box(stage), maps: of(stage, "maps"), parameters: of(stage, "parameters") }])),
  };
}"""


@pytest.fixture(scope="module", params=[1, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in (2, 3))])
def branched(request: pytest.FixtureRequest, context: BrowserContext) -> Iterator[tuple[Page, Subject]]:
    """Open the page of a drawn network."""
    subject = branching(request.param)
    with served(subject) as address, new_page(context) as page:
        yield entered(page, address), subject


def gone(branched: tuple[Page, Subject], phase: str) -> tuple[Page, Subject]:
    """Show a phase of the network, with nothing pointed at."""
    page, _ = branched
    page.mouse.move(1, 1)
    went(page, f"#/network/{phase}?sample=0", f".diagram-track[data-phase={phase}]")
    return branched


def wires_of(subject: Subject) -> list[tuple[str, str]]:
    """Return what is read from a layer other than the one before, from the model."""
    names = ["input", *subject.model.names]
    inputs = subject.model.wiring.inputs
    return [
        (names[source], names[k])
        for k, read in enumerate(inputs, 1)
        for source in dict.fromkeys(read)
        if source != k - 1
    ]


def lit(page: Page) -> set[tuple[str, str]]:
    wires = page.locator(".diagram-wires .wire.lit")
    return {tuple(pair) for pair in wires.evaluate_all("all => all.map(({dataset}) => [dataset.from, dataset.to])")}


def test_every_wire_leads_from_its_layer_to_the_reader(branched: tuple[Page, Subject]) -> None:
    page, subject = gone(branched, "forward")
    geometry: dict[str, Any] = page.evaluate(GEOMETRY)
    stages = geometry["stages"]
    assert sorted((wire["from"], wire["to"]) for wire in geometry["wires"]) == sorted(wires_of(subject))
    lanes: dict[float, list[tuple[float, float]]] = {}
    for wire in geometry["wires"]:
        (x, _), (across, _), lane = *wire["ends"], wire["lane"]
        for name, (at, top) in zip((wire["from"], wire["to"]), wire["ends"], strict=True):
            left, right, *_ = stages[name]["box"]
            assert left <= at <= right, (wire, name)
            assert top >= max(bottom for *_, bottom in stages[name]["maps"])
        for stage in stages.values():  # below every map, above all parameters
            assert all(bottom < lane for *_, bottom in stage["maps"])
            assert all(top > lane for *_, top, _ in stage["parameters"])
        lanes.setdefault(lane, []).append((x, across))
    for spans in lanes.values():
        ordered = sorted(spans)
        assert all(before[1] <= after[0] for before, after in pairwise(ordered))


def test_layers_list_what_they_read(branched: tuple[Page, Subject]) -> None:
    """The update shows no wires, and shared weights once."""
    page, subject = gone(branched, "forward")
    names, signs = ["input", *subject.model.names], {"add": " + ", "multiply": " · "}
    for place, (read, layer) in enumerate(zip(subject.model.wiring.inputs, subject.model.layers, strict=True), 1):
        listed = page.locator(f'[data-stage="{names[place]}"] .reads').all_inner_texts()
        expected = signs.get(layer.kind, ", ").join(names[source] for source in read)
        if len(read) > 1:
            assert [text.replace("\xa0", " ") for text in listed] == [expected]
        else:
            assert len(listed) == (read[0] != place - 1)
    assert page.inner_text('[data-stage="conv2"] .shares') == "weights of conv1"
    gone(branched, "update")
    assert page.locator(".diagram-wires .wire, [data-stage=conv2]").count() == 0
    assert page.locator('[data-stage="conv1"] canvas').count() == 6


def test_the_end_of_a_wire_leads_to_the_other_end(branched: tuple[Page, Subject]) -> None:
    page, subject = gone(branched, "forward")
    focused = "document.activeElement?.closest('.diagram-stage')?.dataset.stage"
    for source, reader in wires_of(subject):
        for here, there, key in ((source, reader, False), (reader, source, True)):
            end = page.locator(f'[data-stage="{here}"] .wire-end[data-leads="{there}"]')
            if key:
                end.focus()
                page.keyboard.press("Enter")
            else:
                end.click()
            assert page.evaluate(focused) == there
            stage = page.locator(f'[data-stage="{there}"]').bounding_box()
            assert 0 <= stage["x"] <= 1440 - stage["width"]


def test_the_path_of_a_gradient_lights_its_wires(branched: tuple[Page, Subject]) -> None:
    page, subject = gone(branched, "backward")
    stem = subject.model.names[1]  # the activation of the stem: read by the layer after it and by others
    assert lit(page) == set()
    point(page, f"{stem}.dy", 2, 3)
    readers = {wire for wire in wires_of(subject) if wire[0] == stem}
    assert len(readers) >= 2
    assert lit(page) == readers
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
    page.mouse.move(1, 1)
    assert (stem, "add1") in lit(page)


def test_the_overview_steers(branched: tuple[Page, Subject]) -> None:
    page, subject = gone(branched, "forward")
    bar = page.get_by_role("slider", name="Overview of the network")
    assert page.locator(".diagram-overview .mark").count() == len(subject.model.names) + 2
    assert page.locator(".diagram-overview .branch").count() == len(wires_of(subject))

    def rest() -> tuple[int, int]:
        """Return how far the diagram can be scrolled to the left and to the right."""
        return tuple(page.locator(".diagram-place").evaluate(REST))

    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 2, box["y"] + 10)
    assert rest()[1] == pytest.approx(0, abs=1)
    assert "loss" in bar.get_attribute("aria-valuetext")
    page.mouse.move(box["x"] + box["width"] - 40, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] - 40, box["y"] + 10, steps=4)
    page.mouse.up()
    assert rest()[0] == 0
    bar.focus()
    for key, at_least, at_most in (("ArrowRight", 1, 199), ("End", 200, 10**6), ("Home", 0, 0)):
        page.keyboard.press(key)
        assert at_least <= rest()[0] <= at_most
        assert (rest()[1] <= 1) == (key == "End")


def test_no_overview_where_all_is_visible(page: Page, address: str) -> None:
    entered(page, address)
    overview = page.get_by_role("slider", name="Overview of the network")
    assert page.locator(".diagram-wires path").count() == 0
    for width in (1440, 1100, 720):  # the cells shrink before the diagram scrolls
        page.set_viewport_size({"width": width, "height": 844})
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.locator(".diagram-place").evaluate("(place) => place.scrollWidth - place.clientWidth") == 0
        assert overview.is_hidden()
    page.evaluate("document.querySelector('#diagram').style.maxWidth = '500px'")
    overview.wait_for()
