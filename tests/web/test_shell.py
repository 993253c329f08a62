"""The page around its views: addresses, notices, light and dark."""

import pytest
from web.pages import Page, arrived, entered, hash_of, went


def test_a_place_has_an_address(page: Page, address: str) -> None:
    entered(page, address)
    page.get_by_role("button", name="Backward").click()
    assert hash_of(page) == "#/network/backward?sample=0"
    page.locator('#diagram canvas[data-tensor="conv1.dw"]').click(position={"x": 1, "y": 1})
    assert hash_of(page) == "#/network/backward/conv1.dw[0,0,0,0]?sample=0"
    page.go_back()
    arrived(page, "#/network/backward?sample=0")
    page.go_back()
    assert page.get_by_role("button", name="Forward").get_attribute("aria-pressed") == "true"
    page.go_forward()
    page.go_forward()
    page.reload()
    page.wait_for_selector(".loupe canvas")
    assert hash_of(page) == "#/network/backward/conv1.dw[0,0,0,0]?sample=0"
    assert page.get_by_role("button", name="Backward").get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize(
    ("wrong", "words", "right"),
    [
        ("#/network/forward/conv9.y[0]?sample=1", "conv9.y[0]", "#/network?sample=1"),
        ("#/network/forward/conv1.y[0,0,99]?sample=1", "conv1.y[0,0,99]", "#/network?sample=1"),
        ("#/nowhere?sample=1", "“nowhere”", "#/network?sample=1"),
        ("#/network?sample=999", "no sample 999", "#/network?sample=0"),
    ],
)
def test_a_bad_address_is_said_and_the_page_stands(opened: Page, wrong: str, words: str, right: str) -> None:
    went(opened, wrong, ".banner p")
    banner = opened.locator(".banner p")
    assert words in banner.inner_text()
    arrived(opened, right)
    opened.get_by_role("button", name="Dismiss").click()
    assert banner.count() == 0


def test_light_and_dark(page: Page, address: str) -> None:
    page.emulate_media(color_scheme="dark")
    entered(page, address)
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Light or dark theme").click()
    assert page.evaluate(ground) != dark
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate(ground) == dark  # the choice is not stored
