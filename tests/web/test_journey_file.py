"""All views of the self-contained file, opened from disk without a network."""

from typing import TYPE_CHECKING

import pytest
from web.journey import SAMPLE, Journey, journey, numpy_cnn, waited

from chainrule.web import single_file

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CELL = "conv2.dw[3,1,0,2]"


@pytest.mark.parametrize(("scheme", "size"), [("light", (1440, 900)), ("dark", (390, 844))])
def test_the_file_through_all_its_places(
    browser: "Browser", file: tuple[str, str], scheme: str, size: tuple[int, int]
) -> None:
    address, shown = file
    context = browser.new_context(color_scheme=scheme, viewport={"width": size[0], "height": size[1]})
    context.set_offline(True)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("request", lambda asked: wrong.append(asked.url) if asked.url.startswith(("http", "ws")) else None)
    page.goto(f"{address}#/network/backward/{CELL}?sample={SAMPLE}")
    page.wait_for_selector(".computation-name")
    assert page.locator(".computation-value").inner_text() == shown
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.evaluate(f"location.hash = '#/network/backward?stop=18&sample={SAMPLE}'")
    page.wait_for_selector(".story-rule")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.evaluate("location.hash = '#/network'")
    before = page.locator(".train-words").inner_text()
    page.locator(".train-one").click()
    waited(page, lambda: page.locator(".train-words").inner_text() != before)
    context.close()
    assert not wrong


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Write the file; return its address, and one of its values as printed by Python."""
    folder = tmp_path_factory.mktemp("file")
    with journey(numpy_cnn(folder), steps=2) as found:
        network: Journey = found
        (folder / "page.html").write_bytes(single_file.file_bytes(network.session))
        return (folder / "page.html").as_uri(), network.trace().explain(CELL).shown
