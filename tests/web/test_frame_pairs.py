"""During training, the frame before the newest one is available."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from web.looked_at import NOBODY, RECIPE, opened, small, stripes, trained_through, until

from chainrule.training.steps.gradients import Outcome
from chainrule.training.steps.stepper import Stepper
from chainrule.web import frames
from chainrule.web.frames import SLOW
from chainrule.web.replaying import Replayer


@pytest.mark.parametrize("slow", [SLOW, 0.0], ids=["quick steps", "slow steps"])
def test_the_frame_before_needs_no_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: float) -> None:
    subject = small(stripes(tmp_path / "data.npz"), recipe=replace(RECIPE, epochs=60))
    expected, _ = trained_through(subject)
    monkeypatch.setattr(frames, "SLOW", slow)
    if not slow:  # a slow step's frame is kept for the next few steps, which must take as long as slow ones do
        step = Stepper.step

        def slowly(self: Stepper, *given: Any, **more: Any) -> Outcome:
            time.sleep(0.05)
            return step(self, *given, **more)

        monkeypatch.setattr(Stepper, "step", slowly)
    session = opened(subject)
    session._running.timeline.most = 1
    replayed: list[int] = []
    replay = Replayer._replay
    monkeypatch.setattr(
        Replayer, "_replay", lambda self, known, step, *rest: (replayed.append(step), replay(self, known, step, *rest))
    )
    session.command("start")
    until(lambda: session.state()["step"] > 5)
    looked = 0
    while looked < 10:
        newest = session.frame(None, NOBODY)
        if not session.state()["running"]:
            break
        before = session.frame(newest.step - 1, NOBODY)
        for frame in (before, newest):
            assert np.array_equal(frame.parameters, expected[frame.step][0]), frame.step
        looked += 1
    assert looked > 3
    assert len(replayed) <= looked // 2, replayed  # who is held up for several steps of a busy machine replays one
