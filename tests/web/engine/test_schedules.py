"""The page's schedules equal Python's."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from web.bridge import call

from chainrule.training import schedules
from chainrule.training.schedules import Cosine, OneCycle

if TYPE_CHECKING:
    from playwright.sync_api import Page

CONFIGS: list[dict[str, Any]] = [
    {"name": "constant"},
    {"name": "step", "epochs": 2, "gamma": 0.3},
    {"name": "cosine"},
    {"name": "one-cycle"},
    {"name": "one-cycle", "warm": 0.01, "divisor": 3.0, "final": 10.0},
    {"name": "warm-up", "share": 0.25},
    {"name": "triangular", "start": 0.2, "peak": 0.23, "end": 0.07},
    OneCycle().extended(14, 2).to_config(),
    Cosine().extended(9, 2).extended(23, 4).to_config(),
]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize(("steps", "epoch_steps"), [(1, 1), (40, 7)])
def test_the_same_factor_at_every_step(modules: "Page", config: dict[str, Any], steps: int, epoch_steps: int) -> None:
    schedule = schedules.find(config)
    expected = [schedule.factor(step, steps, epoch_steps) for step in range(steps)]
    found = call(modules, "factors", schedule.to_config(), steps, epoch_steps)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_refuses_a_schedule_that_it_does_not_know(modules: "Page") -> None:
    with pytest.raises(Exception, match="unknown schedule 'steps'; known: constant, step, cosine, one-cycle, warm-up"):
        call(modules, "factors", {"name": "steps"}, 1, 1)
