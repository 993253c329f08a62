"""Steps on series of different lengths."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from chainrule.core.arrays import Shape
from chainrule.network.sizes import resized
from chainrule.training.examples import InputSource

if TYPE_CHECKING:
    from chainrule.training.steps.stepper import Stepper


def stepper_of(stepper: Stepper, shape: Shape) -> Stepper:
    """Return a `Stepper` for inputs of another length, which shares the parameters and the optimizer's moments."""
    if shape not in stepper.sizes:
        twin = stepper.sizes[shape] = copy.copy(stepper)
        twin.network = resized(stepper.network, shape)
        twin.__post_init__()
        twin.moments = stepper.moments
    return stepper.sizes[shape]


def notes_on_lengths(source: InputSource, size: int) -> list[str]:
    """Return a note if series have so many lengths that batches, each of one length, are less than half full.

    size   number of samples of a full batch
    """
    count = len(source)
    batches = source.steps(size)
    if count / batches > min(size, count) / 2:
        return []
    return [
        f"the series of a batch have one length, so that {count} series make {batches} batches of "
        f"{count / batches:.2g} on average: pad or cut them to a few lengths for larger batches"
    ]
