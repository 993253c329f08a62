"""Recipes: all training settings except the data and the network."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypedDict

from chainrule.core.shapes import LARGEST
from chainrule.core.words import CheckedOptions
from chainrule.custom.interface import CUSTOM_SUFFIX
from chainrule.data.augmentation import Augmentation, Views
from chainrule.data.normalization import KINDS
from chainrule.errors import FormatError, OptionError, quoted, unknown_name
from chainrule.network import losses
from chainrule.network.losses import Loss
from chainrule.training import optimizers, schedules
from chainrule.training.averaging import Lookahead
from chainrule.training.class_weights import ClassWeights, ClassWeightsLike
from chainrule.training.lr_multipliers import LRMultipliers
from chainrule.training.optimizers import Optimizer
from chainrule.training.schedules import Schedule, ScheduleLike

MOST_EPOCHS = 1_000_000  # more than any real training needs
BATCH_SIZE = 32  # default number of samples per step
MOST_BATCH = 1_000_000  # maximum number of samples per batch
MAX_SHARDS = 65536
INTEGER_BOUNDS = (  # field, name in messages, minimum, maximum
    ("epochs", "epochs", 1, MOST_EPOCHS),
    ("batch_size", "batch size", 1, MOST_BATCH),
    ("gradient_accumulation_steps", "gradient_accumulation_steps", 1, MOST_BATCH),
    ("shards", "shards", 1, MAX_SHARDS),
    ("seed", "seed", 0, 2**63 - 1),
)


class RecipeOptions(TypedDict, total=False):
    """Options of `Recipe` in the forms that `fit` accepts, such as names. None stands for the default."""

    schedule: str | ScheduleLike | None
    normalization: str | None
    augmentation: str | Augmentation | None
    label_smoothing: float | None
    standardize_targets: bool | None
    class_weight: ClassWeightsLike | None
    ignore_label: int | None
    gradient_accumulation_steps: int | None
    shards: int | None
    ema_decay: float | None
    lr_multipliers: str | LRMultipliers | None
    lookahead: str | Lookahead | None
    views: str | Views | None
    clip_norm: float | None
    patience: int | None
    seed: int | None


@dataclass(frozen=True)
class Recipe(metaclass=CheckedOptions):
    """Training settings.

    epochs           number of passes over the training set
    batch_size       number of samples per step
    optimizer        optimizer; the schedule's factor multiplies its learning rate
    loss             name of a built-in loss (`losses.NAMES`), or a custom loss
    schedule         learning-rate schedule
    normalization    "scale", "standardize" or "none"; fitted to the training data and stored with the model
    augmentation     random transformations of the training images, different in every epoch; None: no augmentation
    label_smoothing  label smoothing ε for classes, 0 ≤ ε < 1: the targets become (1 − ε)·t + ε/K
    class_weight     weight of each class in the loss: "balanced", or a mapping from classes (names or indices) to
                     weights; None: equal weights
    standardize_targets   whether to train a regression on (t − mean) / deviation, for each output. Predictions remain
                     in the units of the targets, but the losses and errors in the history are those of standardized
                     targets. Only if the last layer is dense or convolutional, with a bias (`target_scaling`)
    ignore_label     for dense labels, the label of positions that do not count in the loss and the metrics; None: all
                     positions count
    gradient_accumulation_steps   number of parts into which a batch is split to save memory. Their gradients are
                     computed one after the other and summed. Batch normalization then normalizes within each part
    shards           number of parts into which a batch is split. They are distributed over the workers, and the results
                     are bitwise identical for any number of workers. Not supported for custom layers and losses
    ema_decay        decay β of the exponential moving average of the weights (`WeightAverage`). Validation and the
                     final model use the average instead of the last weights; None: no average
    lr_multipliers   learning-rate factors of individual parameters; a factor of 0 freezes them
    lookahead        resets the weights to an average every few steps (`Lookahead`); None: no lookahead
    views            augmented views of each test image. The final evaluation then also reports results for outputs that
                     are averaged over the views; None: no views
    clip_norm        maximum norm of the gradient; larger gradients are scaled down. None: no limit
    validation       fraction of the training set to use for validation after every epoch
    patience         number of epochs without a better validation loss before training stops and the best weights are
                     restored; None: no early stopping
    seed             seed for the initial weights, the order of the samples, dropout and augmentation

    Errors   OptionError for a value out of range

    >>> Recipe(epochs=5, optimizer=Adam(0.01), schedule=OneCycle(), validation=0.1)
    """

    epochs: int = 1
    batch_size: int = BATCH_SIZE
    optimizer: Optimizer = field(default_factory=optimizers.Adam)
    loss: Loss = "categorical_cross_entropy"
    schedule: Schedule = field(default_factory=Schedule)
    normalization: str = "scale"
    augmentation: Augmentation | None = None
    label_smoothing: float = 0.0
    class_weight: ClassWeights | None = None
    standardize_targets: bool = False
    ignore_label: int | None = None
    gradient_accumulation_steps: int = 1
    shards: int = 1
    ema_decay: float | None = None
    lr_multipliers: LRMultipliers = field(default_factory=LRMultipliers)
    lookahead: Lookahead | None = None
    views: Views | None = None
    clip_norm: float | None = None
    validation: float = 0.0
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, label, minimum, maximum in INTEGER_BOUNDS:
            _check_range(label, getattr(self, name), minimum, maximum)
        object.__setattr__(self, "loss", losses.choose(self.loss))
        object.__setattr__(self, "optimizer", optimizers.find(self.optimizer))
        object.__setattr__(self, "schedule", schedules.find(self.schedule))
        object.__setattr__(self, "class_weight", ClassWeights.of(self.class_weight))
        object.__setattr__(self, "augmentation", Augmentation.choose(self.augmentation))
        object.__setattr__(self, "lr_multipliers", LRMultipliers.choose(self.lr_multipliers))
        object.__setattr__(self, "lookahead", Lookahead.choose(self.lookahead))
        object.__setattr__(self, "views", Views.choose(self.views))
        if self.normalization not in KINDS:
            raise unknown_name("normalization", self.normalization, KINDS)
        check_clip_norm(self.clip_norm)
        if not 0 <= self.label_smoothing < 1:
            raise OptionError(f"label smoothing {quoted(self.label_smoothing)}: expected at least 0 and below 1")
        if self.ema_decay is not None and not 0 <= self.ema_decay < 1:
            raise OptionError(f"ema_decay {quoted(self.ema_decay)}: expected at least 0 and below 1")
        if not 0 <= self.validation < 1:
            raise OptionError(f"validation fraction {quoted(self.validation)}: expected at least 0 and below 1")
        if self.gradient_accumulation_steps > 1 and self.shards > 1:
            both = f"gradient_accumulation_steps {self.gradient_accumulation_steps} and shards {self.shards}"
            raise OptionError(f"{both} both divide a batch; set only one of them")
        if self.ignore_label is not None and abs(self.ignore_label) > LARGEST:
            raise OptionError(f"ignore_label {quoted(self.ignore_label)}: expected a whole number, such as 255")
        if self.patience is not None:
            _check_range("patience", self.patience, 1, MOST_EPOCHS)

    def check_input(self, shape: Sequence[int]) -> None:
        """Raise OptionError or ShapeError if augmentation or views do not support the input shape."""
        for option in (self.augmentation, self.views):
            if option is not None:
                option.check_shape(shape)

    @property
    def custom_parts(self) -> tuple[str, ...]:
        """Descriptions of the loss, optimizer and schedule if they are custom. Custom code is not saved in files."""
        parts = {"loss": str(self.loss), "optimizer": self.optimizer.name, "schedule": self.schedule.name}
        return tuple(
            f"{part} {name.removesuffix(CUSTOM_SUFFIX)}" for part, name in parts.items() if name.endswith(CUSTOM_SUFFIX)
        )

    def to_config(self) -> dict[str, Any]:
        """Return all settings as JSON values. Custom code is represented by its name."""
        config = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        config["loss"] = str(self.loss)
        config["optimizer"] = self.optimizer.to_config()
        config["schedule"] = self.schedule.to_config()
        config["augmentation"] = str(self.augmentation) if self.augmentation else None
        config["class_weight"] = self.class_weight.to_config() if self.class_weight else None
        config["lr_multipliers"] = str(self.lr_multipliers)
        config["lookahead"] = str(self.lookahead) if self.lookahead else None
        config["views"] = str(self.views) if self.views else None
        return config

    @staticmethod
    def from_config(config: dict[str, Any]) -> "Recipe":
        """Create a recipe from the values returned by `to_config`; FormatError or OptionError if they are invalid."""
        options = dict(config)
        try:
            options["optimizer"] = optimizers.find(options["optimizer"])
            options["schedule"] = schedules.find(options["schedule"])
            text = options["augmentation"]
            options["augmentation"] = Augmentation.parse(text) if text else None
            options["lr_multipliers"] = LRMultipliers.parse(options.get("lr_multipliers", "none"))
            options["lookahead"] = Lookahead.parse(options["lookahead"]) if options.get("lookahead") else None
            options["views"] = Views.parse(options["views"]) if options.get("views") else None
            return Recipe(**options)
        except (AttributeError, KeyError, TypeError) as error:
            raise FormatError(f"recipe: {error}") from None


def check_clip_norm(clip_norm: float | None) -> None:
    """Raise OptionError unless a maximum gradient norm is None or above 0."""
    if clip_norm is not None and clip_norm <= 0:
        raise OptionError(f"clip norm {quoted(clip_norm)}: expected a number above 0")


def _check_range(label: str, value: int, minimum: int, maximum: int) -> None:
    if not minimum <= value <= maximum:
        expected = f"at most {maximum}" if value > maximum else f"a whole number of at least {minimum}"
        raise OptionError(f"{label} {quoted(value)}: expected {expected}")
