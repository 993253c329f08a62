"""VanillaCNN's network in SciPy, for comparison with its equations, in its letters: K1[p], K2[p, q], C1s = σ(C1).

Nothing of the project is used here: the loss from any stage on, and central differences of every Δ, are an
oracle for the paper's formulas and for our operations alike.
"""

from collections.abc import Callable
from functools import cached_property
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


class Paper:
    """The network with random parameters in the paper's shapes, its stages, and the loss from any stage on."""

    def __init__(self) -> None:
        r = np.random.default_rng(430)
        self.image, self.y = r.uniform(size=(28, 28)), np.eye(10)[3]
        self.K1, self.b1 = r.normal(size=(6, 5, 5)) / 3, r.normal(size=6)
        self.K2, self.b2 = r.normal(size=(6, 12, 5, 5)) / 4, r.normal(size=12)
        self.W, self.b = r.normal(size=(10, 192)) / 4, r.normal(size=10)

    @cached_property
    def stages(self) -> dict[str, Array]:
        """Compute C1, C1s, S1, C2, C2s, S2, v, z (the paper's ŷ), a (its ŷσ)."""
        C1 = first(self.image, self.K1, self.b1)
        S1 = pooled(expit(C1))
        C2 = second(S1, self.K2, self.b2)
        S2 = pooled(expit(C2))
        z = self.W @ S2.ravel() + self.b
        named = {"C1": C1, "C1s": expit(C1), "S1": S1, "C2": C2, "C2s": expit(C2), "S2": S2, "v": S2.ravel(), "z": z}
        return {**named, "a": expit(z)}

    def __getattr__(self, name: str) -> Array:
        try:
            return self.stages[name]
        except KeyError:
            raise AttributeError(name) from None

    def loss(self, **changed: Array) -> float:
        """Compute the loss with other values of one stage or parameter, recomputing what follows it."""
        now = {**self.stages, **vars(self), **changed}
        last = next(iter(changed))

        def stage(name: str, make: Callable[[], Array], *reads: str) -> None:
            if name not in changed and not done.isdisjoint(reads):
                now[name] = make()
                done.add(name)

        done = {last}
        stage("C1", lambda: first(now["image"], now["K1"], now["b1"]), "K1", "b1")
        stage("C1s", lambda: expit(now["C1"]), "C1")
        stage("S1", lambda: pooled(now["C1s"]), "C1s")
        stage("C2", lambda: second(now["S1"], now["K2"], now["b2"]), "S1", "K2", "b2")
        stage("C2s", lambda: expit(now["C2"]), "C2")
        stage("S2", lambda: pooled(now["C2s"]), "C2s")
        stage("v", lambda: now["S2"].ravel(), "S2")
        stage("z", lambda: now["W"] @ now["v"] + now["b"], "v", "W", "b")
        stage("a", lambda: expit(now["z"]), "z")
        return 0.5 * float(np.sum((now["a"] - now["y"]) ** 2))

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
