"""The newest frame of a running training and the one before it: their difference is the newest step's update.

Copying at every step would slow quick steps down, so two consecutive steps are copied on request. Where a step is
slow, a copy is cheap by comparison and a request should not wait for two of them: every frame is then kept a while.
"""

import threading
import time

from chainrule.training.loop import Trainer
from chainrule.web import frames
from chainrule.web.frames import Frame
from chainrule.web.timeline import Timeline

SLOW = 0.1  # seconds a step takes beside which a copy is cheap
WAIT = 0.25  # seconds to wait for two steps; after that they are slow, or training has stopped


class FramePairs:
    """Two consecutive frames, on request, while training runs."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._made = threading.Condition()
        self._count = 0
        self._asked = False
        self._before: Frame | None = None
        self._newest: Frame | None = None
        self._last = 0.0

    def newest(self) -> Frame | None:
        """Return a frame copied after this call; the timeline keeps the one before it. None when none comes in time."""
        with self._made:
            before = self._count
            self._asked = True
            return self._newest if self._made.wait_for(lambda: self._count > before, WAIT) else None

    def stepped(self, trainer: Trainer) -> None:
        """Copy the step just taken if needed; called by the training thread, which holds the trainer."""
        last, self._last = self._last, time.monotonic()
        slow = self._last - last > SLOW
        if not (slow or self._asked):
            return
        frame, before = frames.take_frame(trainer), self._before
        self._before = frame
        if slow:
            self._timeline.remember(frame)
        if self._asked and before is not None and before.step == frame.step - 1:
            self._timeline.remember(before)
            self._deliver(frame)

    def _deliver(self, frame: Frame) -> None:
        with self._made:
            self._newest, self._before, self._asked = frame, None, False
            self._count += 1
            self._made.notify_all()
