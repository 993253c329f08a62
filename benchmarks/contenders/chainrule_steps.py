"""This library, used through its public API: `fit` with a progress bar, and `predict`."""

from collections.abc import Callable

from benchmarks.contenders import Contender, Task
from benchmarks.contenders.expected import Predictions, first_step, prepare, step_difference
from chainrule.engines.protocol import Array
from chainrule.training.callbacks import ProgressBar
from chainrule.training.examples import Examples, InputSource
from chainrule.training.loop import train
from chainrule.training.steps.gradients import Outcome
from chainrule.training.trainer import Callback, Trainer


class TimedSteps(Callback):
    """Callback for a turn: runs warm-up steps, then the timed steps, and stops training.

    If the engine runs several steps per call, the clock starts and stops between calls, and the seconds are scaled to
    the requested number of steps.

    All turns share a progress bar, which is redrawn if its last redraw was at least a tenth of a second ago. This is
    the case at the first step of a turn, after the turns of other contenders. Therefore, a turn of a tenth of a second
    includes one redraw, as in an uninterrupted training run.
    """

    each_step = False

    def __init__(self, bar: ProgressBar, clock: Callable[[], float], repetitions: int, warm_ups: int) -> None:
        self.seconds = 0.0
        self._bar = bar
        self._clock = clock
        self._repetitions = repetitions
        self._warm_ups = warm_ups
        self._steps = 0  # warm-up steps, then timed steps
        self._start: float | None = None

    def begin(self, trainer: Trainer) -> None:
        """Start the clock if the turn has no warm-ups."""
        if not self._warm_ups:
            self._start = self._clock()

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        """Count a step, start the clock after the warm-ups, and stop after the last repetition."""
        self._steps += 1
        if self._start is None:
            if self._steps >= self._warm_ups and not trainer.ahead:
                self._steps, self._start = 0, self._clock()
            return
        self._bar.stepped(trainer, outcome, samples)
        if self._steps >= self._repetitions and not trainer.ahead:
            self.seconds = (self._clock() - self._start) / self._steps * self._repetitions
            trainer.stop = True


class Training(Contender):
    """Timed steps of `fit`: batching, normalization, forward, loss, backward, update, history, progress bar."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._given = prepare(task)
        samples = self._given.samples
        examples = Examples(InputSource(samples.x), samples.targets)
        self._trainer = task.subject.build(task.who, task.threads).trainer(task.subject.steps(task.batch), examples)
        self._bar = ProgressBar()
        self._bar.begin(self._trainer)

    def difference(self) -> float:
        """Return the relative difference of the first step's loss and gradient from the expected ones."""
        task = self._task
        return step_difference(task, self._given, first_step(task, self._given, task.who, task.threads))

    def run(self, repetitions: int, warm_ups: int) -> float:
        """Continue training for a turn; return the time of the steps after the warm-ups, in seconds."""
        turn = TimedSteps(self._bar, self._task.clock, repetitions, warm_ups)
        self._trainer.stop = False
        train(self._trainer, [turn])
        return turn.seconds


class Inference(Predictions):
    """Timed calls of `predict` on the same normalized images as for the peers."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._model = task.subject.build(task.who, task.threads)
        self._model.normalization = self._network.normalization

    def outputs(self) -> Array:
        """Return the outputs for the batch."""
        return self._model.predict(self._x)
