"""Central differences with detection of kinks, points where a slope jumps.

An output has a kink where ReLU reaches 0 or max pooling gets a new winner. The step is chosen separately for each
output. Most outputs have no kink within the step, and the four-point formula is accurate for them. For all other
outputs, the step is reduced until the slopes before and after the point agree as for a smooth function. If they never
agree, the point itself is a kink of this output, and any slope between the two is valid.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.engines.protocol import Array

EPSILON = 2.2e-16  # rounding unit of float64
ROUNDING = 4.0  # bound on rounding errors in standard deviations
KINK_THRESHOLD = 1e-3  # a larger relative difference between the one-sided slopes indicates a kink
CURVATURE_FACTOR = 1.25  # a jump larger than that of a wider step predicts, times this factor, indicates a kink
STEP_RATIO = 8.0  # ratio of successive steps
MAX_SHRINKS = 4  # number of smaller steps for outputs with a kink within the step
SAFETY = 3.0  # safety factor for the difference between two steps
AGREEMENT, AGREEMENT_NOISY = 1e-5, 1e-3  # maximum relative difference of the formulas away from kinks; for noisy f


@dataclass(frozen=True)
class Slope:
    """A derivative along a direction.

    error_bound  rounding error and disagreement between steps
    kink_width   half the range of valid values if the point is on a kink; otherwise 0
    """

    value: float
    error_bound: float = 0.0
    kink_width: float = 0.0


@dataclass(frozen=True)
class OneSidedSlopes:
    """For every output: the slopes before and after a point, computed with one step, and their rounding error."""

    before: Array
    after: Array
    rounding: Array

    @property
    def middle(self) -> Array:
        """The central difference."""
        return (self.before + self.after) / 2

    @property
    def jump(self) -> Array:
        """The difference between the two slopes: proportional to the step for a smooth function, constant at a kink."""
        return np.abs(self.after - self.before)

    @property
    def size(self) -> Array:
        """The larger absolute value of the two slopes."""
        return np.maximum(np.abs(self.before), np.abs(self.after))

    def kink_error(self, expected: Array) -> Array:
        """Return the largest error of the central differences if the rest of the jumps is due to kinks.

        It is 0 where rounding explains the rest.
        """
        rest = (self.jump - CURVATURE_FACTOR * expected) / 2
        return np.where(rest > self.rounding, rest, 0.0)

    def is_smooth(self, expected: Array) -> Array:
        """Return a mask of the outputs without a kink within the step.

        expected  for every output, the jump that its curvature explains
        """
        return self.jump <= KINK_THRESHOLD * self.size + 2 * self.rounding + CURVATURE_FACTOR * expected


class DirectionalDerivatives:
    """Directional derivatives of ⟨dy, f⟩ at v.

    noise         relative rounding error of f
    scale         typical size of the elements of v
    wide, narrow  steps of the four-point and two-point formulas, chosen optimally for the noise
    """

    def __init__(self, f: Callable[[Array], Array], v: Array, dy: Array, noise: float, scale: float) -> None:
        self._f, self._v, self._dy = f, v, dy.reshape(-1)
        eps = max(noise, EPSILON)
        self.wide = scale * eps**0.2
        self.narrow = scale * eps ** (1 / 3)
        if noise == 0:
            self._agreed = AGREEMENT
        else:
            self._agreed = AGREEMENT_NOISY
        self._at_point = self._at(np.zeros_like(v), 0.0)
        self._error = ROUNDING * eps * max(float(np.abs(self._at_point).max(initial=0.0)), 1e-300)

    def along(self, u: Array) -> Slope:
        """Return the derivative along u."""
        sides = self._sides(u, self.narrow)
        four_point, curvature = self._four_point(u)
        explained = curvature * self.narrow / self.wide
        size = np.maximum(np.abs(four_point), np.abs(sides.middle))
        gap = np.abs(four_point - sides.middle)
        settled = sides.is_smooth(explained) & (gap <= self._agreed * size + sides.rounding)
        # outputs that are not finite for a wide step are not settled, because comparisons with NaN are False
        smooth = float(np.sum((self._dy * four_point)[settled]))
        differ = gap > sides.rounding
        disagreement = np.maximum(np.where(differ, gap, 0.0), sides.kink_error(explained))
        spread = self._error_bound(np.where(differ, 0.0, gap)[settled], disagreement[settled], settled)
        if settled.all():
            return Slope(smooth, spread)
        remaining = self._with_smaller_steps(u, sides, explained, ~settled)
        return Slope(smooth + remaining.value, spread + remaining.error_bound, remaining.kink_width)

    def _error_bound(self, rounding: Array, disagreement: Array, selected: Array) -> float:
        """Return the error bound of a sum over the selected outputs, for the errors of each output.

        Rounding errors are independent. Disagreements may add up, because one kink may lie in several outputs.
        """
        weights = np.abs(self._dy)[selected]
        return float(np.linalg.norm(weights * rounding) + np.sum(weights * disagreement))

    def _with_smaller_steps(self, u: Array, sides: OneSidedSlopes, explained: Array, selected: Array) -> Slope:
        """Return the contribution to the derivative of outputs with a kink within the step, from smaller steps.

        sides      slopes for the current step
        explained  for every output, the jump that its curvature explains
        selected   mask of the outputs with a kink within the step
        """
        value, rounding, disagreement, kink_width = (np.zeros(sides.middle.shape) for _ in range(4))
        step = self.narrow
        unresolved = selected.copy()
        wider = sides
        smooth_jump = explained
        for _ in range(MAX_SHRINKS):
            if not unresolved.any():
                break
            step /= STEP_RATIO
            finer = self._sides(u, step)
            gap = np.abs(wider.middle - finer.middle)
            both_rounding = wider.rounding + finer.rounding
            differ = gap > both_rounding
            # the jump comes from a wider step, which may contain the kink: the slopes must agree, too
            agree = gap <= KINK_THRESHOLD * np.abs(finer.middle) + both_rounding
            smooth = unresolved & wider.is_smooth(smooth_jump) & agree
            value[smooth] = wider.middle[smooth]
            rounding[smooth] = np.where(differ, wider.rounding, np.maximum(wider.rounding, SAFETY * gap))[smooth]
            between_steps = np.where(differ, SAFETY * gap, 0.0)
            disagreement[smooth] = np.maximum(between_steps, wider.kink_error(smooth_jump))[smooth]
            # a smaller step would change such an output by less than rounding, or not at all, as if its slope were 0
            lost = unresolved & ~smooth & (wider.size <= STEP_RATIO * wider.rounding)
            value[lost], rounding[lost], kink_width[lost] = (
                wider.middle[lost],
                wider.rounding[lost],
                wider.jump[lost] / 2,
            )
            unresolved &= ~(smooth | lost)
            wider, smooth_jump = finer, wider.jump / STEP_RATIO
        value[unresolved], rounding[unresolved], kink_width[unresolved] = (
            wider.middle[unresolved],
            wider.rounding[unresolved],
            wider.jump[unresolved] / 2,
        )
        error_bound = self._error_bound(rounding[selected], disagreement[selected], selected)
        return Slope(float(np.sum(self._dy * value)), error_bound, float(np.sum(np.abs(self._dy) * kink_width)))

    def _sides(self, u: Array, step: float) -> OneSidedSlopes:
        below = self._at(u, -step)
        above = self._at(u, step)
        moved = (below != self._at_point) | (above != self._at_point)
        return OneSidedSlopes(
            (self._at_point - below) / step, (above - self._at_point) / step, moved * self._error / step
        )

    def _four_point(self, u: Array) -> tuple[Array, Array]:
        """Return (−f(2h) + 8 f(h) − 8 f(−h) + f(−2h)) / 12h, and the change of the slope over one step h."""
        h = self.wide
        below = self._at(u, -h)
        above = self._at(u, h)
        far = self._at(u, 2 * h) - self._at(u, -2 * h)
        return (8 * (above - below) - far) / (12 * h), np.abs(above - 2 * self._at_point + below) / h

    def _at(self, u: Array, step: float) -> Array:
        """Return all outputs after a step along u, as a flat, real float64 array."""
        return np.asarray(self._f(self._v + step * u)).astype(np.float64).reshape(-1)
