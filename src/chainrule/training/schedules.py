"""Learning-rate schedules: pure functions of the step.

At each step (0 … steps − 1), the optimizer's learning rate is multiplied by the schedule's factor. A custom schedule is
any function of the step or the epoch; see `CustomSchedule`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

from chainrule.core.options import CUSTOM_SUFFIX, checked_options
from chainrule.errors import OptionError
from chainrule.training.named_options import NamedOptions, options_in

__all__ = [
    "NAMED",
    "Constant",
    "Cosine",
    "CustomSchedule",
    "HasFactor",
    "OneCycle",
    "Plateau",
    "Restarted",
    "Schedule",
    "ScheduleLike",
    "Step",
    "Triangular",
    "WarmUp",
    "find",
]


@checked_options
@dataclass(frozen=True)
class Schedule(NamedOptions):
    """The constant schedule, and the base class of all other schedules."""

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the learning-rate factor at a step.

        step         step number, from 0
        steps        total number of steps
        epoch_steps  number of steps per epoch
        """
        return 1.0

    def after(self, improvements: Callable[[], list[bool]]) -> "Schedule":
        """Return the schedule to use after some epochs. Only a schedule that follows their results changes.

        improvements   function that returns whether each epoch was better than all before it (`Criterion`)
        """
        return self

    def extended(self, step: int, epochs: int) -> "Schedule":
        """Return the schedule to use when a run planned for ``epochs`` epochs is extended after ``step`` steps.

        If the schedule depends on the total number of steps, a new cycle starts (`Restarted`).
        """
        return self if type(self) in (Schedule, Step, Plateau) else Restarted(self, step, epochs)


Constant = Schedule


@checked_options
@dataclass(frozen=True)
class Step(Schedule):
    """Multiplies the learning rate by ``gamma`` after every ``epochs`` epochs: γ^⌊epoch / epochs⌋.

    Source   PyTorch's StepLR

    >>> Step(epochs=2, gamma=0.5).factor(40, steps=100, epoch_steps=10)
    0.25
    """

    epochs: int = 3
    gamma: float = 0.1

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return γ^⌊epoch / epochs⌋."""
        return self.gamma ** (step // epoch_steps // self.epochs)


@checked_options
@dataclass(frozen=True)
class Plateau(Schedule):
    """Multiplies the learning rate by ``gamma`` whenever more than ``patience`` epochs in a row are not better.

    The metric is that of the recipe, `monitor`.

    reductions   number of reductions so far

    Source   PyTorch's ReduceLROnPlateau with a threshold of 0
    """

    gamma: float = 0.1
    patience: int = 10
    reductions: int = 0

    def after(self, improvements: Callable[[], list[bool]]) -> Schedule:
        """Return the schedule with the reductions that follow from the epochs."""
        reductions = waited = 0
        for is_better in improvements():
            waited = 0 if is_better else waited + 1
            if waited > self.patience:
                reductions = reductions + 1
                waited = 0
        return Plateau(self.gamma, self.patience, reductions)

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return γ^reductions."""
        return self.gamma**self.reductions


@checked_options
@dataclass(frozen=True)
class Cosine(Schedule):
    """Decreases the factor from 1 to 0 along half a cosine: (1 + cos(π·step/steps)) / 2.

    Source   Loshchilov and Hutter 2017
    """

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return (1 + cos(π·step/steps)) / 2."""
        return (1 + math.cos(math.pi * step / steps)) / 2


@checked_options
@dataclass(frozen=True)
class OneCycle(Schedule):
    """Increases the factor from 1/divisor to 1, then decreases it to 1/(divisor·final), along two half cosines.

    warm     fraction of the steps before the maximum is reached
    divisor  maximum divided by the initial value
    final    initial value divided by the final value

    Source   Smith and Topin 2018, with the formula of PyTorch's OneCycleLR (the momentum stays constant)
    """

    warm: float = 0.3
    divisor: float = 25.0
    final: float = 1e4

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the factor along two cosine arcs: 1/divisor → 1 → 1/(divisor·final)."""
        top = self.warm * steps - 1
        low = 1 / self.divisor
        if top > 0 and step <= top:
            return _arc(low, 1.0, step / top)
        return _arc(1.0, low / self.final, (step - top) / max(steps - 1 - top, 1e-12))


@checked_options
@dataclass(frozen=True)
class WarmUp(Schedule):
    """Increases the factor linearly to 1 over a fraction ``share`` of the steps, then keeps it constant."""

    share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            example = "such as 0.1 for 100 of 1,000 steps"
            raise OptionError(f"warm-up schedule: expected a share of all steps, {example}; found {self.share}")

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return min(1, (step + 1) / (share·steps))."""
        return min(1.0, (step + 1) / max(self.share * steps, 1))


@checked_options
@dataclass(frozen=True)
class Triangular(Schedule):
    """Increases the factor linearly from ``start`` to 1, then decreases it linearly towards ``end``.

    start, end   factors at step 0 and after the last step
    peak         fraction of the steps before the maximum is reached

    Source   one triangular cycle of Smith 2017; defaults for start and end from airbench94 (Jordan 2024)
    """

    start: float = 0.2
    peak: float = 0.23
    end: float = 0.07

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the factor along two straight lines: start at step 0, 1 at peak·steps, end at step ``steps``."""
        top = self.peak * steps
        if step < top:
            return self.start + (1 - self.start) * step / top
        return 1 + (self.end - 1) * (step - top) / (steps - top)


@checked_options
@dataclass(frozen=True)
class Restarted(Schedule):
    """The schedule of an extended run: the schedule of the run so far, then a new cycle over the remaining steps.

    before  schedule up to ``step``
    step    first step of the new cycle
    epochs  number of epochs for which ``before`` was planned
    """

    before: Schedule
    step: int
    epochs: int

    @property
    def first(self) -> Schedule:
        """The run's original schedule."""
        return self.before.first if isinstance(self.before, Restarted) else self.before

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the earlier schedule's factor before the restart, and the new cycle's factor after it."""
        if step < self.step:
            return self.before.factor(step, self.epochs * epoch_steps, epoch_steps)
        return self.first.factor(step - self.step, steps - self.step, epoch_steps)

    def to_config(self) -> dict[str, object]:
        """Return the name, the options and the config of ``before``."""
        return {"name": self.name, "before": self.before.to_config(), "step": self.step, "epochs": self.epochs}


def _arc(start: float, end: float, fraction: float) -> float:
    """Interpolate along half a cosine, from ``start`` (fraction 0) to ``end`` (fraction 1)."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(fraction, 1.0)))


NAMED: dict[str, type[Schedule]] = {
    "constant": Schedule,
    "step": Step,
    "cosine": Cosine,
    "one-cycle": OneCycle,
    "warm-up": WarmUp,
    "triangular": Triangular,
    "plateau": Plateau,
}
KINDS: dict[str, type[Schedule]] = {**NAMED, "restarted": Restarted}


@checked_options
@dataclass(frozen=True)
class CustomSchedule(Schedule):
    """A custom schedule.

    source  function (step, steps, epoch_steps) that returns the learning-rate factor, see `of`; None if the schedule
            was read from a file, which contains only its name
    label   name used in messages and files
    """

    source: Callable[[int, int, int], Any] | None = None
    label: str = ""

    @staticmethod
    def of(source: object) -> "CustomSchedule":
        """Wrap a function of the step, or of other values (`schedule_function`), or an object with such a ``factor``.

        Errors   OptionError for anything else
        """
        from chainrule.custom.calling import schedule_function

        label = str(getattr(source, "__name__", type(source).__name__))
        function = getattr(source, "factor", source)
        if isinstance(source, type) or not callable(function):
            raise OptionError(
                f"{str(source)[:60]} is not a schedule; expected a name ({', '.join(NAMED)}), a schedule such as "
                "cr.Step(epochs=2), a function that returns the factor of the learning rate, or an object with the "
                "method factor"
            )
        return CustomSchedule(schedule_function(function, label), label)

    @property
    def name(self) -> str:
        """Name, with the suffix for custom code."""
        return f"{self.label}{CUSTOM_SUFFIX}"

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the function's result; OptionError unless it is a finite number of at least 0."""
        if self.source is None:
            raise OptionError(f"the custom schedule {self.label} is not saved in files; pass it again with schedule=…")
        value = self.source(step, steps, epoch_steps)
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not 0 <= number < math.inf:
            raise OptionError(f"schedule {self.label}: {value!r} at step {step}; expected a number of at least 0")
        return number

    def to_config(self) -> dict[str, object]:
        """Return the name. The code is not saved."""
        return {"name": self.name}


Schedule.kinds, Schedule.custom = KINDS, CustomSchedule


class HasFactor(Protocol):
    """An object with the method ``factor``, such as a built-in schedule."""

    def factor(self, step: int, steps: int, epoch_steps: int) -> float:
        """Return the learning-rate factor at a step.

        step         step number, from 0
        steps        total number of steps
        epoch_steps  number of steps per epoch
        """
        ...


ScheduleLike: TypeAlias = HasFactor | Callable[..., float]


def find(schedule: object) -> Schedule:
    """Return the schedule for an option.

    schedule   name, text such as "step,epochs=2", config from `to_config`, or custom function or object; a built-in
               schedule is returned unchanged. None: the constant schedule

    Errors   OptionError for an unknown name or option
    """
    if isinstance(schedule, str) and "," in schedule:
        name, _, numbers = schedule.partition(",")
        schedule = {"name": name, **options_in("schedule", numbers, "OPTION=NUMBER")}
    if isinstance(schedule, dict) and "before" in schedule:
        config = cast("dict[str, object]", schedule)
        schedule = {**config, "before": find(config["before"])}
    if schedule is None:
        return Schedule()
    return Schedule.choose(cast("object", schedule))
