"""The session: the state of the network that the page shows, shared by all windows of the page."""

import copy
import re
import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypedDict

import numpy as np

from chainrule._io import files
from chainrule.core.arrays import Array
from chainrule.data.dataset import Dataset
from chainrule.errors import ChainruleError, DataError, FormatError, OptionError, unknown_name
from chainrule.explain.tracing import traced_targets
from chainrule.models.record import Record
from chainrule.network import tasks
from chainrule.network.fitted import UNFITTED
from chainrule.network.labels import are_numbers
from chainrule.network.matching import matched
from chainrule.training.examples import Examples
from chainrule.training.samples import targets_of_step
from chainrule.web import frames, opening, subjects
from chainrule.web.description import best_step, best_step_notice, busy_notice, describe, on_page
from chainrule.web.frames import Frame, Timeline, early_step
from chainrule.web.replaying import BatchStep
from chainrule.web.running import Running
from chainrule.web.subjects import (
    DENSE_COUNT,
    PageSubject,
    SampleImages,
    choose_images,
    images_with_dense_targets,
    images_with_targets,
    no_images,
)

COMMANDS = ("start", "pause", "advance", "epoch", "restart")
MAX_STEPS = 1_000_000  # steps of one `advance`


class StepSeries(TypedDict):
    """Losses and metrics of steps; see `Series` in page/types.js. A number that is not finite is None."""

    first: int
    loss: list[float | None]
    accuracy: list[float | None]


class Session:
    """The network that the page shows, and its training. Thread-safe.

    threaded   whether to start threads that load the data and train. Without them, the constructor loads the data, and
               nothing is trained
    loaded     event that is set when the data are loaded or loading has failed
    """

    def __init__(self, subject: PageSubject, *, threaded: bool = True) -> None:
        self.subject = subject
        self._threaded = threaded
        self.loaded = threading.Event()
        self._sample_images = no_images(subject.model.input_shape)
        self._running: Running | None = None
        self._class_names: tuple[str, ...] = ()
        self._problem: str | None = _loading_message(subject)
        self._openings = dict[int, str | None]()
        self._opened = subjects.opened_frame(subject)
        self._first = subjects.first_frame(subject, self._opened)
        if threaded:
            threading.Thread(target=self._load, name="loading", daemon=True).start()
        else:
            self._load()

    @property
    def described(self) -> bool:
        """Whether `description` is available.

        The normalization of an untrained network and the weights in the loss are known only with the data.
        """
        is_complete = self.subject.fitted and self.subject.untrainable is not None
        return is_complete or self.loaded.is_set()

    @property
    def problem(self) -> str | None:
        """Why training is not available (yet); None if it is."""
        if self._running is not None:
            return None
        return self._problem

    def description(self) -> dict[str, object]:
        """Return the model's description; see `description.describe`."""
        weighting = None
        if self._running is not None:
            weighting = self._running.trainer.stepper.weighting
        description = describe(self.subject.model, self.subject.recipe, weighting)
        if self._class_names:
            description["classes"] = list(self._class_names)
        description["from_file"] = self.subject.untrainable is not None and not len(self.subject.history)
        description["start"] = self._start()
        description["walk"] = None
        if self.subject.walk is not None:
            description["walk"] = list(map(asdict, self.subject.walk))
        return description

    def _start(self) -> str | None:
        """Return the address that the page opens on, which is chosen once for each step; None for the first sample."""
        if self.subject.start is not None:
            return self.subject.start
        if self.subject.walk is not None:
            return "#/network?sample=0&stop=1"
        running = self._running
        if running is None:
            return f"#/network?sample={opening.sample_to_open(self.subject, self._sample_images)}"
        step = self.shown_step
        if step not in self._openings:
            plan = running.trainer.stepper.plan
            try:
                question = opening.question_at(self.subject, plan, running.step_replay, step)
            except ChainruleError:
                question = None
            self._openings[step] = question
        return self._openings[step]

    @property
    def shown_step(self) -> int:
        """The step that the page opens on: that of its first address, an early one, or the newest with a successor."""
        named = re.search(r"[?&]step=(\d+)", self.subject.start or "")
        if named is not None:
            return int(named[1])
        if self.early is not None:
            return self.early
        newest = self._opened.step if self._running is None else self._running.step
        return max(newest - 1, 0)

    def sample_images(self) -> SampleImages:
        """Return the test images. There are none before the data are loaded, or if the images are not bytes."""
        return self._sample_images

    def frame(self, step: int | None, cancelled: threading.Event) -> Frame:
        """Return the frame after `step` steps, or the current frame if `step` is None."""
        if self._running is not None:
            return self._frame(self._running, step, cancelled)
        if step is None or step == self._opened.step:
            return self._opened
        if step == self._first.step:
            return self._first
        reason = self._problem or f"available: {self._first.step} and {self._opened.step}"
        raise DataError(f"step {step} cannot be shown: {reason}")

    def _frame(self, running: Running, step: int | None, cancelled: threading.Event) -> Frame:
        if step is None:
            return running.frame()
        newest = running.step
        if step > newest:
            raise DataError(f"there is no step {step} yet; the newest is {newest}")
        if step == newest:
            frame = running.frame()
            if frame.step == step:
                return frame
        return running.replayer.frame(step, cancelled)

    def batch_step(self, step: int, cancelled: threading.Event) -> BatchStep:
        """Return the training step from frame `step` to the next frame, which need not have been reached yet."""
        return self._stepping(step).step_replay.step(step, cancelled)

    def contributions(
        self, step: int, name: str, indices: Sequence[int], cancelled: threading.Event
    ) -> list[list[float]]:
        """Return the contribution of each image of a step's batch to each of some gradients; see `Contributions.of`."""
        return self._stepping(step).step_replay.contributions(step, name, indices, cancelled).tolist()

    def _stepping(self, step: int) -> Running:
        running = self._running
        if running is None:
            raise DataError(self._problem or self.subject.untrainable)
        if step > running.step:
            raise DataError(f"there is no step {step} yet; the newest is {running.step}")
        return running

    def state(self) -> dict[str, object]:
        """Return the state of training; see `TrainingState` in page/types.js."""
        running = self._running
        # Keys without a value are omitted, as their types in types.js are optional.
        if running is None:
            step = self._opened.step
            state = self._progress(step, subjects.step_counts(self.subject))
            if self.loaded.is_set():
                state["fixed"] = True
            return state
        step = running.step
        state = self._progress(step, running.planned)
        state["running"] = running.active
        best = best_step(running.trainer)
        if best is not None:
            state["best"] = best
        if self.early is not None:
            state["early"] = self.early
        return state

    @property
    def early(self) -> int | None:
        """A completed step from the beginning of training that is worth viewing; None if there is none."""
        running = self._running
        if running is None:
            return None
        early = early_step(running.trainer.history.losses)
        if early is None or early >= running.step:
            return None
        return early

    def _progress(self, step: int, planned: tuple[int, int]) -> dict[str, object]:
        """Return the part of `state` that every network has.

        planned   number of planned steps, and of steps per epoch
        """
        steps, epoch_steps = planned
        return {
            "step": step,
            "steps": steps,
            "epochSteps": epoch_steps,
            "running": False,
            "message": self._message(step),
            "newest": step,
        }

    def _message(self, step: int) -> str | None:
        """Return the notices to show at a step, as one text; None if there are none."""
        running = self._running
        busy = busy_notice(self.subject.folder, step)
        if running is None:
            notices = [self.problem, busy]
        elif running.active:
            notices = [running.message]
        else:
            notices = [running.message, best_step_notice(running.trainer), self.left_out(), busy]
        return " ".join(filter(None, notices)) or None

    def left_out(self) -> str | None:
        """Return a sentence about the options that the training on the page leaves out; None if there are none."""
        return replace(self.subject.recipe, class_weight=None).left_out() or None  # a training step weighs the classes

    def series(self, after: int) -> StepSeries:
        """Return losses and metrics of the steps after `after`; see `Series` in page/types.js."""
        history = self.subject.history
        if self._running is not None:
            history = self._running.trainer.history
        loss = history.losses[after:].tolist()
        accuracy = history.measures[after:].tolist()
        complete = min(len(loss), len(accuracy))  # a step may be in progress
        finite = files.without_nonfinite({"loss": loss[:complete], "accuracy": accuracy[:complete]})
        return {"first": after + 1, "loss": finite["loss"], "accuracy": finite["accuracy"]}

    def command(self, name: str, steps: int = 1) -> dict[str, object]:
        """Execute one of `COMMANDS`, and return the new state.

        steps   number of steps for "advance"
        """
        if name not in COMMANDS:
            raise unknown_name("command", name, COMMANDS)
        if not 1 <= steps <= MAX_STEPS:
            raise OptionError(f"{steps} steps: expected from 1 to {MAX_STEPS}")
        running = self._running
        if running is None:
            raise OptionError(self._problem or "this network cannot be trained here")
        match name:
            case "start":
                running.go_to()
            case "advance":
                running.go_to(running.step + steps)
            case "epoch":
                every = running.trainer.epoch_steps
                running.go_to((running.step // every + 1) * every)
            case "pause":
                running.pause()
            case _:
                running.restart()
        return self.state()

    def close(self) -> None:
        """Stop the threads."""
        if self._running is not None:
            self._running.close()

    # ------------------------------------------------------------------ loading

    def _load(self) -> None:
        """Load the test images and, if training can continue, create a trainer."""
        try:
            if self.subject.choice is not None:
                training, test = self.subject.choice.load(self.subject.recipe.seed, progress=False)
                self._problem = self._use(training, test)
        except ChainruleError as error:
            self._problem = str(error)
        except Exception as error:  # the page works without data
            self._problem = f"the data cannot be used: {type(error).__name__}: {error}"
        finally:
            self.loaded.set()

    def _use(self, training: Dataset, test: Dataset) -> str | None:
        """Use the loaded data, and return why training is not available; None if it is."""
        subject = self.subject
        names = test.classes
        training = matched(training, subject.model.labels)
        test = matched(test, subject.model.labels)
        record = Record.of(subject.model, subject.recipe.ignore_label, subject.recipe.loss)
        if subject.job is not None and subject.folder is not None:
            subject.job.check_data(subject.folder, *subject.job.split(record, training))
        subject.model.check_input(test.x)
        if test.is_dense:
            part = test.take(DENSE_COUNT)
            targets = traced_targets(record.read(part).targets, subject.model.loss)
            self._sample_images = images_with_dense_targets(np.asarray(part.x), self._as_in_training(targets))
        elif test.has_classes:
            self._sample_images = choose_images(test.x, test.y)
            if are_numbers(test.classes):
                self._class_names = names  # an untrained network only numbers its classes
        else:
            self._sample_images = images_with_targets(test.x, self._as_in_training(test.y), record.task == tasks.BINARY)
        if subject.untrainable is not None:
            return subject.untrainable
        self._running = self._prepared(record.read(training))
        return None

    def _as_in_training(self, targets: Array) -> Array:
        return targets_of_step(targets, self.subject.model.target_scaling, self.subject.recipe.label_smoothing)

    def _prepared(self, examples: Examples) -> Running:
        """Return a trainer that continues from the opened frame, in its thread."""
        subject = self.subject
        recipe = on_page(self.subject.recipe)
        training, validation = examples.parts(recipe.validation, recipe.seed)
        if recipe.patience is None:
            validation = None
        normalization = None
        if subject.fitted and subject.model.normalization != UNFITTED:
            normalization = subject.model.normalization
        trainer = subject.model.trainer(recipe, training, validation, normalization=normalization)
        trainer.adopt()
        if len(subject.history) > trainer.steps:
            raise FormatError(
                f"{subject.title}: {len(subject.history)} steps in the history, but the run has {trainer.steps}"
            )
        trainer.history = copy.deepcopy(subject.history)
        frames.restore_frame(self._opened, trainer)
        self._opened = frames.take_frame(trainer)
        rate = frames.rate_at(recipe, 0, trainer.steps, trainer.epoch_steps)
        self._first = replace(self._first, rate=rate)
        return Running(trainer, self._first, Timeline([self._first, self._opened]), threaded=self._threaded)


def _loading_message(subject: PageSubject) -> str:
    """Return the message shown until the data are loaded."""
    if subject.untrainable is not None:
        return subject.untrainable
    if subject.choice is None:
        return "loading the data …"
    return f"loading {Path(subject.choice.name).name} …"
