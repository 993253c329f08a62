"""How the learning rate moves during training: pure functions of the step.

A schedule gives the factor by which the optimizer's rate is multiplied at one step (0 … steps − 1). One of your own is
any function of the step, see `OwnSchedule`.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any, Protocol, TypeAlias, cast

from chainrule.errors import OptionError, one_of
from chainrule.student.interface import OWN


@dataclass(frozen=True)
class Schedule:
    """The constant schedule, and what all schedules have: a name and a factor for each step."""

    @property
    def name(self) -> str:
        """The name it is chosen by on the command line."""
        return next(name for name, kind in KINDS.items() if kind is type(self))

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the factor of the rate at ``step`` of ``steps``, of which ``epoch_steps`` make one epoch."""
        return 1.0

    def extended(self, step: int, epochs: int) -> "Schedule":
        """The schedule of a run of ``epochs`` epochs that is given more of them after ``step`` steps.

        One that depends on the number of steps begins a new cycle; see `Restarted`.
        """
        return self if type(self) is Schedule else Restarted(self, step, epochs)

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

    def extended(self, step: int, epochs: int) -> Schedule:
        """The same: it does not depend on the number of steps."""
        return self

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


@dataclass(frozen=True)
class Restarted(Schedule):
    """``before`` over the ``epochs`` epochs that were planned at first, up to ``step``; from there on once more.

    The second cycle spans the steps that are left. The schedule of a run that was given more epochs.
    """

    before: Schedule
    step: int
    epochs: int

    def __post_init__(self) -> None:
        if self.step < 1 or self.epochs < 1:
            raise OptionError(f"restarted schedule: expected step ≥ 1 and epochs ≥ 1, found {self.step}, {self.epochs}")

    @property
    def first(self) -> Schedule:
        """The schedule that the run began with."""
        return self.before.first if isinstance(self.before, Restarted) else self.before

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """That of the first cycle before ``step``, of a new one from there on."""
        if step < self.step:
            return self.before.factor(step, self.epochs * epoch_steps, epoch_steps)
        return self.first.factor(step - self.step, steps - self.step, epoch_steps)

    def to_config(self) -> dict[str, Any]:
        """Name, numbers, and the schedule that is restarted."""
        return {"name": self.name, "before": self.before.to_config(), "step": self.step, "epochs": self.epochs}


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
KINDS: dict[str, type[Schedule]] = {**NAMED, "restarted": Restarted}


@dataclass(frozen=True)
class OwnSchedule(Schedule):
    """A schedule of your own: a function of the step (from 0) that returns the factor of the rate, or an object with
    ``factor(step, steps, epoch_steps)`` as all schedules have.
    """

    source: Callable[[int, int, int], Any] | None = None
    label: str = ""

    @staticmethod
    def of(source: Any) -> "OwnSchedule":
        """Return it around a function or an object; OptionError when it is neither."""
        label = str(getattr(source, "__name__", type(source).__name__))
        if not isinstance(source, type):
            if callable(getattr(source, "factor", None)):
                return OwnSchedule(source.factor, label)
            if callable(source):
                return OwnSchedule(partial(_of_step, source), label)
        raise OptionError(
            f"{str(source)[:60]} is no schedule; one is a name ({', '.join(NAMED)}), cr.Step(epochs=2) and the like, a "
            "function of the step that returns the factor of the rate, or an object with factor(step, steps, "
            "epoch_steps)"
        )

    @property
    def name(self) -> str:
        """Its name, marked as one's own."""
        return f"{self.label}{OWN}"

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the factor that the function gives; OptionError when it is no number of at least 0."""
        if self.source is None:
            raise OptionError(f"the schedule {self.label} is own code, which no file holds: give it again (schedule=…)")
        found = self.source(step, steps, epoch_steps)
        try:
            number = float(found)
        except (TypeError, ValueError):
            number = math.nan
        if not 0 <= number < math.inf:
            raise OptionError(f"schedule {self.label}: {found!r} at step {step}; expected a number of at least 0")
        return number

    def to_config(self) -> dict[str, Any]:
        """The name: the code is not written."""
        return {"name": self.name}


def _of_step(function: Callable[[int], Any], step: int, steps: int, epoch_steps: int) -> Any:
    """Call a function of the step alone; by name, so that a schedule pickles."""
    return function(step)


class HasFactor(Protocol):
    """A schedule as an object: a built-in one, or any with this method."""

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the factor of the rate at ``step`` of ``steps``, of which ``epoch_steps`` make one epoch."""
        ...


ScheduleLike: TypeAlias = HasFactor | Callable[[int], float]


def find(schedule: Any) -> Schedule:
    """Return a schedule from itself, its name, its config (None: constant), or a function of one's own."""
    if schedule is None:
        return Schedule()
    if isinstance(schedule, OwnSchedule) or type(schedule) in KINDS.values():
        return cast(Schedule, schedule)
    if not isinstance(schedule, str | dict):
        return OwnSchedule.of(schedule)
    config: dict[str, Any] = {"name": schedule} if isinstance(schedule, str) else dict(cast("dict[str, Any]", schedule))
    name = config.pop("name", None)
    if isinstance(name, str) and name.endswith(OWN):
        return OwnSchedule(label=name.removesuffix(OWN))
    if name not in (KINDS if config else NAMED):
        raise one_of("schedule", name, [*NAMED])
    known = [entry.name for entry in fields(KINDS[name])]
    if unknown := [key for key in config if key not in known]:
        raise OptionError(f"schedule {name} has no {unknown[0]}; it has: {', '.join(known) or 'no numbers'}")
    if "before" in config:
        config["before"] = find(config["before"])
    return KINDS[name](**config)
