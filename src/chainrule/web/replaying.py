"""Any earlier step again: a twin of the network is trained on from the keyframe before it, to the same bits."""

import copy
import threading
from array import array

from chainrule.training.history import History
from chainrule.training.loop import Callback, Trainer
from chainrule.training.step import Outcome
from chainrule.web import frames
from chainrule.web.frames import Frame
from chainrule.web.timeline import Timeline


class Cancelled(Exception):
    """Nobody waits for the replay any more."""


class Replayer:
    """Gives frames of a timeline that are not kept. It has its own network and lock: training goes on meanwhile."""

    def __init__(self, trainer: Trainer, timeline: Timeline) -> None:
        self._timeline = timeline
        self._lock = threading.Lock()
        self._prepared = False
        twin = copy.deepcopy(trainer.network)
        self._trainer = Trainer(twin, trainer.recipe, trainer.training, trainer.normalisation)

    def prepare(self) -> None:
        """Have a compiled engine compile what a step runs, so that training does not stand still for it later."""
        if not self._prepared:
            with self._lock:
                self._compile()

    def frame(self, step: int, cancelled: threading.Event) -> Frame:
        """The frame of a step; `Cancelled` when the event is set before it is there."""
        known = self._timeline.before(step)
        if known is not None and known.step == step:
            return known
        with self._lock:
            return self._replayed(step, cancelled)

    def _replayed(self, step: int, cancelled: threading.Event) -> Frame:
        known = self._timeline.before(step)  # another replay may have kept it while this one waited
        if cancelled.is_set() or known is None:
            raise Cancelled
        if known.step == step:
            return known
        self._compile()
        frames.put(known, self._trainer)
        self._trainer.history = blank(known.step)
        self._trainer.stop = False
        self._trainer.run([_Until(step, cancelled, self._timeline)])
        if len(self._trainer.history) != step:
            raise Cancelled
        return frames.taken(self._trainer)

    def _compile(self) -> None:
        if not self._prepared:
            samples = min(self._trainer.recipe.batch_size, len(self._trainer.training))
            self._trainer.stepper.prepare(samples)
            self._prepared = True


class _Until(Callback):
    """Ends training at a step, and keeps keyframes on the way."""

    def __init__(self, step: int, cancelled: threading.Event, timeline: Timeline) -> None:
        self._step, self._cancelled, self._timeline = step, cancelled, timeline

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        """Look whether this is far enough."""
        step = len(trainer.history)
        if self._timeline.wants(step):
            self._timeline.keep(frames.taken(trainer))
        trainer.stop = step >= self._step or self._cancelled.is_set()


def blank(steps: int) -> History:
    """A history of so many steps with nothing in it: a trainer knows from its length where it is."""
    zeros = bytes(8 * steps)
    rates, losses, accuracies = (array("d", zeros) for _ in range(3))
    return History(rates, losses, accuracies, array("l", [0]) * steps)
