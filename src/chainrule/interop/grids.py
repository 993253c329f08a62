"""Steps whose multiples are the weights of a quantized network."""

from typing import Any

import numpy as np

from chainrule.core.arrays import Floats

LEVELS = 256
TOLERANCE = 1e-4  # maximum distance of a weight from a multiple, in steps
BIAS_TOLERANCE = 0.02  # maximum distance of a bias, which may be thousands of steps
SAMPLE = 32  # weights that are tried first


def grid_steps(numbers: Floats) -> list[float]:
    """Return the steps that represent all float64 numbers (N,) by 256 successive multiples, the largest first."""
    largest = np.abs(numbers).max() or 1.0
    candidates = largest / np.arange(1, LEVELS)
    fits = is_on_grid(numbers[:SAMPLE], candidates[:, None])
    fits &= np.ptp(numbers) < (LEVELS - 0.5) * candidates
    return [float(step) for step in candidates[fits] if is_on_grid(numbers, step)]


def is_on_grid(values: Floats, step: Any, tolerance: float = TOLERANCE) -> Any:
    """Return whether all values along the last axis are multiples of the step."""
    multiples = values / step
    return (np.abs(multiples - np.rint(multiples)) < tolerance).all(-1)
