"""Names of the arguments of a user's schedules."""

from collections.abc import Callable
from functools import partial
from typing import Any

from chainrule.custom.calls import NO_DEFAULT, defaults
from chainrule.custom.names import Words
from chainrule.errors import OptionError

SCHEDULE_ARGUMENTS = ("step", "steps", "epoch_steps", "epoch")


def required(function: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments without a default."""
    return [name for name, default in defaults(function) or () if default is NO_DEFAULT]


def schedule_function(function: Callable[..., Any], label: str) -> Callable[[int, int, int], Any]:
    """Return a function (step, steps, epoch_steps) that calls a schedule with the values that its arguments are called.

    A single argument is the epoch if its name says so, otherwise the step. Both are counted from 0.

    Errors   OptionError for several arguments with other names
    """
    names = required(function)
    if not names:
        names = [name for name, _ in defaults(function) or ()]
    if len(names) == 1 and names[0] not in SCHEDULE_ARGUMENTS:
        counts_epochs = "epoch" in names[0].lower() or names[0] in ("e", "ep")
        names = ["epoch" if counts_epochs else "step"]
    if not names or not {*names} <= {*SCHEDULE_ARGUMENTS}:
        expected = f"expected arguments called {', '.join(SCHEDULE_ARGUMENTS)}, or one argument for the step"
        raise OptionError(
            f"schedule {label}({', '.join(names)}): {expected}; it returns the factor of the learning rate"
        )
    return partial(_call_schedule, function, names)


def _call_schedule(function: Callable[..., Any], names: Words, step: int, steps: int, epoch_steps: int) -> Any:
    """Call a schedule with the named values. Partial applications of this function can be pickled."""
    values: dict[str, int] = dict(zip(SCHEDULE_ARGUMENTS, (step, steps, epoch_steps, step // epoch_steps), strict=True))
    return function(*(values[name] for name in names))
