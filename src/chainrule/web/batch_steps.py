"""A step of training as it was taken: its batch, its gradient, and the network after it."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.normalization import Normalization
from chainrule.engines.protocol import Array
from chainrule.training.loop import Trainer
from chainrule.training.tasks import CLASSIFICATION
from chainrule.web import frames
from chainrule.web.frames import ALIGNMENT, Frame, as_float32

CLIPPING = 1e-6  # as in training/step.py


@dataclass(frozen=True, eq=False)
class BatchStep:
    """The step from one frame to the next.

    before, after  the frames, to the bits of training
    given          x (N, …) as the network sees it, t (N, K) and, where samples have them, weights (N,)
    gradient       of the mean loss, flat and before clipping, as the engine of training computes it
    numbers        of the images (N,) in the training data
    labels         of the images (N,); None where they have no class
    images         (N, …) in bytes; None where the inputs are no images of bytes
    factors        of the learning rate, by parameter, where they are not 1
    """

    before: Frame
    after: Frame
    given: tuple[Array, Array, Array | None]
    gradient: Array
    norm: float
    scale: float
    numbers: list[int]
    labels: list[int] | None
    images: NDArray[np.uint8] | None
    factors: dict[str, float]

    def packed(self) -> bytes:
        """Encode like a frame: header, the frame after the step and the gradient as float32, the images as bytes."""
        after = self.after
        moments = [moment.size for moment in after.moments or ()]
        sizes = {"parameters": after.parameters.size, "statistics": after.statistics.size, "moments": moments}
        header: dict[str, Any] = {"step": self.before.step, "rate": self.before.rate, "sizes": sizes}
        header |= {"norm": self.norm, "scale": self.scale, "factors": self.factors}
        header |= {"numbers": self.numbers, "labels": self.labels, "images": self.images is not None}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % ALIGNMENT)
        arrays = (after.parameters, after.statistics, *(after.moments or ()), self.gradient)
        images = b"" if self.images is None else self.images.tobytes()
        return b"".join([struct.pack("<I", len(text)), text, *(as_float32(array) for array in arrays), images])


def batch_step(trainer: Trainer, advance: Callable[[], None]) -> BatchStep:
    """Return the next step of a trainer, which `advance` takes; the caller must hold the trainer between steps."""
    step, before = len(trainer.history), frames.take_frame(trainer)
    given, recipe, network = trainer.batch(step), trainer.recipe, trainer.network
    gradient = trainer.stepper.gradient(*given, step=step + 1, seed=recipe.seed)
    network.statistics[:] = before.statistics
    numbers = trainer.batch_indices(step).tolist()
    advance()
    squares = float(np.square(gradient, dtype=np.float64).sum())
    norm, limit = squares**0.5, recipe.clip_norm
    scale = limit / (norm + CLIPPING) if limit is not None and norm > limit else 1.0
    factors = {
        name: group.factor
        for group in recipe.lr_multipliers.groups(network.learnt)
        for name, (first, last) in network.learnt.items()
        if group.first <= first and last <= group.last and group.factor != 1
    }
    labels = given[1].argmax(1).tolist() if trainer.task == CLASSIFICATION else None
    after, images = frames.take_frame(trainer), _as_bytes(given[0], trainer.normalization)
    return BatchStep(before, after, given, gradient, norm, scale, numbers, labels, images, factors)


def _as_bytes(x: Array, normalization: Normalization) -> NDArray[np.uint8] | None:
    """Return normalized images as the bytes that they were, rounded where augmentation has mixed them."""
    if normalization.pixels == "numbers" or not normalization.gain:
        return None
    gain = normalization.gain / (255 if normalization.pixels == "shares" else 1)
    found = (x.astype(np.float64) - normalization.offset) / gain
    return np.rint(np.clip(found, 0, 255)).astype(np.uint8)
