"""The answer of each stop of the walk agrees with NumPy on the same network and image."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from web import fixed_networks, serving
from web.fixed_page import Subject, served
from web.watching import watched

from chainrule import layers
from chainrule.explain.notation import format_number
from chainrule.training import optimizers
from chainrule.training.recipe import Recipe
from chainrule.web.guard import Key
from chainrule.web.session import Session

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SAMPLE = 1
IDS = [
    *("picture", "patch", "edges", "relu", "channels", "pooling", "dense", "softmax", "loss"),
    *("first", "errors", "gate", "route", "gradient", "rotation", "step", "again"),
]


NEITHER_MAPS_NOR_CROSS_ENTROPY = {
    *("patch", "edges", "relu", "channels", "pooling", "loss"),
    *("first", "gate", "route", "gradient", "rotation"),
}


def network() -> Subject:
    """Build conv, ReLU, conv, ReLU, max pooling, dense, ReLU, dense, softmax with Adam: a small numpy-cnn."""
    body = [
        *(layers.Conv2D(3, (3, 2)), layers.ReLU(), layers.Conv2D(4, (2, 3)), layers.ReLU(), layers.MaxPool2D(2)),
        *(layers.Flatten(), layers.Dense(6), layers.ReLU(), layers.Dense(5), layers.Softmax()),
    ]
    return fixed_networks.random_subject(
        "small", body, (1, 13, 12), Recipe(optimizer=optimizers.Adam(learning_rate=0.01)), seed=7
    )


def rough(value: float) -> str:
    return format_number(float(f"{value:.2e}"))


def percent(value: float) -> str:
    return f"{rough(100 * value)} %"


class Answers:
    """The answer of each stop from the arrays of Python's trace."""

    def __init__(self, subject: Subject, sample: int) -> None:
        self.subject, self.sample, self.trace = subject, sample, subject.trace(sample)
        self.scores = self["dense2.y"]
        powers = np.exp(self.scores - self.scores.max())
        self.shares = powers / powers.sum()
        self.label = int(self["t"].argmax())

    def __getitem__(self, name: str) -> NDArray[Any]:
        return np.asarray(self.trace[name])

    def picture(self) -> str:
        return rough(self["x"].max())

    def patch(self) -> str:
        return rough(self["conv1.y"].max())

    def edges(self) -> str:
        sums = [(abs(kernel.sum()) / np.abs(kernel).sum(), kernel.sum()) for kernel in self["conv1.w"]]
        return rough(min(sums)[1])

    def relu(self) -> str:
        return str(int((self["relu1.y"] == 0).sum()))

    def channels(self) -> str:
        return str(self["conv2.w"][0].size)

    def pooling(self) -> str:
        return "0"

    def dense(self) -> str:
        o = self["dense1.y"].argmax()
        sizes = np.sort(np.abs(self["dense1.w"][o] * self["pool1.y"].ravel()))[::-1]
        return str(int((np.cumsum(sizes) < sizes.sum() / 2).sum()) + 1)

    def softmax(self) -> str:
        return percent(self.shares.max())

    def loss(self) -> str:
        return rough(-np.log(self.shares[self.label]))

    def first(self) -> str:
        return rough(self.shares[self.label] - 1)

    def errors(self) -> str:
        target = np.arange(len(self.shares)) == self.label
        dx = self["dense2.w"].T @ (self.shares - target)
        return rough(dx[np.abs(dx).argmax()])

    def gate(self) -> str:
        return "0"

    def rotation(self) -> str:
        """Push the gradients of conv2's outputs back, and find the largest product at the largest gradient."""
        dy, w = self["conv2.dy"], self["conv2.w"]
        C_out, C_in, KH, KW = w.shape
        products = np.zeros((*self["relu1.y"].shape, C_out, KH, KW))
        for c, o, u, v in np.ndindex(C_in, C_out, KH, KW):
            products[c, u : u + dy.shape[1], v : v + dy.shape[2], o, u, v] = dy[o] * w[o, c, u, v]
        dx = products.sum((3, 4, 5))
        place = np.unravel_index(np.abs(dx).argmax(), dx.shape)
        o, u, v = np.unravel_index(np.abs(products[place]).argmax(), (C_out, KH, KW))
        return f"conv2.w[{o},{place[0]},{u},{v}]"

    def again(self) -> str:
        """Trace the image once more, with the parameters after the step."""
        parameters = self.subject.model.parameters
        before = parameters.copy()
        try:
            for name, weights in self.subject.model.weights.items():
                weights[:] = self[f"{name}.update"]
            return rough(float(self.subject.trace(self.sample)["loss"]))
        finally:
            parameters[:] = before

    def route(self) -> str:
        maps, dy = self["relu2.y"], self["pool1.dy"]
        C, H, W = dy.shape
        windows = maps[:, : 2 * H, : 2 * W].reshape(C, H, 2, W, 2).swapaxes(2, 3).reshape(C, H, W, 4)
        clear = (windows == windows.max(-1, keepdims=True)).sum(-1) == 1
        c, i, j = np.unravel_index(np.argmax(np.where(clear, np.abs(dy), -1)), dy.shape)
        u, v = divmod(int(windows[c, i, j].argmax()), 2)
        return f"all of it to relu2.y[{c},{2 * i + u},{2 * j + v}]"

    def weight(self) -> tuple[int, ...]:
        return tuple(np.unravel_index(np.abs(self["conv2.dw"]).argmax(), self["conv2.dw"].shape))

    def gradient(self) -> str:
        return "It should increase" if self["conv2.dw"][self.weight()] < 0 else "It should decrease"

    def step(self) -> str:
        """Compute Adam by its paper."""
        at, layout = self.weight(), self.subject.model.layout["conv2.w"]
        g, t = self["conv2.dw"][at], self.subject.step + 1
        m, v = (
            moment[slice(*layout)].reshape(self["conv2.w"].shape)[at].astype(float) for moment in self.subject.moments
        )
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        return rough(-self.subject.rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8))


@pytest.fixture(scope="module")
def subject() -> Subject:
    return network()


@pytest.fixture(scope="module")
def site(subject: Subject) -> Iterator[str]:
    with served(subject) as address:
        yield address


@pytest.fixture(scope="module")
def opened(browser: "Browser", site: str) -> "Iterator[Page]":
    """Open one page for all tests; it fails if an error goes unreported on it."""
    context = browser.new_context()
    page = context.new_page()
    with watched(page):
        page.goto(f"{site}#/walk/1?sample={SAMPLE}")
        page.wait_for_selector(".stop")
        yield page
        context.close()


@pytest.fixture
def walk(opened: "Page") -> "Page":
    went(opened, 1)
    return opened


def went(page: "Page", stop: int, sample: int = SAMPLE) -> None:
    page.evaluate("place => { location.hash = place; }", f"#/walk/{stop}?sample={sample}")
    page.wait_for_function(
        "text => document.querySelector('.walk-meta')?.textContent.includes(text)", arg=f"Stop {stop} of"
    )
    page.wait_for_function(
        "text => document.querySelector('.walk-meta')?.textContent.endsWith(text)", arg=f"sample {sample}"
    )


def right(page: "Page") -> str:
    """Answer wrongly where possible, and return the right answer shown."""
    if page.locator(".guesses input").count():
        page.locator(".guesses input").fill("−1")
        page.get_by_role("button", name="Check").click()
    else:
        page.locator(".guesses button").first.click()
    marked = page.locator(".guesses .is-answer")
    return marked.inner_text() if marked.count() else page.locator(".verdict").inner_text().removeprefix("No: ")[:-1]


def test_every_right_answer_is_what_numpy_computes(walk: "Page", subject: Subject) -> None:
    places = []
    for sample in (SAMPLE, 2):
        answers = Answers(subject, sample)
        for number, name in enumerate(IDS, 1):
            went(walk, number, sample)
            assert walk.locator(".stop").get_attribute("data-stop") == name
            texts = walk.locator(".guesses button").all_inner_texts()
            assert len(set(texts)) == len(texts)
            compute: Callable[[], str] = getattr(answers, name)
            assert right(walk) == compute(), (name, sample)
            if len(texts) > 1:
                places.append(texts.index(compute()))
    assert set(places) == {0, 1, 2}


def test_all_stops_are_reached_by_next_and_again_by_back(walk: "Page") -> None:
    seen = []
    while True:
        seen.append(walk.locator(".stop").get_attribute("data-stop"))
        assert f"#/walk/{len(seen)}" in walk.url
        if walk.locator(".next").is_disabled():
            break
        walk.locator(".next").click()
    assert seen == IDS
    walk.get_by_role("button", name="← Back").click()
    assert walk.locator(".stop").get_attribute("data-stop") == IDS[-2]
    walk.locator(".dots a").nth(3).click()
    assert walk.locator(".stop").get_attribute("data-stop") == IDS[3]


def test_the_link_opens_that_very_cell_in_the_network(walk: "Page", subject: Subject) -> None:
    for number in (2, 10, 14, 16):
        went(walk, number)
        if walk.locator(".reveal").count() == 0:  # another test may have answered
            right(walk)
        link = walk.locator(".see")
        cell = re.fullmatch(r"Open (.*) in the network →", link.inner_text())
        assert cell
        link.click()
        walk.wait_for_selector("#computation .computation-name")
        assert walk.locator("#computation .computation-name").inner_text() == cell[1]
        trace = subject.trace(SAMPLE)
        assert walk.locator("#computation .computation-value").inner_text() == format_number(
            trace.explain(cell[1]).value
        )
        phase = {2: "forward", 10: "backward", 14: "backward", 16: "update"}[number]
        assert f"#/network/{phase}/" in walk.url
        walk.go_back()
        walk.wait_for_selector(".stop")
        assert walk.locator(".stop").get_attribute("data-stop") == IDS[number - 1]
        assert walk.locator(".reveal").count() == 1  # the answer was kept


def test_a_stop_plays_its_computation_below_the_network(walk: "Page", subject: Subject) -> None:
    went(walk, IDS.index("errors") + 1)
    lit = walk.locator(".computation-strip .walked .strip-name").all_inner_texts()
    assert lit == ["relu3", "dense2"]  # the way back so far
    if walk.locator(".reveal").count() == 0:  # another test may have answered
        assert walk.locator(".walk-computation").count() == 0
        right(walk)
    cell = walk.locator(".walk-computation .computation-name").inner_text()
    explanation = subject.trace(SAMPLE).explain(cell)
    assert walk.locator(".walk-computation .computation-value").inner_text() == format_number(explanation.value)
    walk.locator(".walk-computation .computation-play").focus()
    walk.keyboard.press("Home")
    walk.keyboard.press("ArrowRight")
    walk.wait_for_function("document.querySelector('.computation-where-now').textContent.startsWith('1 of 5')")
    assert walk.locator(".stop").get_attribute("data-stop") == "errors"


def test_a_number_that_is_none_is_asked_for_again(walk: "Page") -> None:
    went(walk, 5)
    for text, words in (("", "Type a number first."), ("many", "“many” is not a number.")):
        walk.locator(".guesses input").fill(text)
        walk.locator(".guesses input").press("Enter")
        assert walk.locator(".number-words").inner_text() == words
    walk.locator(".guesses input").fill("18")
    walk.locator(".guesses input").press("Enter")
    assert walk.locator(".verdict").inner_text() == "Yes."


def test_a_stop_that_is_not_there_is_said(walk: "Page") -> None:
    walk.evaluate("location.hash = '#/walk/99?sample=1'")
    walk.wait_for_selector("#banners .banner")
    assert f"the stops are 1 to {len(IDS)}" in walk.locator("#banners").inner_text()
    assert walk.locator(".stop").get_attribute("data-stop") == IDS[0]
    went(walk, 2)
    assert walk.locator("#banners .banner").count() == 0


def test_by_keyboard_alone(walk: "Page") -> None:
    went(walk, 1, sample=0)  # no other test has answered here
    walk.locator(".walk h2").focus()
    walk.keyboard.press("ArrowRight")
    assert walk.evaluate("document.activeElement.textContent") == "One output of conv1"
    walk.keyboard.press("Tab")
    walk.keyboard.press("Enter")
    assert walk.locator(".reveal").is_visible()
    walk.keyboard.press("Tab")
    assert "in the network" in walk.evaluate("document.activeElement.textContent")
    walk.keyboard.press("ArrowLeft")
    assert walk.locator(".stop").get_attribute("data-stop") == IDS[0]


@pytest.mark.parametrize("name", [pytest.param("plain", marks=pytest.mark.thorough), "rich", "yes_or_no", "squares"])
def test_other_networks_leave_out_what_they_have_not(page: "Page", name: str) -> None:
    with served(getattr(fixed_networks, name)()) as address:
        page.goto(f"{address}#/walk?sample=0")
        page.wait_for_selector(".stop")
        stops = page.locator(".dots a").count()
        seen = []
        for number in range(stops):
            page.locator(".dots a").nth(number).click()
            seen.append(page.locator(".stop").get_attribute("data-stop"))
            assert right(page)
            assert not re.search(r"undefined|NaN|null|\[object", page.locator("#walk").inner_text())
        page.goto("about:blank")  # which sends no requests to a stopped server
    assert seen == [stop for stop in IDS if stop in seen]
    left_out = {
        "plain": set(),
        "rich": {"relu", "gate"},
        "yes_or_no": NEITHER_MAPS_NOR_CROSS_ENTROPY | {"softmax"},
        "squares": NEITHER_MAPS_NOR_CROSS_ENTROPY,
    }[name]
    assert set(IDS) - set(seen) == left_out


def test_an_untrained_network_is_said_to_be_one(page: "Page", session: Session) -> None:
    key = Key(serving.free_port())
    with serving.listening(session, key):
        page.goto(f"{key.address}#/walk/1?sample=0")
        page.wait_for_selector(".stop")
        assert "not trained yet" in page.locator(".walk-meta").inner_text()
        assert "both signs" not in page.locator(".stop").inner_text()
        page.goto("about:blank")


def test_nothing_is_said_of_the_training_of_a_file(page: "Page", subject: Subject) -> None:
    """Adam's first step is the rate itself, against the gradient: docs/derivations/updates.md."""
    new = replace(subject, step=0, moments=tuple(np.zeros_like(moment) for moment in subject.moments))
    with served(new) as address:
        page.goto(f"{address}#/walk/{IDS.index('step') + 1}?sample=0")
        page.wait_for_selector(".stop")
        assert "with the weights of its file" in page.locator(".walk-meta").inner_text()
        gradient = new.trace(0)["conv2.dw"]
        sign = np.sign(gradient.flat[np.abs(gradient).argmax()])
        assert right(page) == rough(-sign * new.rate)
        page.goto("about:blank")


def test_on_a_phone_nothing_scrolls_sideways(browser: "Browser", site: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{site}#/walk/1?sample={SAMPLE}")
    page.wait_for_selector(".stop")
    for number in range(1, len(IDS) + 1):
        went(page, number)
        right(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, number
    context.close()
