"""Gradient norms at some of the steps taken before the page was opened, measured by replaying the run once.

It runs in the background: only while a page is open and neither training nor a request needs the machine. It stops
within a step when one does, and pauses regularly. It adds keyframes on its way, so that later replays are short.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from chainrule.training.loop import Trainer
from chainrule.web.norms import Gauge, Gradients, Norms
from chainrule.web.replaying import Cancelled, Replayer
from chainrule.web.threads import lower_priority

POINTS = 80  # number of steps to measure
AWAY = 5.0  # seconds without a request after which the page is taken to be closed or hidden
QUIET = 0.5  # seconds to wait after a request, since another is likely
POLL_INTERVAL = 0.2  # seconds between two checks whether it may continue
SLICE = 0.02  # seconds of work between two pauses
REST = 0.5  # length of a pause, relative to the work before it
LIMIT = 300.0  # total seconds of work; of a long run only the beginning is measured


class NormBackfill:
    """Measures gradient norms in a thread of its own; without threads, only when asked to `complete`.

    total   number of steps to measure; 0: none
    busy    whether the machine is needed for training
    """

    def __init__(
        self,
        replayer: Replayer,
        norms: Norms,
        gradients: Gradients,
        busy: Callable[[], bool],
        *,
        threaded: bool = True,
    ) -> None:
        self._replayer, self._norms, self._busy = replayer, norms, busy
        self._gauge = Gauge(replayer.twin, gradients)
        self._left: list[int] = []
        self.total = 0
        self._seen = self._asked = -AWAY
        self._requests = 0
        self._worked = 0.0
        self._closed = False
        self._changed = threading.Condition()
        if threaded:
            threading.Thread(target=self._work, name="survey", daemon=True).start()

    def begin(self, steps: int) -> None:
        """Start measuring some of the first `steps` steps, except those already measured."""
        known, _ = self._norms.since(0)
        with self._changed:
            self._left = [step for step in evenly_spaced_steps(steps) if step not in known]
            self.total = len(self._left)
            self._changed.notify_all()

    @property
    def measured(self) -> int:
        """Number of steps measured."""
        return self.total - len(self._left)

    def page_opened(self) -> None:
        """Note that a page is open."""
        with self._changed:
            self._seen = time.monotonic()
            self._changed.notify_all()

    @contextmanager
    def paused(self) -> Generator[None]:
        """Pause while a request is served."""
        with self._changed:
            self._requests += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._requests -= 1
                self._asked = time.monotonic()

    def complete(self, seconds: float) -> None:
        """Measure what is left now, without pauses, for at most `seconds`."""
        end = time.monotonic() + seconds
        self._replay(lambda: time.monotonic() > end, lambda: None)

    def forget(self) -> None:
        """Discard the remaining steps, because training has restarted."""
        with self._changed:
            self._left, self.total = [], 0
            self._changed.notify_all()

    def close(self) -> None:
        """Stop the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # ------------------------------------------------------------------ the thread

    def _work(self) -> None:
        lower_priority()
        while not self._closed:
            with self._changed:
                self._changed.wait(POLL_INTERVAL if self._left and time.monotonic() - self._seen < AWAY else None)
            if self._left and self._may_continue():
                begun = time.monotonic()
                self._replay(lambda: not self._may_continue(), _Pace(self._changed).rest)
                self._worked += time.monotonic() - begun
                if self._worked > LIMIT:
                    self._abandon()

    def _may_continue(self) -> bool:
        now = time.monotonic()
        open_, quiet = now - self._seen < AWAY, now - self._asked > QUIET
        return open_ and quiet and not (self._closed or self._requests or self._busy())

    def _replay(self, stop: Callable[[], bool], rest: Callable[[], None]) -> None:
        left = list(self._left)
        if not left:
            return

        def look(trainer: Trainer) -> None:
            self._measure(trainer)
            rest()

        try:
            self._replayer.replay_between(left[0] - 1, left[-1] - 1, look, lambda: stop() or not self._left)
        except Cancelled:
            pass
        except Exception:  # a run that cannot be replayed: only the norms are missing
            self._abandon()

    def _measure(self, trainer: Trainer) -> None:
        """Measure the next step, if it is due."""
        step = len(trainer.history) + 1
        if step not in self._left[:1]:
            return
        found = self._gauge.norms()
        with self._changed:
            if step in self._left[:1]:  # training may have restarted meanwhile
                self._norms.add(step, found)
                self._left.pop(0)

    def _abandon(self) -> None:
        with self._changed:
            self.total, self._left = self.measured, []


class _Pace:
    """Pauses regularly; a change ends the pause."""

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self._begun = time.monotonic()

    def rest(self) -> None:
        """Pause if it is due."""
        worked = time.monotonic() - self._begun
        if worked > SLICE:
            with self._changed:
                self._changed.wait(worked * REST)
            self._begun = time.monotonic()


def evenly_spaced_steps(steps: int) -> list[int]:
    """Return at most `POINTS` steps (from 1), evenly spaced up to `steps`, the first and the last included."""
    if steps <= POINTS:
        return [*range(1, steps + 1)]
    return [1 + round(place * (steps - 1) / (POINTS - 1)) for place in range(POINTS)]
