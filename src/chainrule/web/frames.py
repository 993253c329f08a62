"""Frames: copies of a network's parameters between two training steps.

Keyframes are stored frames from which every later frame can be recomputed bit for bit. The page also shows the update
of the newest step, which needs two consecutive frames. Copying every frame would slow down fast steps, so two
consecutive frames are copied on request. With slow steps, a copy costs little and waiting for two steps is long, so
every frame is kept for a while.
"""

import json
import struct
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.engines.protocol import Array
from chainrule.training.loop import Trainer
from chainrule.training.recipe import Recipe

ALIGNMENT = 4  # bytes: JavaScript reads float32 only at multiples of it
MOST = 128  # keyframes
MEMORY = 256 << 20  # bytes of all keyframes, unless FEWEST need more
FEWEST = 8  # keyframes
RECENT = 4  # recently viewed frames that are kept
SLOW = 0.1  # seconds; a copy is cheap compared with such a step
WAIT = 0.25  # seconds to wait for two steps; longer means slow steps or stopped training
EARLY_STEPS = 200  # steps searched for the beginning of the fall of the loss
WINDOW = 5  # steps of the moving average of the loss
FALLEN = 0.85  # the loss counts as falling below this fraction of the first average


@dataclass(frozen=True, eq=False)
class Frame:
    """A network after `step` steps.

    rate         learning rate of the next step
    parameters   flat, like the running statistics and each moment
    moments      optimizer moments; None if unknown
    """

    step: int
    rate: float
    parameters: Array
    statistics: Array
    moments: tuple[Array, ...] | None

    @property
    def memory(self) -> int:
        """Size in bytes."""
        return sum(array.nbytes for array in (self.parameters, self.statistics, *(self.moments or ())))

    def packed(self) -> bytes:
        """Encode as a length (4 bytes), a JSON header padded to a multiple of 4, then little-endian float32 arrays."""
        moments = None if self.moments is None else [moment.size for moment in self.moments]
        sizes = {"parameters": self.parameters.size, "statistics": self.statistics.size, "moments": moments}
        header = json.dumps({"step": self.step, "rate": self.rate, "sizes": sizes}).encode()
        header += b" " * (-len(header) % ALIGNMENT)
        arrays = (self.parameters, self.statistics, *(self.moments or ()))
        return b"".join([struct.pack("<I", len(header)), header, *(as_float32(array) for array in arrays)])


def as_float32(array: Array) -> bytes:
    """Return the values as little-endian float32."""
    return np.ascontiguousarray(array, "<f4").tobytes()


def rate_at(recipe: Recipe, step: int, steps: int, epoch_steps: int) -> float:
    """Return the learning rate of the step after `step`; after the last step, that of the last step."""
    place = min(step, max(steps - 1, 0))
    return recipe.optimizer.learning_rate * recipe.schedule.factor(place, max(steps, 1), max(epoch_steps, 1))


def take_frame(trainer: Trainer) -> Frame:
    """Return a frame of a trainer's current state; the caller must hold the trainer between steps."""
    network, step = trainer.network, len(trainer.history)
    return Frame(
        step,
        rate_at(trainer.recipe, step, trainer.steps, trainer.epoch_steps),
        network.parameters.copy(),
        network.statistics.copy(),
        tuple(moment.copy() for moment in trainer.moments),
    )


def restore_frame(frame: Frame, trainer: Trainer) -> None:
    """Restore a trainer's parameters, statistics and moments (not its history) from a frame that holds moments."""
    trainer.network.parameters[:] = frame.parameters
    trainer.network.statistics[:] = frame.statistics
    for moment, value in zip(trainer.moments, frame.moments or (), strict=True):
        moment[:] = value


class Timeline:
    """Frames at multiples of a spacing, which doubles when there are too many, and pinned frames.

    pinned   frames that are never dropped: the first frame, and the frame that was opened
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
        """Return whether a frame of this step should be added."""
        return step % self.spacing == 0 and step not in self._kept and step not in self._pinned

    def keep(self, frame: Frame) -> None:
        """Add a frame; if there are too many, drop every second one."""
        with self._lock:
            self._kept[frame.step] = frame
            while len(self._kept) > self.most:
                self.spacing *= 2
                self._kept = {step: kept for step, kept in self._kept.items() if step % self.spacing == 0}

    def remember(self, frame: Frame) -> None:
        """Keep a frame that is likely to be requested next for a while."""
        with self._lock:
            self._recent.append(frame)

    def pin(self, frame: Frame) -> None:
        """Keep a frame permanently."""
        with self._lock:
            self._pinned[frame.step] = frame

    def before(self, step: int) -> Frame | None:
        """Return the last stored frame at or before a step."""
        with self._lock:
            frames = {**{frame.step: frame for frame in self._recent}, **self._kept, **self._pinned}
            latest = max((place for place in frames if place <= step), default=None)
            return None if latest is None else frames[latest]

    def frames(self) -> list[Frame]:
        """Return all stored frames, by step."""
        with self._lock:
            frames = {**{frame.step: frame for frame in self._recent}, **self._kept, **self._pinned}
            return [frames[step] for step in sorted(frames)]

    def forget(self, first: Frame) -> None:
        """Drop all frames and pin the first one."""
        with self._lock:
            self._kept, self._pinned, self.spacing = {}, {first.step: first}, 1
            self._recent.clear()


class FramePairs:
    """Two consecutive frames, on request, while training runs."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._delivered = threading.Condition()
        self._count = 0
        self._requested = False
        self._before: Frame | None = None
        self._newest: Frame | None = None
        self._last = 0.0

    def newest(self) -> Frame | None:
        """Return a frame copied after this call, or None after a timeout; the timeline keeps the frame before it."""
        with self._delivered:
            before = self._count
            self._requested = True
            return self._newest if self._delivered.wait_for(lambda: self._count > before, WAIT) else None

    def stepped(self, trainer: Trainer) -> None:
        """Copy the newest frame if needed; called by the training thread, which holds the trainer."""
        last, self._last = self._last, time.monotonic()
        slow = self._last - last > SLOW
        if not (slow or self._requested):
            return
        frame, before = take_frame(trainer), self._before
        self._before = frame
        if slow:
            self._timeline.remember(frame)
        if self._requested and before is not None and before.step == frame.step - 1:
            self._timeline.remember(before)
            self._deliver(frame)

    def _deliver(self, frame: Frame) -> None:
        with self._delivered:
            self._newest, self._before, self._requested = frame, None, False
            self._count += 1
            self._delivered.notify_all()


def early_step(losses: Sequence[float]) -> int | None:
    """Return the first step after a clear fall of the loss, or None if there are fewer than ten steps.

    losses   batch loss of each step, from the first
    """
    first = losses[:EARLY_STEPS]
    if len(first) < 2 * WINDOW:
        return None
    means = np.convolve(first, np.full(WINDOW, 1 / WINDOW), "valid")
    (fallen,) = np.nonzero(means <= FALLEN * means[0])
    return int(fallen[0]) + WINDOW if len(fallen) else 2 * WINDOW
