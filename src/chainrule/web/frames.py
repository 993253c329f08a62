"""Frames: copies of a network's parameters between two steps of its training."""

import json
import struct
from dataclasses import dataclass

import numpy as np

from chainrule.engines.protocol import Array
from chainrule.training.loop import Trainer
from chainrule.training.recipe import Recipe

ALIGNMENT = 4  # bytes: JavaScript reads float32 only at multiples of it


@dataclass(frozen=True, eq=False)
class Frame:
    """A network after `step` steps.

    rate         learning rate of the next step
    parameters   flat, like the running statistics and each of the moments
    moments      the optimizer's; None: unknown
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
    """Return the learning rate of the step after `step`; after the last step, the rate of that step."""
    place = min(step, max(steps - 1, 0))
    return recipe.optimizer.learning_rate * recipe.schedule.factor(place, max(steps, 1), max(epoch_steps, 1))


def take_frame(trainer: Trainer) -> Frame:
    """Copy a trainer's current parameters, statistics and moments; the caller must hold the trainer between steps."""
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
