"""How the learning rate moves during training: pure functions of the step.

A schedule gives the factor by which the optimizer's rate is multiplied at one step (0 … steps − 1).
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

from chainrule.errors import OptionError, one_of


@dataclass(frozen=True)
class Schedule:
    """The constant schedule, and what all schedules have: a name and a factor for each step."""

    @property
    def name(self) -> str:
        """The name it is chosen by on the command line."""
        return next(name for name, kind in NAMED.items() if kind is type(self))

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """What the rate is multiplied by at ``step`` of ``steps``, of which ``epoch_steps`` make one epoch."""
        return 1.0

    def to_config(self) -> dict[str, Any]:
        """Name and numbers, for config.json."""
        return {"name": self.name, **asdict(self)}


Constant = Schedule


@dataclass(frozen=True)
class Step(Schedule):
    """Multiply by ``gamma`` after every ``epochs`` epochs: γ^⌊epoch / epochs⌋.   Source   PyTorch StepLR"""

    epochs: int = 3
    gamma: float = 0.1

    def __post_init__(self) -> None:
        if self.epochs < 1 or not 0 < self.gamma <= 1:
            raise OptionError(
                f"step schedule: expected epochs ≥ 1 and 0 < gamma ≤ 1, found {self.epochs}, {self.gamma}"
            )

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """γ^⌊epoch / epochs⌋."""
        return self.gamma ** (step // epoch_steps // self.epochs)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from 1 to 0: (1 + cos(π·step/steps)) / 2.   Source   Loshchilov and Hutter 2017"""

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """(1 + cos(π·step/steps)) / 2."""
        return (1 + math.cos(math.pi * step / steps)) / 2


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from 1/divisor to 1 in the first ``warm`` of the steps, down to 1/(divisor·final) in the rest, by cosines.

    Source   Smith and Topin 2018, in the formula of PyTorch's OneCycleLR (momentum is left alone)
    """

    warm: float = 0.3
    divisor: float = 25.0
    final: float = 1e4

    def __post_init__(self) -> None:
        if not (0 < self.warm < 1 and 1 <= self.divisor < math.inf and 1 <= self.final < math.inf):
            raise OptionError(f"one-cycle schedule: expected 0 < warm < 1, divisor ≥ 1 and final ≥ 1, found {self}")

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Two cosine arcs: 1/divisor → 1 → 1/(divisor·final)."""
        top = self.warm * steps - 1
        low = 1 / self.divisor
        if top > 0 and step <= top:
            return _arc(low, 1.0, step / top)
        return _arc(1.0, low / self.final, (step - top) / max(steps - 1 - top, 1e-12))


@dataclass(frozen=True)
class WarmUp(Schedule):
    """Rise linearly to 1 over the first ``share`` of the steps, then stay."""

    share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise OptionError(f"warm-up schedule: expected 0 < share ≤ 1, found {self.share}")

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """min(1, (step + 1) / (share·steps))."""
        return min(1.0, (step + 1) / max(self.share * steps, 1))


def _arc(start: float, end: float, part: float) -> float:
    """Half a cosine from ``start`` (part 0) to ``end`` (part 1)."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(part, 1.0)))


NAMED: dict[str, type[Schedule]] = {
    "constant": Schedule,
    "step": Step,
    "cosine": Cosine,
    "one-cycle": OneCycle,
    "warm-up": WarmUp,
}


def find(schedule: "str | Schedule | dict[str, Any] | None") -> Schedule:
    """A schedule from itself, its name, or its config (None: constant)."""
    if schedule is None or isinstance(schedule, Schedule):
        return schedule or Schedule()
    config: dict[str, Any] = {"name": schedule} if isinstance(schedule, str) else dict(schedule)
    name = config.pop("name", None)
    if name not in NAMED:
        raise one_of("schedule", name, [*NAMED])
    return NAMED[name](**config)
