"""The probabilities and the loss on the real server are those of NumPy."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from web import journey
from web.journey import SAMPLE, Journey, entered, waited

from chainrule.explain.notation import format_number

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", params=["numpy_cnn", pytest.param("smooth", marks=pytest.mark.thorough)])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    subject = getattr(journey, request.param)(tmp_path_factory.mktemp("data"))
    with journey.journey(subject, steps=3) as found:
        yield found


def test_the_probabilities_and_the_loss_are_numpys(page: "Page", network: Journey) -> None:
    entered(page, network.address, f"#/network?sample={SAMPLE}")
    trace = network.trace()
    dense = [name for name in trace.names if re.fullmatch(r"dense\d\.y", name)]
    scores = np.asarray(trace[dense[-1]], float)
    model = network.model()
    answer = model.predict(network.session.sample_images().x[SAMPLE : SAMPLE + 1])[0]
    assert scores.shape == answer.shape
    bars = page.locator(".bars .number")
    expected = pytest.approx([*(100 * answer)], abs=0.06)
    waited(page, lambda: read(bars.all_inner_texts()) == expected)
    p = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    loss = -np.log(p[int(np.argmax(trace["t"]))])
    page.locator('canvas[data-tensor="loss.y"]').click()
    page.wait_for_selector(".computation-value")
    assert page.locator(".computation-value").inner_text() == format_number(float(loss))


def read(texts: list[str]) -> list[float]:
    return [float(text.replace("<", "").replace("%", "").strip() or "nan") for text in texts]  # nothing yet: NaN
