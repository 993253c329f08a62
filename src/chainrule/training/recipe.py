"""Recipes: all training settings except the data and the network."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from textwrap import fill
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar, runtime_checkable

from chainrule.core.options import checked_options
from chainrule.data.normalization import KINDS
from chainrule.errors import FormatError, OptionError, unknown_name
from chainrule.network import losses
from chainrule.network.losses import Loss
from chainrule.training import optimizers, schedules
from chainrule.training.history import Epoch
from chainrule.training.optimizers import Optimizer
from chainrule.training.options import LEFT_OUT, OPTIONS, check_meeting, check_option
from chainrule.training.schedules import Schedule, ScheduleLike

if TYPE_CHECKING:
    from chainrule.data.augmentation import Augmentation
    from chainrule.training.class_weights import ClassWeights, ClassWeightsLike
    from chainrule.training.criterion import Criterion

BATCH_SIZE = 32  # default number of samples per step


class RecipeOptions(TypedDict, total=False):
    """Options of `Recipe` in the forms that `fit` accepts, such as names. None stands for the default."""

    schedule: str | ScheduleLike | None
    normalization: str | None
    augmentation: "str | Augmentation | None"
    label_smoothing: float | None
    standardize_targets: bool | None
    class_weight: "ClassWeightsLike | None"
    ignore_label: int | None
    gradient_accumulation_steps: int | None
    shards: int | None
    ema_decay: float | None
    clip_norm: float | None
    patience: int | None
    monitor: str | None
    seed: int | None


@runtime_checkable
class HasConfig(Protocol):
    """The value of an option that files contain as JSON values."""

    def to_config(self) -> object: ...


def _conversion(module: str, kind: str) -> Callable[[object], object]:
    """Return the function `choose` of a class, whose module is imported when the option is used."""

    def choose(option: object) -> object:
        if option is None:
            return None
        return getattr(importlib.import_module(module), kind).choose(option)

    return choose


CONVERSIONS: dict[str, Callable[[object], object]] = {  # from what users pass, such as names or text, to values
    "loss": losses.choose,
    "optimizer": optimizers.find,
    "schedule": schedules.find,
    "class_weight": _conversion("chainrule.training.class_weights", "ClassWeights"),
    "augmentation": _conversion("chainrule.data.augmentation", "Augmentation"),
}


@checked_options
@dataclass(frozen=True)
class Recipe:
    """Training settings. `options.OPTIONS` states the meaning and the bounds of each.

    Errors   OptionError for a value out of range

    >>> Recipe(epochs=5, optimizer=Adam(0.01), schedule=OneCycle(), validation=0.1)
    """

    epochs: int = 1
    batch_size: int = BATCH_SIZE
    optimizer: Optimizer = field(default_factory=optimizers.Adam)
    loss: Loss = "categorical_cross_entropy"
    schedule: Schedule = field(default_factory=Schedule)
    normalization: str = "scale"
    augmentation: "Augmentation | None" = None
    label_smoothing: float = 0.0
    class_weight: "ClassWeights | None" = None
    standardize_targets: bool = False
    ignore_label: int | None = None
    gradient_accumulation_steps: int = 1
    shards: int = 1
    ema_decay: float | None = None
    freeze: tuple[str, ...] = ()
    clip_norm: float | None = None
    validation: float = 0.0
    patience: int | None = None
    monitor: str = "loss"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, convert in CONVERSIONS.items():
            object.__setattr__(self, name, convert(getattr(self, name)))
        for name in OPTIONS:
            check_option(name, getattr(self, name))
        if self.normalization not in KINDS:
            raise unknown_name("normalization", self.normalization, [*KINDS])
        check_meeting([name for name in OPTIONS if getattr(self, name) != getattr(Recipe, name, None)])

    def reported(self) -> dict[str, str]:
        """Return the values other than the defaults, in words, by option."""
        defaults = Recipe()
        texts = dict[str, str]()
        for name, option in OPTIONS.items():
            value = getattr(self, name)
            if option.report and value != getattr(defaults, name):
                if name == "freeze":
                    value = ", ".join(self.freeze)
                texts[name] = option.report.format(value)
        return texts

    def left_out(self) -> str:
        """Return a sentence about the options that a single step leaves out when it is shown; "" if there are none."""
        left_out = [text for name, text in self.reported().items() if OPTIONS[name].shown == LEFT_OUT]
        if not left_out:
            return ""
        return f"Left out of the step that is shown: {', '.join(left_out)}."

    def check_input(self, shape: Sequence[int]) -> None:
        """Raise OptionError if the augmentation does not support the input shape."""
        if self.augmentation is not None:
            self.augmentation.check_shape(shape)

    @property
    def criterion(self) -> "Criterion":
        """The rule that determines the best epoch."""
        from chainrule.training.criterion import Criterion

        return Criterion(self.monitor)

    def schedule_after(self, epochs: Sequence[Epoch]) -> Schedule:
        """Return the schedule after some epochs, which only the schedule plateau depends on."""
        return self.schedule.after(lambda: self.criterion.improvements(epochs))

    def rate(self, step: int, steps: int, epoch_steps: int, epochs: Sequence[Epoch]) -> float:
        """Return the learning rate of a step, counted from 0.

        steps, epoch_steps   total number of steps, and number of steps per epoch
        epochs               the epochs before the step, and possibly later ones
        """
        schedule = self.schedule_after([epoch for epoch in epochs if epoch.step <= step])
        return self.optimizer.learning_rate * schedule.factor(step, steps, epoch_steps)

    def to_config(self) -> dict[str, object]:
        """Return all settings as JSON values. Custom code is represented by its name."""
        config = dict[str, object]()
        for name in OPTIONS:
            value = getattr(self, name)
            if name in CONVERSIONS and value is not None:
                value = _config_of(value)
            elif name == "freeze":
                value = list(self.freeze)
            config[name] = value
        return config

    @staticmethod
    def from_config(config: dict[str, Any]) -> "Recipe":
        """Create a recipe from the values returned by `to_config`; FormatError if they are invalid."""
        try:
            for name in ("optimizer", "schedule", "augmentation"):  # every version has written them
                config[name]
            return Recipe(**config)
        except (AttributeError, KeyError, OptionError, TypeError) as error:
            raise FormatError(f"recipe: {error}") from None


def _config_of(value: object) -> object:
    """Return the value of a converted option as a JSON value: its config or, for those without, text."""
    if isinstance(value, HasConfig):
        return value.to_config()
    return str(value)


F = TypeVar("F", bound=Callable[..., Any])


def with_options_documented(function: F) -> F:
    """Replace "{options}" in a docstring by the defaults and meanings of `RecipeOptions`."""
    defaults = {entry.name: repr(entry.default) for entry in fields(Recipe)}
    defaults |= {"schedule": "'constant'", "standardize_targets": "automatic"}
    defaults |= {"normalization": "automatic", "seed": "automatic"}
    names = RecipeOptions.__annotations__
    width = max(map(len, names))
    indent = " " * (width + 17)  # of the text in the line
    lines = list[str]()
    for name in names:
        line = f"    {name:{width}} {defaults[name]:10}  {OPTIONS[name].text}"
        lines.append(fill(line, 120, subsequent_indent=indent))
    table = "\n".join(lines)
    function.__doc__ = (function.__doc__ or "").replace("    {options}", table)
    return function
