"""Steps on series of different lengths."""

from __future__ import annotations

import copy
from typing import Any

from chainrule.core.arrays import Shape
from chainrule.network.sizes import resized


def stepper_of(stepper: Any, shape: Shape) -> Any:
    """Return a `Stepper` for inputs of another length, which shares the parameters and the optimizer's moments."""
    if shape not in stepper.sizes:
        twin = stepper.sizes[shape] = copy.copy(stepper)
        twin.network = resized(stepper.network, shape)
        twin.__post_init__()
        twin.moments = stepper.moments
    return stepper.sizes[shape]
