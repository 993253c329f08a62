"""A general rule of optimizers, and classic mistakes, which are edits of it, listed in `diagnoses/updates.toml`."""

import inspect
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from chainrule.check.comparison import TINY, Comparison, compare_with_array
from chainrule.check.diagnoses.edits import replaced
from chainrule.check.report import Diagnosis
from chainrule.check.wrong_numbers import WorstEntry
from chainrule.custom.calls import Array
from chainrule.training.optimizers import Optimizer

TABLE = Path(__file__).with_name("diagnoses") / "updates.toml"
TOLERANCE, FLOAT32_TOLERANCE = 1e-8, 1e-3  # relative to the longest step of each parameter


@dataclass(frozen=True)
class Rule:
    """The options of `update`, the general rule.

    coupled    factor of the parameters in the gradient
    decay      the parameters are multiplied by 1 − rate·decay before the step
    scaled     whether to divide by √v̂ + ε
    corrected  whether m̂ and v̂ are corrected for their start at 0
    nesterov   whether the step is h + β m instead of m̂
    step       the rule itself, or an edited one
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
    corrected: bool = False
    nesterov: bool = False
    step: "Step | None" = None

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
            rule = replace(rule, first=one, share=1 - one, second=two, second_share=1 - two, corrected=True)
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
        m = v = np.zeros_like(start)
        trajectory = list[Array]()
        for t, g in enumerate(gradients, 1):
            p, m, v = (self.step or update)(self, p, g, m, v, t)
            trajectory.append(p)
        return np.stack(trajectory)


Step: TypeAlias = Callable[[Rule, Array, Array, Array, Array, int], tuple[Array, Array, Array]]


def update(o: Rule, p: Array, g: Array, m: Array, v: Array, t: int) -> tuple[Array, Array, Array]:
    """Return the parameters p and the moments m and v after step t, for the gradient g."""
    h = g + o.coupled * p
    m = o.first * m + o.share * h
    v = o.second * v + o.second_share * h**2
    m_hat = m / (1 - o.first**t) if o.corrected else m
    v_hat = v / (1 - o.second**t) if o.corrected else v
    step = h + o.first * m if o.nesterov else m_hat
    if o.scaled:
        step = step / (v_hat**0.5 + o.epsilon)
    return p * (1 - o.rate * o.decay) - o.rate * step, m, v


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


@cache
def mistakes() -> tuple[tuple[Diagnosis, Step], ...]:
    """Return the classic mistakes, in the order of the table, with the rule that each edit of `update` gives."""
    steps = list[tuple[Diagnosis, Step]]()
    for entry in tomllib.loads(TABLE.read_text(encoding="utf-8"))["mistake"]:
        for source in replaced(inspect.getsource(update), entry["update"]):
            names: dict[str, Any] = dict(globals())
            exec(compile(source, "edited update", "exec"), names)
            steps.append((Diagnosis(entry["name"], entry["message"]), names["update"]))
    return tuple(steps)
