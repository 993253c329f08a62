"""Central differences that detect kinks. Each output gets a step that is small enough to cross none.

A kink (ReLU at 0, a new winner in max pooling) within a step spoils that step for one output only. Most outputs have no
kink within the step; for them the four-point formula is accurate. For the others the step shrinks until the slopes
before and after the point agree as they do for a smooth function. An output whose slopes never agree lies on the kink,
where any slope between the two is valid.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.engines.protocol import Array

EPSILON = 2.2e-16  # rounding unit of float64
ROUNDING = 4.0  # bound on rounding errors, in standard deviations
KINK_THRESHOLD = 1e-3  # a larger relative difference of the one-sided slopes indicates a kink
STEP_RATIO = 8.0  # ratio of successive steps
MAX_SHRINKS = 4  # smaller steps tried for outputs with a kink within the step
SAFETY = 3.0  # factor on the difference between two steps
AGREEMENT, AGREEMENT_NOISY = 1e-5, 1e-3  # largest relative difference of the two formulas without a kink; for noisy f


@dataclass(frozen=True)
class Slope:
    """A derivative along a direction.

    error_bound  rounding error, and disagreement between steps
    kink_width   half the range of valid values if the point lies on a kink
    """

    value: float
    error_bound: float = 0.0
    kink_width: float = 0.0


@dataclass(frozen=True)
class OneSidedSlopes:
    """Slopes of every output before and after the point, over one step, and their rounding error."""

    before: Array
    after: Array
    rounding: Array

    @property
    def middle(self) -> Array:
        """Central difference."""
        return (self.before + self.after) / 2

    @property
    def jump(self) -> Array:
        """Difference of the two slopes: proportional to the step for a smooth function, constant at a kink."""
        return np.abs(self.after - self.before)

    def is_smooth(self, expected: Array) -> Array:
        """Return which outputs have no kink within the step.

        expected  the jump that their curvature explains
        """
        size = np.maximum(np.abs(self.before), np.abs(self.after))
        return self.jump <= KINK_THRESHOLD * size + 2 * self.rounding + 2 * expected


class DirectionalDerivatives:
    """Directional derivatives of ⟨dy, f⟩ at v.

    wide, narrow  steps of the four-point and the two-point formula; optimal for the noise of f
    """

    def __init__(self, f: Callable[[Array], Array], v: Array, dy: Array, noise: float, scale: float) -> None:
        self._f, self._v, self._dy = f, v, dy.reshape(-1)
        eps = max(noise, EPSILON)
        self.wide, self.narrow = scale * eps**0.2, scale * eps ** (1 / 3)
        self._agreed = AGREEMENT if noise == 0 else AGREEMENT_NOISY
        self._at_point = self._at(np.zeros_like(v), 0.0)
        self._error = ROUNDING * eps * max(float(np.abs(self._at_point).max(initial=0.0)), 1e-300)

    def along(self, u: Array) -> Slope:
        """Return the derivative along u."""
        sides = self._sides(u, self.narrow)
        four_point, curvature = self._four_point(u)
        two_point, size = sides.middle, np.maximum(np.abs(four_point), np.abs(sides.middle))
        gap = np.abs(four_point - two_point)
        settled = sides.is_smooth(curvature * self.narrow / self.wide) & (gap <= self._agreed * size + sides.rounding)
        # outputs that are not finite at a wide step are not settled, since comparisons with NaN are False
        smooth = float(np.sum((self._dy * four_point)[settled]))
        spread = float(np.linalg.norm((self._dy * gap)[settled]))
        if settled.all():
            return Slope(smooth, spread)
        remaining = self._with_smaller_steps(u, sides, curvature * self.narrow / self.wide, ~settled)
        return Slope(smooth + remaining.value, spread + remaining.error_bound, remaining.kink_width)

    def _with_smaller_steps(self, u: Array, sides: OneSidedSlopes, expected: Array, selected: Array) -> Slope:
        """Return the contribution of the selected outputs, which have a kink within the step, by smaller steps."""
        dy, size = self._dy, sides.middle.shape
        value, rounding, disagreement, kink_width = (np.zeros(size) for _ in range(4))
        step, unresolved = self.narrow, selected.copy()
        for _ in range(MAX_SHRINKS):
            if not unresolved.any():
                break
            step /= STEP_RATIO
            finer = self._sides(u, step)
            smooth = unresolved & sides.is_smooth(expected)
            gap = np.abs(sides.middle - finer.middle)
            differ = gap > sides.rounding + finer.rounding
            value[smooth] = sides.middle[smooth]
            rounding[smooth] = np.where(differ, sides.rounding, np.maximum(sides.rounding, SAFETY * gap))[smooth]
            disagreement[smooth] = np.where(differ, SAFETY * gap, 0.0)[smooth]
            unresolved &= ~smooth
            sides, expected = finer, sides.jump / STEP_RATIO
        value[unresolved], rounding[unresolved], kink_width[unresolved] = (
            sides.middle[unresolved],
            sides.rounding[unresolved],
            sides.jump[unresolved] / 2,
        )
        error_bound = float(np.linalg.norm(dy * rounding) + np.sum(np.abs(dy) * disagreement))
        return Slope(float(np.sum(dy * value)), error_bound, float(np.sum(np.abs(dy) * kink_width)))

    def _sides(self, u: Array, step: float) -> OneSidedSlopes:
        below, above = self._at(u, -step), self._at(u, step)
        moved = (below != self._at_point) | (above != self._at_point)
        return OneSidedSlopes(
            (self._at_point - below) / step, (above - self._at_point) / step, moved * self._error / step
        )

    def _four_point(self, u: Array) -> tuple[Array, Array]:
        """Return (−f(2h) + 8 f(h) − 8 f(−h) + f(−2h)) / 12h, and the change of the slope over a step h."""
        h = self.wide
        below, above = self._at(u, -h), self._at(u, h)
        far = self._at(u, 2 * h) - self._at(u, -2 * h)
        return (8 * (above - below) - far) / (12 * h), np.abs(above - 2 * self._at_point + below) / h

    def _at(self, u: Array, step: float) -> Array:
        """Return every output after a step along u: real, float64, flattened."""
        return np.real(np.asarray(self._f(self._v + step * u))).astype(np.float64).reshape(-1)
