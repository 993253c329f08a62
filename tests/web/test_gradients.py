"""Gradients that are kept: in order, and never more than memory allows."""

import numpy as np
import pytest

from chainrule.web import norms
from chainrule.web.norms import Gradients


def test_they_stay_in_order_and_within_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(4)
    every = random.normal(size=(300, 1000)).astype("f4")
    monkeypatch.setattr(norms, "MEMORY", 40 * every[0].nbytes)
    kept = Gradients()
    for step in random.permutation(300).tolist():
        kept.keep(step, every[step])
        if step in kept.of(0)[0]:
            kept.keep(step, every[0])  # it is known
        assert len(kept.of(0)[0]) <= 40
    steps, values = kept.of(7)
    assert len(steps) >= 20
    assert steps == sorted(set(steps))
    assert values == [float(every[step, 7]) for step in steps]
    kept.clear()
    assert kept.of(7) == ([], [])
