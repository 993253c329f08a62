"""Replaying any earlier step: a twin of the network is trained from the keyframe before it, to the same bits."""

import copy
import threading
from array import array
from collections.abc import Callable

from chainrule.errors import DataError
from chainrule.training.history import History
from chainrule.training.loop import Callback, Trainer
from chainrule.training.steps.base import Outcome
from chainrule.web import frames
from chainrule.web.batch_steps import BatchStep, batch_step
from chainrule.web.frames import Frame
from chainrule.web.timeline import Timeline


class Cancelled(Exception):
    """Raised when a replay is no longer needed."""


class Replayer:
    """Recomputes frames that a timeline has dropped, with its own network and lock: training goes on meanwhile."""

    def __init__(self, trainer: Trainer, timeline: Timeline) -> None:
        self._timeline = timeline
        self._lock = threading.Lock()
        self._prepared = False
        network = copy.deepcopy(trainer.network)
        self.twin = Trainer(network, trainer.recipe, trainer.train_data, trainer.normalization)
        self.twin.adopt()

    def prepare(self) -> None:
        """Compile the twin's step in advance, so that training does not stop for it later."""
        if not self._prepared:
            with self._lock:
                self._compile()

    def frame(self, step: int, cancelled: threading.Event) -> Frame:
        """Return the frame of a step; raise `Cancelled` when the event is set first."""
        known = self._timeline.before(step)
        if known is not None and known.step == step:
            return known
        with self._lock:
            known = self._timeline.before(step)  # another replay may have added it while this one waited
            if known is not None and known.step == step:
                return known
            self._replay(known, step, cancelled.is_set)
            return frames.take_frame(self.twin)

    def step(self, step: int, cancelled: threading.Event) -> BatchStep:
        """Return the step from frame `step` to the next; raise `Cancelled` when the event is set first.

        Errors   DataError when training ends before
        """
        if step >= self.twin.steps:
            raise DataError(f"training ends with step {self.twin.steps:,}")
        with self._lock:
            self._replay(self._timeline.before(step), step, cancelled.is_set)
            found = batch_step(self.twin, lambda: self._advance(step + 1, lambda: False))
            self._timeline.remember(found.before)
            self._timeline.remember(found.after)
            return found

    def replay_between(self, first: int, last: int, look: Callable[[Trainer], None], stop: Callable[[], bool]) -> None:
        """Call `look` with the twin at each step from `first` (or one before) to `last`; Cancelled when `stop()`."""
        with self._lock:
            self._replay(self._timeline.before(first), last, stop, look)

    def _replay(
        self,
        known: Frame | None,
        step: int,
        stop: Callable[[], bool],
        look: Callable[[Trainer], None] = lambda _: None,
    ) -> None:
        """Train the twin from a frame to a step."""
        if stop() or known is None:
            raise Cancelled
        self._compile()
        frames.restore_frame(known, self.twin)
        self.twin.history = blank_history(known.step)
        self._advance(step, stop, look)

    def _advance(self, step: int, stop: Callable[[], bool], look: Callable[[Trainer], None] = lambda _: None) -> None:
        """Train the twin up to a step."""
        self.twin.stop = False
        self.twin.run([_StopAtStep(step, self._timeline, stop, look)])
        if len(self.twin.history) != step:
            raise Cancelled

    def _compile(self) -> None:
        if not self._prepared:
            samples = min(self.twin.recipe.batch_size, len(self.twin.train_data))
            self.twin.stepper.prepare(samples)
            self._prepared = True


class _StopAtStep(Callback):
    """Ends training at a step and keeps keyframes on the way."""

    def __init__(
        self, step: int, timeline: Timeline, stop: Callable[[], bool], look: Callable[[Trainer], None]
    ) -> None:
        self._step, self._timeline, self._stop, self._look = step, timeline, stop, look

    def begin(self, trainer: Trainer) -> None:
        """Look at the first frame."""
        self._seen(trainer)

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        """Keep a keyframe where the timeline wants one, and look."""
        if self._timeline.wants(len(trainer.history)):
            self._timeline.keep(frames.take_frame(trainer))
        self._seen(trainer)

    def _seen(self, trainer: Trainer) -> None:
        self._look(trainer)
        trainer.stop = len(trainer.history) >= self._step or self._stop()


def blank_history(steps: int) -> History:
    """Return a history of `steps` steps, all zero: a trainer takes its position from the length."""
    zeros = bytes(8 * steps)
    rates, losses, measures = (array("d", zeros) for _ in range(3))
    return History(rates, losses, measures, array("l", [0]) * steps)
