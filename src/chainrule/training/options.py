"""The options of a recipe, each declared once.

`Recipe`, `fit`, the options of `chainrule train`, reports and the documentation read this table. Types and defaults are
those of the fields of `recipe.Recipe`. Importing this module is fast, so that `--help` is, too.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.errors import OptionError, quoted

MOST_EPOCHS = 1_000_000  # more than any real training needs
MOST_BATCH = 1_000_000  # maximum number of samples per batch
MAX_SHARDS = 65536
LARGEST_LABEL = 2**31 - 1
FOLLOWED, LEFT_OUT, NO_EFFECT = "followed", "left out", "no effect"
# What options change, in the order in which it happens, and how a single step that is shown treats it
PARTS = {
    "random numbers": FOLLOWED,
    "validation samples": NO_EFFECT,
    "batches": NO_EFFECT,
    "samples": NO_EFFECT,
    "inputs": FOLLOWED,
    "targets": FOLLOWED,
    "positions that count": FOLLOWED,
    "loss weights": LEFT_OUT,
    "loss": FOLLOWED,
    "batch statistics": FOLLOWED,
    "division": NO_EFFECT,
    "gradient": FOLLOWED,
    "rate": FOLLOWED,
    "update": FOLLOWED,
    "evaluated weights": LEFT_OUT,
    "evaluated outputs": NO_EFFECT,
    "best epoch": NO_EFFECT,
    "end": NO_EFFECT,
}
EXCLUSIVE = ("division",)  # only one option may change it
# What options read, of the data or of other options, and are refused without
CLASSES = "one of several classes as the target"
WEIGHTED = (
    "labels of classes, or of yes and no (of several per sample: with a binary cross-entropy), that are known before "
    "training (for others, use sample_weight)"
)
LABELS = "a label per position"
HELD_OUT = "a validation loss, of validation_data or validation_split"
FOLLOWER = "patience, or the schedule plateau, which follow the best epoch"
SCALABLE = "a regression whose last layer is Dense or a convolution, with initial weights, a bias and no other readers"
LOW_RATE, HIGH_RATE, RATE_STEPS = 1e-6, 1.0, 100  # default search of a learning rate


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The bounds of a number.

    low, high      minimum and maximum; a number with a whole maximum is whole
    below, above   numbers that it must be less than, or exceed
    """

    low: float | None = None
    high: float | None = None
    below: float | None = None
    above: float | None = None

    def check(self, name: str, value: float) -> None:
        """Raise OptionError if a number is out of bounds."""
        limits = {
            "of at least": (self.low, operator.ge),
            "above": (self.above, operator.gt),
            "of at most": (self.high, operator.le),
            "below": (self.below, operator.lt),
        }
        conditions = dict[str, bool]()
        for words, (limit, holds) in limits.items():
            if limit is not None:
                conditions[f"{words} {limit}"] = holds(value, limit)
        if not all(conditions.values()):
            kind = "a number"
            if self.is_whole:
                kind = "a whole number"
            raise OptionError(f"{name} {quoted(value)}: expected {kind} {' and '.join(conditions)}")

    @property
    def is_bounded(self) -> bool:
        """Whether the value is a number, which always has a lower bound."""
        return (self.low, self.above) != (None, None)

    @property
    def is_whole(self) -> bool:
        """Whether the value is a whole number."""
        return isinstance(self.high, int)


@dataclass(frozen=True)
class RecipeOption(Bounds):
    """The declaration of an option of `Recipe`. Its type and default are those of the field of `Recipe`.

    text      meaning, for the documentation
    changes   what it changes, of `PARTS`
    reads     what it needs of the data or of other options
    group     group of flags of the command: "network", "data", "training" (as a whole), or "step"
    flag      flag of `chainrule train`; "" for the name with dashes, None if there is none
    metavar   placeholder of the value in the help of the command; "" for that of its type
    help      text of the command's help
    label     name in messages; "" for the option's name
    report    format of a value other than the default, in one line about the recipe; "" if it is not reported
    """

    text: str
    changes: tuple[str, ...]
    reads: tuple[str, ...] = ()
    group: str = "step"
    flag: str | None = ""
    metavar: str = ""
    help: str = ""
    label: str = ""
    report: str = ""

    @property
    def shown(self) -> str:
        """How a step on given samples, on the page and in `chainrule explain`, treats the option (`PARTS`)."""
        for part in self.changes:
            if PARTS[part] != NO_EFFECT:
                return PARTS[part]
        return NO_EFFECT


OPTIONS = {
    "epochs": RecipeOption(
        "number of passes over the training set",
        ("end",),
        group="training",
        low=1,
        high=MOST_EPOCHS,
        help="Passes over the training images.",
    ),
    "batch_size": RecipeOption(
        "number of samples per step",
        ("batches",),
        low=1,
        high=MOST_BATCH,
        label="batch size",
        help="Images per step.",
    ),
    "optimizer": RecipeOption("optimizer; the schedule's factor multiplies its learning rate", ("update",), flag=None),
    "loss": RecipeOption(
        "name of a built-in loss (`losses.NAMES`), or a custom loss",
        ("loss",),
        metavar="NAME",
        help="half_squared_error, mean_squared_error, mean_absolute_error, huber, quantile=0.9, poisson, "
        "binary_cross_entropy, categorical_cross_entropy, softmax_cross_entropy, binary_focal_cross_entropy, "
        "categorical_focal_cross_entropy or dice.",
    ),
    "schedule": RecipeOption(
        'learning-rate schedule: a name (`schedules.NAMED`), text ("plateau,gamma=0.5"), a schedule, or a function',
        ("rate",),
        group="training",
        metavar="NAME",
        help="Learning rate schedule: constant, step, cosine, one-cycle, warm-up, triangular or plateau; with options: "
        '"plateau,gamma=0.5,patience=3".',
    ),
    "normalization": RecipeOption(
        '"scale", "standardize" or "none"; fitted to the training data and stored with the model',
        ("inputs",),
        group="data",
        metavar="NAME",
        help="Normalization: scale (to 0…1), standardize (each channel, or all pixels) or none.",
    ),
    "augmentation": RecipeOption(
        'random transformations of the training images, different in every epoch: `Augmentation`, or text ("flip")',
        ("samples",),
        group="data",
        flag="--augment",
        help='Random transformations: "shift=2,rotation=10,scale=0.1,flip,reflect", or none. flip=alternate mirrors '
        "every image in every second epoch; reflect fills the border with mirrored pixels. Others: flip_vertical, turn "
        "(by 90°), brightness=0.2, contrast=0.2, cutout=8, noise=0.1.",
        report="augmented {}",
    ),
    "label_smoothing": RecipeOption(
        "label smoothing ε for classes: the targets become (1 − ε)·t + ε/K",
        ("targets",),
        reads=(CLASSES,),
        low=0,
        below=1,
        label="label smoothing",
        help="Label smoothing, for classification.",
        report="labels smoothed by {:g}",
    ),
    "class_weight": RecipeOption(
        'weight of each class in the loss: "balanced", or a mapping from classes (names or indices) to weights',
        ("loss weights",),
        reads=(WEIGHTED,),
        label="class weights",
        help='Weights of the classes in the loss: balanced (equal total weight per class), or "cat=2,dog=0.5".',
        report="class weights {}",
    ),
    "standardize_targets": RecipeOption(
        "whether to train a regression on (t − mean) / deviation, for each output. Predictions remain in the units of "
        "the targets. Only if the last layer is dense or convolutional, with a bias (`target_fitting`). A custom loss "
        "gets the targets as they are unless this is True",
        ("targets",),
        reads=(SCALABLE,),
        flag=None,
    ),
    "ignore_label": RecipeOption(
        "for dense labels, the label of positions that do not count in the loss and the metrics",
        ("positions that count",),
        reads=(LABELS,),
        low=-LARGEST_LABEL,
        high=LARGEST_LABEL,
        metavar="LABEL",
        help="For masks: the value of pixels that do not count, such as 255.",
    ),
    "gradient_accumulation_steps": RecipeOption(
        "number of parts into which a batch is split to save memory. Their gradients are computed one after the other "
        "and summed. Batch normalization then normalizes within each part",
        ("division", "batch statistics"),
        low=1,
        high=MOST_BATCH,
        help="Split each batch into N parts and add up their gradients, to use less memory.",
        report="gradients accumulated over {} parts",
    ),
    "shards": RecipeOption(
        "number of parts into which a batch is split. They are distributed over the workers, and the results are "
        "bitwise identical for any number of workers. Not supported for custom layers and losses",
        ("division",),
        low=1,
        high=MAX_SHARDS,
        help="Split each batch into N shards, so that results are bit-identical for any number of workers "
        "(mpiexec -n 4 chainrule train). Each worker uses one thread unless --threads is set.  [default: 1; 8 for "
        "several workers]",
        report="{} shards",
    ),
    "ema_decay": RecipeOption(
        "decay β of the exponential moving average of the weights (`WeightAverage`). Validation and the final model "
        "use the average instead of the last weights",
        ("evaluated weights",),
        group="training",
        low=0,
        below=1,
        help="Save an exponential moving average of the weights with this decay, such as 0.999, instead of the last "
        "weights.",
        report="weights averaged with decay {:g}",
    ),
    "freeze": RecipeOption(
        "names or patterns of parameters that are not trained, as in `Model.freeze`",
        ("update",),
        flag=None,
        report="frozen: {}",
    ),
    "clip_norm": RecipeOption(
        "maximum norm of the gradient; larger gradients are scaled down",
        ("gradient",),
        above=0,
        label="clip norm",
        help="Clip the gradient to this norm.",
        report="gradient norm clipped at {:g}",
    ),
    "validation": RecipeOption(
        "fraction of the training set to use for validation after every epoch",
        ("validation samples",),
        group="data",
        low=0,
        below=1,
        metavar="FRACTION",
        label="validation fraction",
        help="Fraction of every class held back for validation after every epoch.  [default: from the recipe; larger "
        "for small data sets]",
        report="{:.0%} of the training data held back for validation",
    ),
    "patience": RecipeOption(
        "number of epochs without a better one (`monitor`) before training stops and the best weights are restored",
        ("end",),
        reads=(HELD_OUT,),
        group="training",
        low=1,
        high=MOST_EPOCHS,
        help="Stop after N epochs without a lower validation loss, or another better --monitor.",
        report="patience {}",
    ),
    "monitor": RecipeOption(
        'metric of the validation data that determines the best epoch: "loss", "accuracy", or one of those in the '
        'history, such as "mean_f1"',
        ("best epoch",),
        reads=(FOLLOWER,),
        group="training",
        metavar="NAME",
        help="Validation metric for --patience and the schedule plateau: loss, accuracy, mean_absolute_error or "
        "mean_f1.  [default: loss]",
        report="monitored {}",
    ),
    "seed": RecipeOption(
        "seed for the initial weights, the order of the samples, dropout and augmentation",
        ("random numbers",),
        group="network",
        low=0,
        high=2**63 - 1,
        help="Seed of the initial weights, sample order, dropout and augmentation.",
    ),
}


# The options in the order in which they act: that of `PARTS`, and for one part, of `OPTIONS`
APPLIED = sorted(OPTIONS, key=lambda name: [*PARTS].index(OPTIONS[name].changes[0]))


def check_meeting(names: Sequence[str]) -> None:
    """Raise OptionError if two of the options change what only one may change."""
    for part in EXCLUSIVE:
        changing = [name for name in names if part in OPTIONS[name].changes]
        if len(changing) > 1:
            raise OptionError(f"{' and '.join(changing)} both change the {part} of a batch; set only one of them")


# What to try if a loss or gradient is not finite
STEADIER = "a smaller learning rate, clip_norm=1 (--clip-norm 1)"


def label_of(name: str) -> str:
    """Return the name of an option, or of another argument of `fit`, in messages."""
    if name in OPTIONS and OPTIONS[name].label:
        return OPTIONS[name].label
    return name


def flag_of(name: str) -> str:
    """Return the flag of an option in `chainrule train`."""
    return OPTIONS[name].flag or f"--{name.replace('_', '-')}"


def check_option(name: str, value: float | None) -> None:
    """Raise OptionError if a number is not within the bounds of a recipe's option. None is always accepted."""
    if value is not None:
        OPTIONS[name].check(label_of(name), value)
