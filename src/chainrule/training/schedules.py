"""Learning-rate schedules: pure functions of the step.

A schedule returns the factor by which the optimizer's rate is multiplied at a step (0 … steps − 1). A custom schedule
is any function of the step; see `CustomSchedule`.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any, Protocol, TypeAlias, cast

from chainrule.custom.interface import OWN
from chainrule.errors import OptionError, unknown_name


@dataclass(frozen=True)
class Schedule:
    """The constant schedule, and the base class of all others: a name, and a factor for each step."""

    @property
    def name(self) -> str:
        """Name on the command line."""
        return next(name for name, kind in KINDS.items() if kind is type(self))

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the factor of the rate at ``step`` of ``steps``, of which ``epoch_steps`` make one epoch."""
        return 1.0

    def extended(self, step: int, epochs: int) -> "Schedule":
        """Return the schedule to continue with when a run of ``epochs`` epochs is extended after ``step`` steps.

        A schedule that depends on the total number of steps starts a new cycle; see `Restarted`.
        """
        return self if type(self) is Schedule else Restarted(self, step, epochs)

    def to_config(self) -> dict[str, Any]:
        """Return the name and the options, for config.json."""
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
        """Return the schedule itself: it does not depend on the total number of steps."""
        return self

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return γ^⌊epoch / epochs⌋."""
        return self.gamma ** (step // epoch_steps // self.epochs)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from 1 to 0: (1 + cos(π·step/steps)) / 2.   Source   Loshchilov and Hutter 2017"""

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return (1 + cos(π·step/steps)) / 2."""
        return (1 + math.cos(math.pi * step / steps)) / 2


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Rise from 1/divisor to 1 over the share ``warm`` of the steps, then fall to 1/(divisor·final), by cosines.

    Source   Smith and Topin 2018, with the formula of PyTorch's OneCycleLR (momentum is not changed)
    """

    warm: float = 0.3
    divisor: float = 25.0
    final: float = 1e4

    def __post_init__(self) -> None:
        if not (0 < self.warm < 1 and 1 <= self.divisor < math.inf and 1 <= self.final < math.inf):
            raise OptionError(f"one-cycle schedule: expected 0 < warm < 1, divisor ≥ 1 and final ≥ 1, found {self}")

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the factor on two cosine arcs: 1/divisor → 1 → 1/(divisor·final)."""
        top = self.warm * steps - 1
        low = 1 / self.divisor
        if top > 0 and step <= top:
            return _arc(low, 1.0, step / top)
        return _arc(1.0, low / self.final, (step - top) / max(steps - 1 - top, 1e-12))


@dataclass(frozen=True)
class WarmUp(Schedule):
    """Rise linearly to 1 over the first ``share`` of the steps, then stay constant."""

    share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise OptionError(f"warm-up schedule: expected 0 < share ≤ 1, found {self.share}")

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return min(1, (step + 1) / (share·steps))."""
        return min(1.0, (step + 1) / max(self.share * steps, 1))


@dataclass(frozen=True)
class Triangular(Schedule):
    """Rise linearly from ``start`` to 1 over the share ``peak`` of the steps, then fall linearly towards ``end``.

    Source   Smith 2017, one cycle of a triangle; the ends as in airbench94 (Jordan 2024)
    """

    start: float = 0.2
    peak: float = 0.23
    end: float = 0.07

    def __post_init__(self) -> None:
        if not (0 <= self.start <= 1 and 0 < self.peak < 1 and 0 <= self.end <= 1):
            raise OptionError(f"triangular schedule: expected start and end from 0 to 1 and 0 < peak < 1, found {self}")

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the factor on two straight lines: start → 1 at peak·steps → end at steps."""
        top = self.peak * steps
        if step < top:
            return self.start + (1 - self.start) * step / top
        return 1 + (self.end - 1) * (step - top) / (steps - top)


@dataclass(frozen=True)
class Restarted(Schedule):
    """The schedule of an extended run: ``before`` over the planned ``epochs`` up to ``step``, then a new cycle.

    The new cycle spans the remaining steps.
    """

    before: Schedule
    step: int
    epochs: int

    def __post_init__(self) -> None:
        if self.step < 1 or self.epochs < 1:
            raise OptionError(f"restarted schedule: expected step ≥ 1 and epochs ≥ 1, found {self.step}, {self.epochs}")

    @property
    def first(self) -> Schedule:
        """Schedule that the run started with."""
        return self.before.first if isinstance(self.before, Restarted) else self.before

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the factor of the first cycle before ``step``, and of the new cycle from there on."""
        if step < self.step:
            return self.before.factor(step, self.epochs * epoch_steps, epoch_steps)
        return self.first.factor(step - self.step, steps - self.step, epoch_steps)

    def to_config(self) -> dict[str, Any]:
        """Return the name, the options and the schedule that is restarted."""
        return {"name": self.name, "before": self.before.to_config(), "step": self.step, "epochs": self.epochs}


def _arc(start: float, end: float, part: float) -> float:
    """Interpolate from ``start`` (part 0) to ``end`` (part 1) along half a cosine."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(part, 1.0)))


NAMED: dict[str, type[Schedule]] = {
    "constant": Schedule,
    "step": Step,
    "cosine": Cosine,
    "one-cycle": OneCycle,
    "warm-up": WarmUp,
    "triangular": Triangular,
}
KINDS: dict[str, type[Schedule]] = {**NAMED, "restarted": Restarted}


@dataclass(frozen=True)
class CustomSchedule(Schedule):
    """A custom schedule.

    source  function of the step (from 0) that returns the factor of the rate, or the ``factor`` of an object that has
            ``factor(step, steps, epoch_steps)`` like every schedule; None when only its name is known, from a file
    """

    source: Callable[[int, int, int], Any] | None = None
    label: str = ""

    @staticmethod
    def of(source: Any) -> "CustomSchedule":
        """Wrap a function or an object with ``factor``; OptionError for anything else."""
        label = str(getattr(source, "__name__", type(source).__name__))
        if not isinstance(source, type):
            if callable(getattr(source, "factor", None)):
                return CustomSchedule(source.factor, label)
            if callable(source):
                return CustomSchedule(partial(_of_step, source), label)
        raise OptionError(
            f"{str(source)[:60]} is no schedule; one is a name ({', '.join(NAMED)}), cr.Step(epochs=2) and the like, a "
            "function of the step that returns the factor of the rate, or an object with factor(step, steps, "
            "epoch_steps)"
        )

    @property
    def name(self) -> str:
        """Name, marked as custom."""
        return f"{self.label}{OWN}"

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the function's factor; OptionError when it is not a finite number of at least 0."""
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
        """Return the name; the code is not saved."""
        return {"name": self.name}


def _of_step(function: Callable[[int], Any], step: int, steps: int, epoch_steps: int) -> Any:
    """Call a function of the step alone (a module-level function, so that a schedule can be pickled)."""
    return function(step)


class HasFactor(Protocol):
    """Any object with this method, such as a built-in schedule."""

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the factor of the rate at ``step`` of ``steps``, of which ``epoch_steps`` make one epoch."""
        ...


ScheduleLike: TypeAlias = HasFactor | Callable[[int], float]


def find(schedule: Any) -> Schedule:
    """Return a schedule given a schedule, its name, its config (None: constant), or a custom function or object."""
    if schedule is None:
        return Schedule()
    if isinstance(schedule, CustomSchedule) or type(schedule) in KINDS.values():
        return cast(Schedule, schedule)
    if not isinstance(schedule, str | dict):
        return CustomSchedule.of(schedule)
    config: dict[str, Any] = {"name": schedule} if isinstance(schedule, str) else dict(cast("dict[str, Any]", schedule))
    name = config.pop("name", None)
    if isinstance(name, str) and name.endswith(OWN):
        return CustomSchedule(label=name.removesuffix(OWN))
    if name not in (KINDS if config else NAMED):
        raise unknown_name("schedule", name, [*NAMED])
    known = [entry.name for entry in fields(KINDS[name])]
    if unknown := [key for key in config if key not in known]:
        raise OptionError(f"schedule {name} has no {unknown[0]}; it has: {', '.join(known) or 'no numbers'}")
    if "before" in config:
        config["before"] = find(config["before"])
    return KINDS[name](**config)
