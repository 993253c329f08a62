"""Frames: copies of a network's parameters, running statistics and moments between two training steps.

Keyframes are stored frames, from which every later frame can be recomputed bit for bit.
"""

import json
import struct
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from chainrule.engines.protocol import Array
from chainrule.training.history import Epoch
from chainrule.training.recipe import Recipe
from chainrule.training.schedules import CustomSchedule, Plateau
from chainrule.training.trainer import Trainer

MAX_EPOCHS = 1_000_000  # of a training that continues after its last step
ALIGNMENT = 4  # bytes: JavaScript reads float32 only at multiples of 4 bytes
MOST = 128  # maximum number of keyframes
MEMORY = 256 << 20  # maximum size of all keyframes in bytes, unless FEWEST keyframes need more
FEWEST = 8  # minimum number of keyframes that fit
RECENT = 4  # recently viewed frames that are kept
EARLY_STEPS = 200  # the loss is expected to start to fall within this many steps
WINDOW = 5  # steps of the moving average of the loss
FALLEN = 0.85  # the loss has fallen if its average is at most this fraction of the first average


@dataclass(frozen=True, eq=False)
class Frame:
    """A network after `step` training steps.

    rate         learning rate of the next step
    parameters   flat buffer of all parameters
    statistics   flat buffer of all running statistics
    moments      optimizer moments, one flat buffer each; None if unknown
    """

    step: int
    rate: float
    parameters: Array
    statistics: Array
    moments: tuple[Array, ...] | None

    @property
    def memory(self) -> int:
        """Size in bytes."""
        return sum(array.nbytes for array in self.arrays)

    @property
    def arrays(self) -> list[Array]:
        """Parameters, statistics and, if they are known, the moments."""
        return [self.parameters, self.statistics, *(self.moments or ())]

    def packed(self) -> bytes:
        """Encode the frame: length of the header (4 bytes), header, arrays in float32, all little-endian.

        The header is JSON, padded with spaces to a multiple of 4 bytes.
        """
        moments = None
        if self.moments is not None:
            moments = [moment.size for moment in self.moments]
        sizes = {"parameters": self.parameters.size, "statistics": self.statistics.size, "moments": moments}
        header = json.dumps({"step": self.step, "rate": self.rate, "sizes": sizes}).encode()
        header += b" " * (-len(header) % ALIGNMENT)
        return b"".join([struct.pack("<I", len(header)), header, *map(as_float32, self.arrays)])


def as_float32(array: Array) -> bytes:
    """Return the values as little-endian float32."""
    return np.ascontiguousarray(array, "<f4").tobytes()


def rate_at(recipe: Recipe, step: int, steps: int, epoch_steps: int, epochs: Sequence[Epoch] = ()) -> float:
    """Return the learning rate of the next step after `step` steps.

    steps         total number of steps
    epoch_steps   number of steps per epoch
    """
    every = max(epoch_steps, 1)
    if step >= steps:
        recipe = continued(recipe, every)
    return recipe.rate(step, steps, every, epochs)


def continued(recipe: Recipe, epoch_steps: int) -> Recipe:
    """Return the recipe of a training on the page that goes on until it is paused.

    The schedule begins again, since a step at the last rate of a cycle changes nothing that can be seen. Only plateau
    goes on, because it follows the results of the epochs.
    """
    schedule = recipe.schedule
    if not isinstance(schedule, Plateau):
        cycle = recipe.epochs * epoch_steps
        schedule = CustomSchedule(lambda step, _, every: recipe.schedule.factor(step % cycle, cycle, every))
    return replace(recipe, epochs=MAX_EPOCHS, schedule=schedule, patience=None)


def take_frame(trainer: Trainer) -> Frame:
    """Return a frame of the trainer's current state. The caller must hold the trainer between two steps."""
    network = trainer.network
    step = len(trainer.history)
    return Frame(
        step,
        rate_at(trainer.recipe, step, trainer.steps, trainer.epoch_steps, trainer.history.epochs),
        network.parameters.copy(),
        network.statistics.copy(),
        tuple(moment.copy() for moment in trainer.moments),
    )


def restore_frame(frame: Frame, trainer: Trainer) -> None:
    """Set the trainer's parameters, statistics and moments to those of a frame. The history is not changed.

    frame   frame with moments
    """
    trainer.network.parameters[:] = frame.parameters
    trainer.network.statistics[:] = frame.statistics
    for moment, value in zip(trainer.moments, frame.moments or (), strict=True):
        moment[:] = value


class Timeline:
    """The stored frames of a run; thread-safe.

    These are keyframes at multiples of a number of steps, which doubles whenever there are too many keyframes; pinned
    frames; and a few recently viewed frames.

    pinned   frames that are never dropped: the first frame, and the frame at which the run was opened
    most     maximum number of keyframes; None to derive it from the size of a frame
    """

    def __init__(self, pinned: list[Frame], most: int | None = None) -> None:
        size = max((frame.memory for frame in pinned), default=1)
        self.most = most or max(FEWEST, min(MOST, MEMORY // max(size, 1)))
        self.spacing = 1
        self._lock = threading.Lock()
        self._pinned = {frame.step: frame for frame in pinned}
        self._kept: dict[int, Frame] = {}
        self._recent: deque[Frame] = deque(maxlen=RECENT)

    def __len__(self) -> int:
        return len(self._kept) + len(self._pinned)

    def wants(self, step: int) -> bool:
        """Return whether the frame of this step should be added as a keyframe."""
        return step % self.spacing == 0 and step not in self._kept and step not in self._pinned

    def keep(self, frame: Frame) -> None:
        """Add a keyframe. If there are too many keyframes, drop every second one."""
        with self._lock:
            self._kept[frame.step] = frame
            while len(self._kept) > self.most:
                self.spacing *= 2
                self._kept = {step: kept for step, kept in self._kept.items() if step % self.spacing == 0}

    def remember(self, frame: Frame) -> None:
        """Keep a frame until `RECENT` more frames have been remembered, because it is likely to be requested soon."""
        with self._lock:
            self._recent.append(frame)

    def before(self, step: int) -> Frame | None:
        """Return the last stored frame at or before a step, or None if there is none."""
        latest = None
        for frame in self.frames():
            if frame.step <= step:
                latest = frame
        return latest

    def frames(self) -> list[Frame]:
        """Return all stored frames, in order of their steps."""
        with self._lock:
            frames = {**{frame.step: frame for frame in self._recent}, **self._kept, **self._pinned}
            return [frames[step] for step in sorted(frames)]

    def forget(self, first: Frame) -> None:
        """Drop all frames, and pin `first`."""
        with self._lock:
            self._kept = {}
            self._pinned = {first.step: first}
            self.spacing = 1
            self._recent.clear()


def early_step(losses: Sequence[float]) -> int | None:
    """Return a step from the beginning of training that is worth viewing: the first one after a clear fall of the loss.

    If the loss does not fall, return 10. If there are fewer than 10 steps, return None.

    losses   batch loss of each step, starting with the first step
    """
    first = losses[:EARLY_STEPS]
    if len(first) < 2 * WINDOW:
        return None
    means = np.convolve(first, np.full(WINDOW, 1 / WINDOW), "valid")
    (fallen,) = np.nonzero(means <= FALLEN * means[0])
    if not len(fallen):
        return 2 * WINDOW
    return int(fallen[0]) + WINDOW
