"""Training in a separate thread. Other threads start and stop training, and inspect the trainer between steps."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

from chainrule.errors import ChainruleError
from chainrule.training.history import History
from chainrule.training.loop import train
from chainrule.training.steps.gradients import Outcome
from chainrule.training.trainer import Callback, Trainer
from chainrule.web import frames
from chainrule.web.contributions import StepReplay
from chainrule.web.frames import Frame, Timeline
from chainrule.web.replaying import Replayer
from chainrule.web.threads import lower_priority

COMMAND_TIMEOUT = 5.0  # seconds that a command waits for the training thread
EXIT_TIMEOUT = 0.5  # seconds that the server's exit waits for the training thread


class Running(Callback):
    """A trainer and the thread that runs it. The thread holds a lock while it changes the trainer's state.

    first     frame before the first step
    threaded  whether to start the thread; without it, nothing is trained
    message   current activity, or why training stopped; None if there is nothing to report
    """

    def __init__(self, trainer: Trainer, first: Frame, timeline: Timeline, *, threaded: bool = True) -> None:
        self.trainer = trainer
        self.timeline = timeline
        self.replayer = Replayer(trainer, timeline)
        self.step_replay = StepReplay(self.replayer)
        self.message: str | None = None
        self._first = first
        self._recipe = trainer.recipe
        self._goal = 0
        self._taking = self._restart = self._closed = False
        self._lock, self._waiting = threading.Lock(), threading.Lock()
        self._changed = threading.Condition()
        self._thread = None
        if threaded:
            self._thread = threading.Thread(target=self._work, name="training", daemon=True)
            self._thread.start()

    # ------------------------------------------------------------------ called from other threads

    @property
    def step(self) -> int:
        """Number of completed steps."""
        return len(self.trainer.history)

    @property
    def active(self) -> bool:
        """Whether training runs or is about to start. After `pause`, this remains true until the step is complete."""
        return self._taking or self._due

    @property
    def _due(self) -> bool:
        return self._goal > self.step and not self.trainer.finished

    @contextmanager
    def between_steps(self) -> Generator[Trainer]:
        """Hold the trainer between two steps while the context is open. Waiting callers take precedence over steps."""
        with self._waiting:
            self._lock.acquire()
        try:
            yield self.trainer
        finally:
            self._lock.release()

    def frame(self) -> Frame:
        """Return the current frame."""
        with self.between_steps() as trainer:
            return frames.take_frame(trainer)

    @property
    def planned(self) -> tuple[int, int]:
        """Number of steps of the recipe, and number of steps per epoch."""
        every = self.trainer.epoch_steps
        return self._recipe.epochs * every, every

    def go_to(self, step: int | None = None) -> None:
        """Train until `step` steps are completed, at most until the recipe's last step. None: until this last step.

        After the last step, training goes on as `frames.continued` says.
        """
        with self._changed:
            if not self._due:
                self.message = None
                with self.between_steps() as trainer:
                    if trainer.finished:
                        trainer.replan(frames.continued(self._recipe, trainer.epoch_steps))
                    goal = trainer.steps
                    if step is not None:
                        goal = min(step, goal)
                    self._goal = goal
                self._changed.notify_all()

    def pause(self) -> None:
        """Stop after the current step."""
        with self._changed:
            self._goal = 0
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._taking, COMMAND_TIMEOUT)

    def restart(self) -> None:
        """Return to the state before the first step."""
        with self._changed:
            self._goal = 0
            self._restart = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._restart, COMMAND_TIMEOUT)

    def close(self) -> None:
        """Stop the threads."""
        with self._changed:
            self._goal = 0
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(EXIT_TIMEOUT)

    # ------------------------------------------------------------------ the thread

    def _work(self) -> None:
        lower_priority()
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: self._due or self._restart or self._closed)
                if self._restart:
                    self._reset()
                    self._restart = False
                    self._changed.notify_all()
            if self._due:
                self._train()

    def _train(self) -> None:
        try:
            self.replayer.prepare()
            with self._lock:
                self._taking = True
                self.trainer.stop = False
                train(self.trainer, [self])
        except ChainruleError as error:
            self._failed(str(error))
        except Exception as error:  # the page reports any error and can restart training
            self._failed(f"training stopped: {type(error).__name__}: {error}")
        finally:
            with self._changed:
                self._taking = False
                self._changed.notify_all()

    def _failed(self, why: str) -> None:
        self._goal = 0
        self.message = why

    def _reset(self) -> None:
        with self._lock:
            frames.restore_frame(self._first, self.trainer)
            self.trainer.replan(self._recipe)
            self.trainer.history = History(measure=self.trainer.task.metric)
            self.timeline.forget(self._first)
            self.message = None

    def begin(self, trainer: Trainer) -> None:
        """Store the state before the first step; called by the trainer."""
        self._finish_step(trainer)

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        """Give waiting threads access to the trainer; called by the trainer after each step."""
        self._lock.release()
        with self._waiting:
            self._lock.acquire()
        self._finish_step(trainer)

    def _finish_step(self, trainer: Trainer) -> None:
        """Store the frames that are due, and stop at the goal."""
        step = len(trainer.history)
        if self.timeline.wants(step):
            self.timeline.keep(frames.take_frame(trainer))
        trainer.stop = step >= self._goal
