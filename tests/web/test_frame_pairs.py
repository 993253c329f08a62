"""During training, the frame before the newest one is available."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from web.looked_at import NOBODY, RECIPE, opened, small, trained_through, until

from chainrule.web.replaying import Replayer


def test_the_frame_before_needs_no_replay(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = small(data, recipe=replace(RECIPE, epochs=60))
    expected, _ = trained_through(subject)
    session = opened(subject)
    replayed: list[int] = []
    replay = Replayer._replay
    monkeypatch.setattr(
        Replayer, "_replay", lambda self, known, step, *rest: (replayed.append(step), replay(self, known, step, *rest))
    )
    session.command("start")
    until(lambda: session.state()["step"] > 5)
    pairs = 0
    while pairs < 10 and session.state()["running"]:
        newest = session.frame(None, NOBODY)
        for frame in (session.frame(newest.step - 1, NOBODY), newest):
            assert np.array_equal(frame.parameters, expected[frame.step][0]), frame.step
        pairs += 1
    assert pairs > 3
    assert len(replayed) <= pairs // 2, replayed  # a busy machine that misses several steps replays one
