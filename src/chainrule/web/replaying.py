"""Replay of training steps, bit for bit: a twin of the trainer trains again from the last keyframe before the step."""

import copy
import json
import math
import struct
import threading
from array import array
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.data.normalization import BYTE, Normalization
from chainrule.engines.protocol import Array
from chainrule.network.tasks import CLASSIFICATION
from chainrule.training.history import History
from chainrule.training.loop import train
from chainrule.training.steps.gradients import Outcome
from chainrule.training.trainer import Callback, Trainer
from chainrule.web import frames
from chainrule.web.frames import ALIGNMENT, Frame, Timeline, as_float32

WHOLE = 0.01  # largest rounding error of whole pixels in float32


@dataclass(frozen=True, eq=False)
class BatchStep:
    """The training step from one frame to the next.

    before, after  the two frames, bit-identical to those of the original training
    batch          normalized inputs x (N, …), targets t (N, K), and sample weights (N,) or None
    gradient       flat gradient of the mean loss before clipping, computed by the engine used for training
    norm, scale    norm of the gradient, and the factor that clips it
    numbers        indices (N,) of the images in the training data
    labels         labels (N,) of the images; None if the targets are not classes
    images         images (N, …) as bytes or float32, before normalization
    """

    before: Frame
    after: Frame
    batch: tuple[Array, Array, Array | None]
    gradient: Array
    norm: float
    scale: float
    numbers: list[int]
    labels: list[int] | None
    images: Array

    def packed(self) -> bytes:
        """Encode the step like a frame (`Frame.packed`).

        The arrays are those of the frame after the step, followed by the gradient, the targets and the weights in
        float32 and the images.
        """
        after = self.after
        _, targets, weights = self.batch
        arrays = [*after.arrays, self.gradient, targets]
        weight_count = 0
        if weights is not None:
            arrays.append(weights)
            weight_count = weights.size
        sizes = {
            "parameters": after.parameters.size,
            "statistics": after.statistics.size,
            "moments": [moment.size for moment in after.moments or ()],
            "targets": targets.size,
            "weights": weight_count,
        }
        header = {
            "step": self.before.step,
            "rate": self.before.rate,
            "sizes": sizes,
            "norm": self.norm,
            "scale": self.scale,
            "numbers": self.numbers,
            "labels": self.labels,
            "floats": self.images.dtype != np.uint8,
        }
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % ALIGNMENT)
        return b"".join([struct.pack("<I", len(text)), text, *map(as_float32, arrays), self.images.tobytes()])


def batch_step(trainer: Trainer, advance: Callable[[], None]) -> BatchStep:
    """Take the next step of a trainer, and return it. The caller must hold the trainer between two steps.

    advance   function that takes the step
    """
    step = len(trainer.history)
    before = frames.take_frame(trainer)
    batch = trainer.loader.batch(step)
    recipe = trainer.recipe
    network = trainer.network
    outcome, gradient = trainer.stepper.gradient(*batch, step=step + 1, seed=recipe.seed)
    network.statistics[:] = before.statistics
    numbers = trainer.loader.indices(step).tolist()
    advance()
    scale = math.prod(part.scale(outcome.norm) for part in trainer.components.values())
    x, targets, _ = batch
    labels = None
    if trainer.task == CLASSIFICATION:
        labels = targets.argmax(1).tolist()
    after = frames.take_frame(trainer)
    images = _before_normalization(x, trainer.normalization)
    return BatchStep(before, after, batch, gradient, outcome.norm, scale, numbers, labels, images)


def _before_normalization(x: Array, normalization: Normalization) -> Array:
    """Return normalized inputs before their normalization: as bytes if they are whole pixels, otherwise as float32.

    A constant feature has any value: its gain is 0.
    """
    origin, gain = normalization.arrays(x.ndim)
    values = x.astype(np.float64) / np.where(gain, gain, 1.0) + origin
    if normalization.white is not None:
        pixels = values * (BYTE / normalization.white)
        whole = np.rint(np.clip(pixels, 0, BYTE))
        if np.abs(pixels - whole).max(initial=0) < WHOLE:
            return whole.astype(np.uint8)
    return values.astype("<f4")


class Cancelled(Exception):
    """Raised when a replay is no longer needed."""


class Replayer:
    """Recomputes frames that are not stored in a timeline.

    It trains a copy of the network, its twin, with a lock of its own, so that training is not interrupted.
    """

    def __init__(self, trainer: Trainer, timeline: Timeline) -> None:
        self._timeline = timeline
        self._lock = threading.Lock()
        self._prepared = False
        network = copy.deepcopy(trainer.network)
        recipe = frames.continued(trainer.recipe, trainer.epoch_steps)
        self.twin = Trainer(network, recipe, trainer.train_data, trainer.normalization)
        self.twin.adopt()

    def prepare(self) -> None:
        """Compile the twin's step in advance, so that training does not wait for it later."""
        if not self._prepared:
            with self._lock:
                self._compile()

    def frame(self, step: int, cancelled: threading.Event) -> Frame:
        """Return the frame of a step. Raise `Cancelled` if the event is set before the frame is computed."""
        keyframe = self._timeline.before(step)
        if keyframe is not None and keyframe.step == step:
            return keyframe
        with self._lock:
            keyframe = self._timeline.before(step)  # another replay may have added it while this one waited
            if keyframe is not None and keyframe.step == step:
                return keyframe
            self._replay(keyframe, step, cancelled.is_set)
            return frames.take_frame(self.twin)

    def step(self, step: int, cancelled: threading.Event) -> BatchStep:
        """Return the training step from frame `step` to the next frame.

        After the last step of the recipe, training goes on as `frames.continued` says.

        Errors   Cancelled if the event is set before frame `step` is computed
        """
        with self._lock:
            self._replay(self._timeline.before(step), step, cancelled.is_set)
            record = batch_step(self.twin, lambda: self._advance(step + 1, lambda: False))
            self._timeline.remember(record.before)
            self._timeline.remember(record.after)
            return record

    def _replay(
        self,
        keyframe: Frame | None,
        step: int,
        stop: Callable[[], bool],
    ) -> None:
        """Train the twin from a frame to a step."""
        if stop() or keyframe is None:
            raise Cancelled
        self._compile()
        frames.restore_frame(keyframe, self.twin)
        self.twin.history = blank_history(keyframe.step)
        self._advance(step, stop)

    def _advance(self, step: int, stop: Callable[[], bool]) -> None:
        """Train the twin up to a step."""
        self.twin.stop = False
        train(self.twin, [_StopAtStep(step, self._timeline, stop)])
        if len(self.twin.history) != step:
            raise Cancelled

    def _compile(self) -> None:
        if not self._prepared:
            samples = min(self.twin.recipe.batch_size, len(self.twin.train_data))
            self.twin.stepper.prepare(samples)
            self._prepared = True


class _StopAtStep(Callback):
    """Stops training at a step, and stores keyframes until then."""

    def __init__(self, step: int, timeline: Timeline, stop: Callable[[], bool]) -> None:
        self._step = step
        self._timeline = timeline
        self._stop = stop

    def begin(self, trainer: Trainer) -> None:
        """Stop before the first step if the step is reached."""
        self._check(trainer)

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        """Store a keyframe if the timeline needs one."""
        if self._timeline.wants(len(trainer.history)):
            self._timeline.keep(frames.take_frame(trainer))
        self._check(trainer)

    def _check(self, trainer: Trainer) -> None:
        trainer.stop = len(trainer.history) >= self._step or self._stop()


def blank_history(steps: int) -> History:
    """Return a history of zeros. A trainer with this history continues after `steps` steps."""
    zeros = bytes(8 * steps)
    rates, losses, measures = (array("d", zeros) for _ in range(3))
    sizes, numbers = (array("l", [0]) * steps for _ in range(2))
    return History(sizes, rates, losses, measures, numbers)
