"""The step at which the page opens: early in training, where much is left to learn and something has been learnt."""

from collections.abc import Sequence

import numpy as np

LOOKED_AT = 200  # steps
WINDOW = 5  # steps whose mean loss is compared
FALLEN = 0.85  # share of the first losses that is left


def early_step(losses: Sequence[float]) -> int | None:
    """Return the first step by which the loss has clearly begun to fall; None before there are ten steps.

    losses   of each step's batch, from the first
    """
    first = losses[:LOOKED_AT]
    if len(first) < 2 * WINDOW:
        return None
    means = np.convolve(first, np.full(WINDOW, 1 / WINDOW), "valid")
    (fallen,) = np.nonzero(means <= FALLEN * means[0])
    return int(fallen[0]) + WINDOW if len(fallen) else 2 * WINDOW
