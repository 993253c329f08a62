"""The step at which the page opens, of losses whose fall is known."""

import pytest

from chainrule.web.frames import early_step


@pytest.mark.parametrize("falls", [8, 30, 120])
def test_it_follows_the_fall_of_the_loss(falls: int) -> None:
    losses = [2.3] * falls + [0.5] * 500
    found = early_step(losses)
    assert found is not None
    assert falls < found <= falls + 5


def test_a_loss_that_never_falls_and_a_training_that_has_just_begun() -> None:
    assert early_step([2.3] * 9) is None
    assert early_step([2.3] * 1000) == 10
    assert early_step([float("nan")] * 1000) == 10
