"""Two numbers for one probability: the page says which pass each belongs to, if the passes differ."""

import numpy as np
import pytest
from web.networks import ADAM, Subject, built, find_subject, plain, served
from web.pages import Page, entered

from chainrule import layers

IN_USE, IN_TRAINING = "As in use", "As in training"


def dropping() -> Subject:
    """Build a network with dropout alone."""
    body = [
        layers.Conv2D(3, 3),
        layers.Tanh(),
        layers.Dropout(0.5),
        layers.Flatten(),
        layers.Dense(4),
        layers.Softmax(),
    ]
    return built("dropping", body, (1, 6, 7), ADAM, scale=0.6)


SUBJECTS = {"rich": ("running", "dropout"), "lines": ("running",), "dropping": ("dropout",), "plain": ()}
BUILT = {"dropping": dropping, "plain": plain}


def paragraphs(page: Page, selector: str) -> str:
    """Return the texts of all elements that match, as one."""
    return " ".join(page.locator(selector).all_inner_texts())


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_probability_belongs_to_the_pass_that_the_page_names(page: Page, name: str) -> None:
    subject = BUILT[name]() if name in BUILT else find_subject(name)
    layer_words, trace = SUBJECTS[name], subject.trace(1)
    in_use = subject.model.predict(subject.picture(1)["x"][None])[0]
    with served(subject) as address:
        entered(page, address, "#/network/forward/softmax1.y[0]?sample=1")
        page.wait_for_selector(".computation-value")
        bar = page.locator(".bars .number").first.inner_text()
        assert float(bar.split()[0].strip("<>")) == pytest.approx(100 * in_use[0], abs=0.06)
        in_training = np.asarray(trace["softmax1.y"])
        assert page.inner_text(".computation-value") == trace.explain("softmax1.y[0]").shown
        if layer_words:
            assert not np.allclose(in_training, in_use, atol=1e-3)
        below, above = paragraphs(page, ".input-answer .note"), paragraphs(page, "#phases .phase-words")
    assert (IN_USE in below) == (IN_TRAINING in above) == bool(layer_words)
    assert all(word in below for word in layer_words)
