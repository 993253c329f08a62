"""The number of configurations compared, their seed, and the tolerated deviation from PyTorch."""

import os
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numerical import deviation
from selection import draws

SEED = int(os.environ.get("CHAINRULE_SEED", "1"))
EXAMPLES = draws(20)  # configurations per layer and per loss
TOLERANCE = 1e-9  # relative to the largest entry of a tensor
TRAINED = 1e-8  # of weights: Adam divides a small gradient by its own size, and so enlarges its rounding error
SMALL = 1e-3  # reference magnitude for tensors with smaller entries, which may be rounding error


def generator(*purpose: Any) -> np.random.Generator:
    """Return the generator for one purpose of this sweep."""
    return np.random.default_rng([SEED, *(zlib.crc32(str(word).encode()) for word in purpose)])


@dataclass
class Largest:
    """The largest deviation so far, and where it occurred."""

    value: float = 0.0
    where: str = "–"

    def meet(self, where: str, ours: Any, theirs: Any, tolerance: float = TOLERANCE) -> None:
        """Compare two arrays; fail the test if they differ by more than the tolerance."""
        difference = deviation(ours, theirs, SMALL)
        if difference > self.value:
            self.value, self.where = difference, where
        if not difference <= tolerance:
            raise AssertionError(
                f"{where}: {difference:.1e} of the largest number away from PyTorch, allowed {tolerance:.0e}; "
                f"seen again with CHAINRULE_SEED={SEED} CHAINRULE_DRAWS={draws(1)} make parity"
            )
