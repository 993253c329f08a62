"""VanillaCNN's network in SciPy, for comparison with its equations, in its letters: K1[p], K2[p, q], C1s = σ(C1).

Nothing of the project is used here: the loss from any stage on, and central differences of every Δ, are an
oracle for the paper's formulas and for our operations alike.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numerical import assert_close
from scipy.signal import correlate2d
from scipy.special import expit

Array = Any


def pooled(C: Array) -> Array:
    """Average every 2×2 block."""
    return C.reshape(len(C), C.shape[1] // 2, 2, C.shape[2] // 2, 2).mean((2, 4))


def first(image: Array, K1: Array, b1: Array) -> Array:
    """Compute C1: six maps of 24×24."""
    return np.stack([correlate2d(image, K, "valid") + b for K, b in zip(K1, b1, strict=True)])


def second(S1: Array, K2: Array, b2: Array) -> Array:
    """Compute C2: twelve maps of 8×8."""
    return np.stack(
        [sum(correlate2d(S, K2[p, q], "valid") for p, S in enumerate(S1)) + b2[q] for q in range(K2.shape[1])]
    )


Stages = dict[str, Array]
STAGES: dict[str, Callable[[Stages], Array]] = {  # z: the paper's ŷ, a: its ŷσ
    "C1": lambda known: first(known["image"], known["K1"], known["b1"]),
    "C1s": lambda known: expit(known["C1"]),
    "S1": lambda known: pooled(known["C1s"]),
    "C2": lambda known: second(known["S1"], known["K2"], known["b2"]),
    "C2s": lambda known: expit(known["C2"]),
    "S2": lambda known: pooled(known["C2s"]),
    "v": lambda known: known["S2"].ravel(),
    "z": lambda known: known["W"] @ known["v"] + known["b"],
    "a": lambda known: expit(known["z"]),
}


class Paper:
    """The network with random parameters in the paper's shapes, its stages, and the loss from any stage on."""

    def __init__(self) -> None:
        r = np.random.default_rng(430)
        self.image, self.y = r.uniform(size=(28, 28)), np.eye(10)[3]
        self.K1, self.b1 = r.normal(size=(6, 5, 5)) / 3, r.normal(size=6)
        self.K2, self.b2 = r.normal(size=(6, 12, 5, 5)) / 4, r.normal(size=12)
        self.W, self.b = r.normal(size=(10, 192)) / 4, r.normal(size=10)
        vars(self).update(self.stages())

    def stages(self, **changed: Array) -> Stages:
        """Compute all stages, with other values of one stage or parameter."""
        known = {**vars(self), **changed}
        for name, compute in STAGES.items():
            known[name] = changed[name] if name in changed else compute(known)
        return known

    def loss(self, **changed: Array) -> float:
        """Compute the loss with other values of one stage or parameter."""
        return 0.5 * float(np.sum((self.stages(**changed)["a"] - self.y) ** 2))

    def slope(self, name: str, place: tuple[int, ...], step: float = 1e-5) -> float:
        """Return ∂L/∂(one entry of a stage or parameter) by central differences."""
        values = getattr(self, name)
        ends = []
        for sign in (1, -1):
            moved = values.copy()
            moved[place] += sign * step
            ends.append(self.loss(**{name: moved}))
        return (ends[0] - ends[1]) / (2 * step)

    def check(self, name: str, delta: Array, places: int = 8) -> None:
        """Check Δ of a stage or parameter against central differences at the corners and some entries between."""
        values = getattr(self, name)
        assert delta.shape == values.shape
        spread = np.linspace(0, values.size - 1, places).astype(int)
        found = [delta.flat[at] for at in spread]
        slopes = [self.slope(name, np.unravel_index(at, values.shape)) for at in spread]
        assert_close(found, slopes, error=1e-6)
