"""The newest frame of a training that goes on, and the one before it: their difference is what the newest step changed.

A copy at every step would slow quick steps down, so two steps in a row are copied when somebody asks. Where a step
takes long, a copy is cheap beside it, and nobody should wait for two of them: there every frame is kept for a while.
"""

import threading
import time

from chainrule.training.loop import Trainer
from chainrule.web import frames
from chainrule.web.frames import Frame
from chainrule.web.timeline import Timeline

SLOW = 0.1  # seconds of a step beside which a copy is cheap
WAIT = 0.25  # seconds that somebody waits for two steps; by then they were slow, or training has stopped


class Pairs:
    """Two frames in a row for whoever asks while it trains."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._made = threading.Condition()
        self._count = 0
        self._asked = False
        self._before: Frame | None = None
        self._newest: Frame | None = None
        self._last = 0.0

    def newest(self) -> Frame | None:
        """A frame of a step about to be taken; the timeline remembers the one before it. None: none came in time."""
        with self._made:
            before = self._count
            self._asked = True
            return self._newest if self._made.wait_for(lambda: self._count > before, WAIT) else None

    def stepped(self, trainer: Trainer) -> None:
        """After a step; called by the thread that trains, which holds the trainer."""
        last, self._last = self._last, time.monotonic()
        slow = self._last - last > SLOW
        if not (slow or self._asked):
            return
        frame, before = frames.taken(trainer), self._before
        self._before = frame
        if slow:
            self._timeline.remember(frame)
        if self._asked and before is not None and before.step == frame.step - 1:
            self._timeline.remember(before)
            self._tell(frame)

    def _tell(self, frame: Frame) -> None:
        with self._made:
            self._newest, self._before, self._asked = frame, None, False
            self._count += 1
            self._made.notify_all()
