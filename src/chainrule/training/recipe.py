"""A recipe: every number of a training run but the data and the network."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

from chainrule import losses, optimizers, schedules
from chainrule.data.augmentation import Augmentation
from chainrule.data.normalisation import KINDS
from chainrule.errors import FormatError, OptionError, one_of
from chainrule.optimizers import Optimizer
from chainrule.schedules import Schedule


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    epochs        passes over the training set
    batch_size    samples a step
    optimizer     and its rate, which the schedule multiplies
    loss          one of `losses.NAMES`
    normalise     "scale", "standardise" or "none", fitted to the training data and kept with the model
    augmentation  of training images, new in every epoch; None: none
    clip_norm     the gradient is shrunk to this norm when it is longer; None: never
    validation    share of the training set that is held back to validate after every epoch
    patience      stop after so many epochs in which the validation loss did not improve; None: never
    seed          of the first weights, the order of the samples, dropout and augmentation
    """

    epochs: int = 1
    batch_size: int = 32
    optimizer: Optimizer = field(default_factory=optimizers.Adam)
    loss: str = "categorical_cross_entropy"
    schedule: Schedule = field(default_factory=Schedule)
    normalise: str = "scale"
    augmentation: Augmentation | None = None
    clip_norm: float | None = None
    validation: float = 0.0
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _whole("epochs", self.epochs, 1)
        _whole("batch size", self.batch_size, 1)
        _whole("seed", self.seed, 0)
        if self.seed >= 2**63:
            raise OptionError(f"seed {self.seed}: expected at most 2⁶³ − 1")
        object.__setattr__(self, "loss", losses.find(self.loss))
        if self.normalise not in KINDS:
            raise one_of("normalisation", self.normalise, KINDS)
        if self.clip_norm is not None and not 0 < self.clip_norm < math.inf:
            raise OptionError(f"clip norm {self.clip_norm}: expected a number above 0")
        if not 0 <= self.validation < 1:
            raise OptionError(f"validation share {self.validation}: expected at least 0 and below 1")
        if self.patience is not None:
            _whole("patience", self.patience, 1)

    def to_config(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        config = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        config["optimizer"] = self.optimizer.to_config()
        config["schedule"] = self.schedule.to_config()
        config["augmentation"] = str(self.augmentation) if self.augmentation else None
        return config

    @staticmethod
    def from_config(config: dict[str, Any]) -> "Recipe":
        """The recipe that `to_config` wrote."""
        options = dict(config)
        try:
            options["optimizer"] = optimizers.find(options["optimizer"])
            options["schedule"] = schedules.find(options["schedule"])
            text = options["augmentation"]
            options["augmentation"] = Augmentation.parse(text) if text else None
            return Recipe(**options)
        except (AttributeError, KeyError, TypeError) as error:
            raise FormatError(f"recipe: {error}") from None


def _whole(what: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise OptionError(f"{what} {value}: expected a whole number of at least {least}")
