"""Small networks in float64 on the NumPy engine, and their gradients."""

from collections.abc import Iterable

import numpy as np

from chainrule.layers import Layer
from chainrule.network.network import Network


def small(parts: Iterable[Layer], shape: tuple[int, ...] = (1, 6, 6), seed: int = 0) -> Network:
    return Network([*parts], shape, dtype="float64", engine="numpy", seed=seed)


def gradients(net: Network, x: np.ndarray, t: np.ndarray, loss: str = "half_squared_error") -> tuple[float, np.ndarray]:
    losses, _, gradient = net.compile(net.plan(loss)).gradients(x, t, seed=0, step=1)
    return float(losses.mean()), gradient.copy()
