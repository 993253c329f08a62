"""The session: the state of the network that the page shows, shared by all windows of the page."""

import copy
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import data
from chainrule._io import files
from chainrule.core.arrays import Array
from chainrule.data.dataset import Dataset
from chainrule.errors import ChainruleError, DataError, FormatError, OptionError, unknown_name
from chainrule.models.record import Record
from chainrule.network import tasks
from chainrule.network.fitted import UNFITTED
from chainrule.network.labels import are_numbers
from chainrule.network.matching import matched
from chainrule.runs.folder import CHECKPOINT
from chainrule.training.examples import Examples
from chainrule.training.samples import targets_of_step
from chainrule.web import frames, subjects
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


class Session:
    """The network that the page shows, and its training. Thread-safe.

    folder     folder of the data; see `data.load`
    offline    whether to load the data without downloading them; see `data.load`
    threaded   whether to start threads that load the data and train. Without them, the constructor loads the data, and
               nothing is trained
    loaded     event that is set when the data are loaded or loading has failed
    """

    def __init__(
        self, subject: PageSubject, *, folder: str | None = None, offline: bool | None = None, threaded: bool = True
    ) -> None:
        self.subject = subject
        self._threaded = threaded
        self.loaded = threading.Event()
        self._where: dict[str, Any] = {"folder": folder, "offline": offline, "progress": False}
        self._sample_images = no_images(subject.model.input_shape)
        self._running: Running | None = None
        self._class_names: tuple[str, ...] = ()
        self._problem = _loading_message(subject)
        self._opened = _opened_frame(subject)
        self._first = _first_frame(subject, self._opened)
        self._checkpoint_time = _checkpoint_time(subject.folder)
        if threaded:
            threading.Thread(target=self._load, name="loading", daemon=True).start()
        else:
            self._load()

    @property
    def described(self) -> bool:
        """Whether `description` is available.

        The normalization of an untrained network and the weights in the loss are known only with the data.
        """
        return bool(self.subject.fitted and self.subject.untrainable) or self.loaded.is_set()

    @property
    def _weighted(self) -> bool:
        return self._running is not None and self._running.trainer.weights is not None

    @property
    def problem(self) -> str:
        """Why training is not available (yet), or "" if it is."""
        return self._problem if self._running is None else ""

    def description(self) -> dict[str, Any]:
        """Return the model's description; see `description.describe`."""
        return {
            **describe(self.subject.model, self.subject.recipe, weighted=self._weighted),
            **({"classes": list(self._class_names)} if self._class_names else {}),
            "from_file": bool(self.subject.untrainable) and not len(self.subject.history),
            "start": self.subject.start,
            "walk": self.subject.walk,
        }

    def sample_images(self) -> SampleImages:
        """Return the test images. There are none before the data are loaded, or if the images are not bytes."""
        return self._sample_images

    def frame(self, step: int | None, cancelled: threading.Event) -> Frame:
        """Return the frame after `step` steps, or the current frame if `step` is None."""
        running = self._running
        if running is None:
            frames_by_step = {frame.step: frame for frame in (self._first, self._opened)}
            if step is not None and step not in frames_by_step:
                raise DataError(f"step {step} cannot be shown: {self._problem or f'available: {[*frames_by_step]}'}")
            return self._opened if step is None else frames_by_step[step]
        with running.backfill.paused():
            return self._frame(running, step, cancelled)

    def _frame(self, running: Running, step: int | None, cancelled: threading.Event) -> Frame:
        if step is None:
            return running.newest()
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
        running = self._stepping(step)
        with running.backfill.paused():
            return running.step_replay.step(step, cancelled)

    def contributions(
        self, step: int, name: str, indices: Sequence[int], cancelled: threading.Event
    ) -> list[list[float]]:
        """Return the contribution of each image of a step's batch to each of some gradients; see `Contributions.of`."""
        running = self._stepping(step)
        with running.backfill.paused():
            return running.step_replay.contributions(step, name, indices, cancelled).tolist()

    def _stepping(self, step: int) -> Running:
        running = self._running
        if running is None:
            raise DataError(self._problem or self.subject.untrainable)
        if step > running.step:
            raise DataError(f"there is no step {step} yet; the newest is {running.step}")
        return running

    def state(self) -> dict[str, Any]:
        """Return the state of training; see `TrainingState` in page/types.js."""
        running = self._running
        trainer = None if running is None else running.trainer
        steps, epoch_steps = running.planned if running is not None else _step_counts(self.subject)
        step = self._opened.step if running is None else running.step
        state: dict[str, Any] = {
            "step": step,
            "steps": steps,
            "epochSteps": epoch_steps,
            "running": running is not None and running.active,
            "message": self._message(step),
            "newest": step,
        }
        # Keys without a value are omitted, as their types in types.js are optional.
        best = None if trainer is None else best_step(trainer)
        early = None if running is None else early_step(running.trainer.history.losses)
        surveyed = running.backfill if running is not None and running.backfill.total else None
        if running is None and self.loaded.is_set():
            state["fixed"] = True
        if best is not None:
            state["best"] = best
        if early is not None and early < step:
            state["early"] = early
        if surveyed is not None:
            state["survey"] = {"measured": surveyed.measured, "of": surveyed.total}
        return state

    def _message(self, step: int) -> str:
        """Return the notices to show at a step, as one text."""
        running = self._running
        notices = [self.problem if running is None else running.message]
        if running is None or not running.active:
            if running is not None:
                notices += [best_step_notice(running.trainer), self.left_out()]
            notices.append(busy_notice(self.subject.folder, step))
        return " ".join(filter(None, notices))

    def left_out(self) -> str:
        """Return a sentence about the options that the training on the page leaves out; "" if there are none."""
        return replace(self.subject.recipe, class_weight=None).left_out()  # a training step weighs the classes

    def page_opened(self) -> None:
        """Record that a page is open, so that the backfill may run."""
        if self._running is not None:
            self._running.backfill.page_opened()

    def backfill(self, seconds: float) -> None:
        """Measure gradient norms of earlier steps for at most `seconds`."""
        if self._running is not None:
            self._running.backfill.complete(seconds)

    def norms(self) -> dict[str, Any]:
        """Return all norms measured so far; norms of earlier steps may be added later."""
        steps, norms = ([], {}) if self._running is None else self._running.norms.since(0)
        return {"norms": files.without_nonfinite(norms), "norm_steps": steps}

    def past(self, name: str, index: int) -> dict[str, Any]:
        """Return the history of one element of a parameter at the stored steps; see `Past` in page/types.js.

        index   index of the element in the flattened parameter
        """
        running = self._running
        start, end = self.subject.model.trainable_layout.get(name, (0, 0))
        position = start + index
        if position >= end:
            raise DataError(f"{name} has no trained element {index}")
        stored = [self._first, self._opened] if running is None else [*running.timeline.frames(), running.frame()]
        frames_by_step = {frame.step: frame for frame in stored}  # the newest frame may also be in the timeline
        frames = [frames_by_step[step] for step in sorted(frames_by_step)]
        moments = {
            moment: [None if frame.moments is None else float(frame.moments[number][position]) for frame in frames]
            for number, moment in enumerate(self.subject.recipe.optimizer.moments)
        }
        steps, gradients = ([], []) if running is None else running.gradients.of(position)
        backfill = running is not None and running.backfill.measured < running.backfill.total
        series = {
            "steps": [frame.step for frame in frames],
            "values": [float(frame.parameters[position]) for frame in frames],
            "moments": moments,
            "gradients": gradients,
        }
        return {**files.without_nonfinite(series), "gradient_steps": steps, "growing": backfill}

    def series(self, after: int) -> dict[str, Any]:
        """Return losses, metrics and norms of the steps after `after`; see `Series` in page/types.js."""
        running = self._running
        history = self.subject.history if running is None else running.trainer.history
        loss, accuracy = history.losses[after:].tolist(), history.measures[after:].tolist()
        steps, norms = ([], {}) if running is None else running.norms.since(after)
        complete = min(len(loss), len(accuracy))  # a step may be in progress
        series = {
            "loss": loss[:complete],
            "accuracy": accuracy[:complete],
            "norms": norms,
            "norm_steps": steps,
        }
        return {"first": after + 1, **files.without_nonfinite(series)}

    def command(self, name: str, steps: int = 1) -> dict[str, Any]:
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

    def catch_up(self) -> None:
        """Move to the run's newest checkpoint if another process has written one, as its modification time shows.

        The time is read before the run. A checkpoint that is written meanwhile is noticed by the next call.
        """
        folder, running = self.subject.folder, self._running
        checkpoint_time = _checkpoint_time(folder)
        if folder is None or not self.loaded.is_set() or self._checkpoint_time == checkpoint_time:
            return
        try:
            newer = subjects.of_path(folder, accept_changes=self.subject.accepted)
        except ChainruleError:  # the folder is gone or contains another run: keep the opened one
            return
        if running is not None:
            running.jump(_opened_frame(newer), newer.history)
        elif newer.fitted:
            self.subject, self._opened = newer, _opened_frame(newer)
        self._checkpoint_time = checkpoint_time

    def close(self) -> None:
        """Stop the threads."""
        if self._running is not None:
            self._running.close()

    # ------------------------------------------------------------------ loading

    def _load(self) -> None:
        """Load the test images and, if training can continue, create a trainer."""
        try:
            if self.subject.choice is not None:
                self._problem = self._use(*self.subject.choice.load(self.subject.recipe.seed, **self._where))
        except ChainruleError as error:
            self._problem = str(error)
        except Exception as error:  # the page works without data
            self._problem = f"the data cannot be used: {type(error).__name__}: {error}"
        finally:
            self.loaded.set()

    def _use(self, training: Dataset, test: Dataset) -> str:
        """Use the loaded data, and return why training is not available, or "" if it is."""
        subject, names = self.subject, test.classes
        training, test = (matched(part, subject.model.labels) for part in (training, test))
        if subject.job is not None:
            subject.job.check_data(training, test)
        subject.model.check_input(test.x)
        record = Record.of(subject.model, subject.recipe.ignore_label, subject.recipe.loss)
        if test.is_dense:
            part = test.take(DENSE_COUNT)
            targets = record.read(part).targets.weighted_values(subject.model.loss)
            self._sample_images = images_with_dense_targets(np.asarray(part.x), self._as_in_training(targets))
        elif test.has_classes:
            self._sample_images = choose_images(test.x, test.y)
            if are_numbers(test.classes):
                self._class_names = names  # an untrained network only numbers its classes
        else:
            self._sample_images = images_with_targets(test.x, self._as_in_training(test.y), record.task == tasks.BINARY)
        if subject.untrainable:
            return subject.untrainable
        self._running = self._prepared(record.read(training))
        return ""

    def _as_in_training(self, targets: Array) -> Array:
        return targets_of_step(targets, self.subject.model.target_scaling, self.subject.recipe.label_smoothing)

    def _prepared(self, examples: Examples) -> Running:
        """Return a trainer that continues from the opened frame, in its thread."""
        subject, recipe = self.subject, on_page(self.subject.recipe)
        training, validation = examples.parts(recipe.validation, recipe.seed)
        normalization = subject.model.normalization if subject.fitted else UNFITTED
        trainer = subject.model.trainer(
            recipe,
            training,
            validation if recipe.patience is not None else None,
            normalization=None if normalization == UNFITTED else normalization,
        )
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
    name = Path(subject.choice.name).name if subject.choice is not None else "the data"
    return subject.untrainable or f"loading {name} …"


def _opened_frame(subject: PageSubject) -> Frame:
    """Return the frame of a subject's current parameters."""
    step, model = len(subject.history), subject.model
    rate = frames.rate_at(subject.recipe, step, *_step_counts(subject))
    return Frame(step, rate, model.parameters.copy(), model.statistics.copy(), subject.moments)


def _first_frame(subject: PageSubject, opened: Frame) -> Frame:
    """Return the frame before the first step, with weights initialized again from the seed."""
    if not len(subject.history):
        return opened
    model = subject.model
    job = subject.job
    machine: dict[str, Any] = {"engine": model.engine.name, "threads": model.threads, "precise": model.precise}
    fresh = job.build() if job else model.from_about(model.about(), **machine)
    rate = frames.rate_at(subject.recipe, 0, *_step_counts(subject))
    return Frame(0, rate, fresh.parameters, fresh.statistics, subject.recipe.optimizer.init(fresh.parameters))


def _checkpoint_time(folder: Path | None) -> int:
    """Return the modification time in ns of a run's checkpoint, or 0 if there is none."""
    try:
        return 0 if folder is None else (folder / CHECKPOINT).stat().st_mtime_ns
    except OSError:
        return 0


def _step_counts(subject: PageSubject) -> tuple[int, int]:
    """Return the total number of steps and the number of steps per epoch; both are 0 if unknown."""
    if subject.images is None:
        return 0, 0
    every = data.batch_count(subject.images, subject.recipe.batch_size)
    return every * subject.recipe.epochs, every
