"""A general rule of optimizers, and classic mistakes, which are changes of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from chainrule.check.comparison import TINY, Comparison, compare_with_array
from chainrule.check.report import EPSILON_INSIDE, EPSILON_SCALED, VELOCITY_MEAN
from chainrule.check.wrong_numbers import WorstEntry
from chainrule.custom.calls import Array
from chainrule.training.optimizers import Optimizer

TOLERANCE, FLOAT32_TOLERANCE = 1e-8, 1e-3  # relative to the longest step of each parameter


@dataclass(frozen=True)
class Rule:
    """A general update rule: h = g + coupled·p,  m ← β m + share·h,  v ← β₂ v + share₂·h²,  p ← p − rate·m̂/(√v̂ + ε).

    decay      the parameters are multiplied by 1 − rate·decay before the step, or after it if `late`
    scaled     whether to divide by √v̂ + ε
    corrected  whether m̂ and v̂ are corrected for their start at 0; `shift` is added to the number of the step
    nesterov   whether the step is h + β m instead of m̂
    root       power of v in the step
    inside     whether ε is under the root
    uncorrected whether ε is added to √v instead of √v̂
    forgets    whether m and v are 0 before each step
    """

    rate: float
    first: float = 0.0
    share: float = 1.0
    second: float = 0.0
    second_share: float = 1.0
    epsilon: float = 0.0
    decay: float = 0.0
    coupled: float = 0.0
    scaled: bool = False
    corrected: tuple[bool, bool] = (False, False)
    shift: int = 0
    nesterov: bool = False
    root: float = 0.5
    inside: bool = False
    uncorrected: bool = False
    late: bool = False
    forgets: bool = False

    @classmethod
    def of(cls, optimizer: Optimizer, coupled: float = 0.0) -> "Rule":
        """Return the rule of an optimizer of this library (RMSProp without momentum), with a decay in the gradient."""
        options = optimizer.attributes()
        decay = options.get("decay", 0.0)
        epsilon = options.get("epsilon", 0.0)
        rule = cls(optimizer.learning_rate, epsilon=epsilon, nesterov=bool(options.get("nesterov")))
        if "beta1" in options:
            one = options["beta1"]
            two = options["beta2"]
            rule = replace(rule, first=one, share=1 - one, second=two, second_share=1 - two, corrected=(True, True))
            return replace(rule, decay=decay, coupled=coupled, scaled=True)
        if "alpha" in options:
            alpha = options["alpha"]
            return replace(rule, second=alpha, second_share=1 - alpha, coupled=decay, scaled=True)
        return replace(rule, first=options.get("momentum", 0.0), coupled=decay)

    @np.errstate(all="ignore")
    def trajectory(self, start: Array, gradients: Array) -> Array:
        """Return the parameters after each step (steps, n). They are NaN for the root of a negative number.

        start      the parameters p before the first step (n,)
        gradients  the gradient g of each step (steps, n)

        A rule with rate 0.1 and no other options moves from p = 1 with g = 2, then 3, to 0.8 and 0.5.
        """
        p = start
        trajectory = list[Array]()
        zeros = np.zeros_like(start)
        m = zeros
        v = zeros
        for step, gradient in enumerate(gradients, 1 + self.shift):
            if self.forgets:
                m = zeros
                v = zeros
            h = gradient + self.coupled * p
            m = self.first * m + self.share * h
            v = self.second * v + self.second_share * h**2
            # Because m and v start at 0, they are too small by the factors 1 − βᵗ and 1 − β₂ᵗ.
            corrects_m, corrects_v = self.corrected
            m_factor = 1 - self.first**step if corrects_m else 1.0
            v_factor = 1 - self.second**step if corrects_v else 1.0
            direction = m / m_factor
            if self.nesterov:
                direction = h + self.first * m
            move = self.rate * direction
            if self.scaled:
                move = move / self._scale(v / v_factor, v_factor)
            shrinkage = 1 - self.rate * self.decay
            if self.late:
                p = (p - move) * shrinkage
            else:
                p = p * shrinkage - move
            trajectory.append(p)
        return np.stack(trajectory)

    def _scale(self, v: Array, v_factor: float) -> Array:
        """Return √v̂ + ε, the divisor of a step, or its variant: another power, or ε under the root or added to √v.

        Adding ε to √v before the correction, with v = v̂·v_factor, equals adding ε/√v_factor to √v̂.
        """
        if self.uncorrected:
            epsilon = self.epsilon / v_factor**self.root
        else:
            epsilon = self.epsilon
        if self.inside:
            return (v + epsilon) ** self.root
        return v**self.root + epsilon


@dataclass(frozen=True)
class Trajectory:
    """The path of an optimizer that is checked.

    claimed    the parameters after each step (steps, n)
    start      the first parameters (n,)
    gradients  the gradients of the steps (steps, n)
    """

    claimed: Array
    start: Array
    gradients: Array

    @property
    def tolerance(self) -> float:
        """Largest accepted error, which depends on the precision of the code."""
        if self.claimed.dtype.itemsize >= 8:
            return TOLERANCE
        return FLOAT32_TOLERANCE

    def compare(self, rule: Rule) -> Comparison:
        """Compare the path with that of a rule. Errors are relative to the longest step of each parameter.

        Relative to the parameters themselves, an error in a short step would disappear.
        """
        expected = rule.trajectory(self.start, self.gradients)
        steps = np.diff(expected, axis=0, prepend=self.start[None])
        longest = np.maximum(np.abs(steps).max(axis=0), TINY)
        comparison = compare_with_array((self.claimed - self.start) / longest, (expected - self.start) / longest, 1.0)
        worst = comparison.worst
        if worst is None:
            return comparison
        # The comparison contains scaled distances from the start. The report shows the parameters themselves.
        index = worst.index
        return replace(comparison, worst=WorstEntry(index, float(self.claimed[index]), float(expected[index])))


@dataclass(frozen=True)
class RuleMistake:
    """A classic mistake in an optimizer.

    name     short, stable identifier
    message  the mistake, as a predicate whose grammatical subject is the update
    change   function that returns the rule with the mistake
    """

    name: str
    message: str
    change: Callable[[Rule], Rule]


def _betas_swapped(rule: Rule) -> Rule:
    if rule.scaled:
        return replace(rule, first=rule.share, share=rule.first, second=rule.second_share, second_share=rule.second)
    return rule


MISTAKES = (  # tried in this order
    RuleMistake(
        VELOCITY_MEAN,
        "uses the mean v ← μ v + (1 − μ) g, with steps 1 − μ times as long as those of v ← μ v + g",
        lambda rule: replace(rule, share=1 - rule.first),
    ),
    RuleMistake(
        EPSILON_INSIDE, "adds ε under the root; the usual form is √v + ε", lambda rule: replace(rule, inside=True)
    ),
    RuleMistake(
        EPSILON_SCALED,
        "adds ε to √v before the correction, p ← p − α √(1 − β₂ᵗ)/(1 − β₁ᵗ) · m/(√v + ε), as in section 2 of Kingma & "
        "Ba; the usual form adds it to √(v/(1 − β₂ᵗ))",
        lambda rule: replace(rule, uncorrected=True),
    ),
    RuleMistake(
        "gradient-added",
        "moves along the gradient: subtract the step",
        lambda rule: replace(rule, rate=-rule.rate, decay=-rule.decay),
    ),
    RuleMistake(
        "no-bias-correction",
        "is not corrected for moments that start at 0: divide m by 1 − β₁ᵗ and v by 1 − β₂ᵗ",
        lambda rule: replace(rule, corrected=(False, False)),
    ),
    RuleMistake(
        "first-moment-not-corrected",
        "is not corrected for an m that starts at 0: divide it by 1 − β₁ᵗ",
        lambda rule: replace(rule, corrected=(False, rule.corrected[1])),
    ),
    RuleMistake(
        "second-moment-not-corrected",
        "is not corrected for a v that starts at 0: divide it by 1 − β₂ᵗ",
        lambda rule: replace(rule, corrected=(rule.corrected[0], False)),
    ),
    RuleMistake(
        "step-number",
        "is corrected with the next step's number: the first step is t = 1",
        lambda rule: replace(rule, shift=1),
    ),
    RuleMistake("root-missing", "divides by v instead of its root", lambda rule: replace(rule, root=1.0)),
    RuleMistake("not-scaled", "does not divide by √v + ε", lambda rule: replace(rule, scaled=False)),
    RuleMistake(
        "moments-forgotten",
        "forgets the moments of the steps before: return or store them",
        lambda rule: replace(rule, forgets=True),
    ),
    RuleMistake(
        "no-momentum", "does not use the velocity", lambda rule: replace(rule, first=0.0, share=1.0, nesterov=False)
    ),
    RuleMistake("betas-swapped", "swaps β and 1 − β", _betas_swapped),
    RuleMistake(
        "learning-rate-twice",
        "is multiplied by the learning rate twice",
        lambda rule: replace(rule, rate=rule.rate**2, decay=rule.decay / rule.rate),
    ),
    RuleMistake("decay-left-out", "has no weight decay", lambda rule: replace(rule, decay=0.0, coupled=0.0)),
    RuleMistake(
        "decay-in-gradient",
        "has the weight decay in the gradient: multiply p by 1 − rate·decay instead",
        lambda rule: replace(rule, coupled=rule.decay, decay=0.0),
    ),
    RuleMistake(
        "decay-without-rate",
        "has a weight decay that is not multiplied by the learning rate",
        lambda rule: replace(rule, decay=rule.decay / rule.rate),
    ),
    RuleMistake(
        "decay-after-step",
        "shrinks the parameters after the step: multiply p by 1 − rate·decay before it",
        lambda rule: replace(rule, late=True),
    ),
    RuleMistake(
        "nesterov-left-out",
        "is that of plain momentum: the step is g + μ v",
        lambda rule: replace(rule, nesterov=False),
    ),
    RuleMistake("nesterov", "is that of Nesterov's momentum: the step is v", lambda rule: replace(rule, nesterov=True)),
)
