"""The training panel with a real server."""

from pathlib import Path

import pytest
from web import looked_at, serving
from web.journey import Journey, journey, numpy_cnn
from web.pages import Browser, BrowserContext, Page, point, shown, step, tab, visit, waited, weight, words

from chainrule.runs.folder import locked
from chainrule.web.guard import Key


@pytest.fixture
def opened(page: Page, network: Journey) -> Page:
    """Open the page, with training at step 0."""
    visit(page, network.address)
    if step(page):
        page.click(".train-again")
        page.click(".train-dialog .train-go")
        waited(page, lambda: step(page) == 0)
    return page


def taken(page: Page, button: str, end: int) -> None:
    """Press a button and wait until training is at a step."""
    page.click(button)
    waited(page, lambda: step(page) == end)


# ------------------------------------------------------------------ served


def test_one_step_ten_steps_an_epoch_start_and_pause(opened: Page) -> None:
    taken(opened, ".train-one", 1)
    taken(opened, ".train-ten", 11)
    taken(opened, ".train-epoch", 15)
    assert words(opened)["epoch"] == "3 of 4,000"
    opened.click(".train-go")
    waited(opened, lambda: step(opened) > 20)
    assert opened.inner_text(".train-go") == "Pause"
    assert opened.is_disabled(".train-one")
    assert opened.get_attribute(".train-one", "title")
    opened.click(".train-go")
    waited(opened, lambda: opened.inner_text(".train-go") == "Continue")
    rested = step(opened)
    opened.wait_for_timeout(400)
    assert step(opened) == rested
    assert float(words(opened)["batch loss"]) > 0
    assert words(opened)["batch accuracy"].endswith(" %")


def test_training_goes_on_while_an_earlier_step_is_looked_at(opened: Page) -> None:
    taken(opened, ".train-ten", 10)
    opened.click(".train-go")  # shows the newest step
    opened.focus(".train-slider")
    opened.keyboard.press("Home")
    waited(opened, lambda: shown(opened) == 0)
    before = weight(opened, (0, 0, 0, 0))
    waited(opened, lambda: step(opened) > 40)
    assert shown(opened) == 0
    assert weight(opened, (0, 0, 0, 0)) == before
    opened.click(".train-go")
    opened.click(".train-newest")
    waited(opened, lambda: weight(opened, (0, 0, 0, 0)) != before)


def test_training_outlives_its_window(opened: Page, network: Journey) -> None:
    opened.click(".train-go")
    waited(opened, lambda: step(opened) > 5)
    left = step(opened)
    opened.close()
    again = opened.context.new_page()
    again.wait_for_timeout(200)
    visit(again, network.address)
    waited(again, lambda: step(again) > left)
    again.click(".train-go")
    waited(again, lambda: again.inner_text(".train-go") == "Continue")
    waited(again, lambda: f"steps 1 to {step(again):,}," in again.get_attribute(".train-plot svg", "aria-label"))
    again.close()


def test_a_server_that_is_gone_and_comes_back(context: BrowserContext, tmp_path: Path) -> None:
    page, key = context.new_page(), Key(serving.free_port())  # the page may report failed requests
    with journey(numpy_cnn(tmp_path), key=key) as network:
        visit(page, network.address)
        taken(page, ".train-ten", 10)
        page.focus(".train-slider")
        page.keyboard.press("ArrowLeft")
        waited(page, lambda: shown(page) == 9)
    page.wait_for_selector(".banner[data-kind=server]")
    point(page, "conv1.y", 1, 1)  # what is there still works
    with journey(numpy_cnn(tmp_path), key=key):
        page.wait_for_selector(".banner[data-kind=server]", state="detached", timeout=20_000)
        waited(page, lambda: step(page) == 0)
        assert "step=" not in page.evaluate("location.hash")
        taken(page, ".train-one", 1)
        page.close()


def test_the_browser_opens_a_file_that_leads_to_the_page(browser: Browser, tmp_path: Path) -> None:
    """A browser sends no cookies of this strictness with a redirect that began in a file."""
    key, file = Key(serving.free_port()), tmp_path / "page.html"
    file.write_text(key.redirect, encoding="utf-8")
    context = browser.new_context()
    with journey(numpy_cnn(tmp_path), key=key):
        page = context.new_page()
        page.goto(file.as_uri())
        page.wait_for_selector(".train-go")
        assert page.evaluate("location.search") == ""
        other = browser.new_context()
        again = other.new_page()
        again.goto(file.as_uri())
        again.wait_for_selector("text=This page needs its key")
        other.close()
    context.close()


def test_with_the_keyboard_alone(opened: Page) -> None:
    tab(opened, "Train")
    tab(opened, "10 steps")
    opened.keyboard.press("Enter")
    waited(opened, lambda: step(opened) == 10)
    assert opened.evaluate("document.activeElement.textContent") == "10 steps"
    tab(opened, "Restart …")
    opened.keyboard.press("Enter")
    assert opened.is_visible(".train-dialog")
    opened.keyboard.press("Escape")
    waited(opened, lambda: opened.locator(".train-dialog").count() == 0)
    assert step(opened) == 10
    tab(opened, "slider")
    opened.keyboard.press("Home")
    opened.keyboard.press("PageUp")
    waited(opened, lambda: shown(opened) == 1)
    opened.keyboard.press("End")
    waited(opened, lambda: not opened.is_visible(".train-newest"))


# ------------------------------------------------------------------ a run that was trained before


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a run that stops early because its validation loss rises."""
    home = tmp_path_factory.mktemp("ended")
    return looked_at.run(home / "run", looked_at.stripes(home / "data.npz"), looked_at.IMPATIENT)


def test_a_run_trained_before_shows_its_curve_and_the_step_it_kept(page: Page, ended: Path, tmp_path: Path) -> None:
    with serving.in_a_process(tmp_path, str(ended)) as served:
        visit(page, served.address)
        done = step(page)
        state = page.evaluate("async () => (await fetch('api/training')).json()")
        waited(page, lambda: f"steps 1 to {done}," in (page.get_attribute(".train-plot svg", "aria-label") or ""))
        said = page.inner_text(".train-message")
        assert f"stopped early, after step {done}." in said
        assert f"lowest after step {state['best']}:" in said
        assert page.get_attribute(".train-marks span", "title") == f"step {state['best']}: kept by the run"
        with locked(ended):
            waited(page, lambda: "being trained by another process" in page.inner_text(".train-message"))
        waited(page, lambda: "another process" not in page.inner_text(".train-message"))
        page.goto("about:blank")  # which sends no requests to a stopped server
