"""Options of `chainrule train`, in groups."""

import re
from collections.abc import Callable
from typing import Annotated, Any

import click

from chainrule.cli import options
from chainrule.cli.options import INTEGER, NUMBER
from chainrule.errors import quoted
from chainrule.training.options import OPTIONS, flag_of

SIZE = re.compile(r"([0-9]{1,9})[x×]([0-9]{1,9})")
MAX_SIDE = 4096  # pixels; maximum height and width of resized images


# first option of each part of the help → heading
HEADINGS = {
    "model": "Network",
    "data": "Data",
    "normalization": "Inputs",
    "validation": "Training",
    "engine": "Execution",
    "out": "Run folder",
}


class CommandWithHeadings(click.Command):
    """A command whose help divides the options by `HEADINGS`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options of each part below its heading."""
        heading = "Options"
        parts = dict[str, list[tuple[str, str]]]()
        for parameter in self.get_params(ctx):
            heading = HEADINGS.get(parameter.name or "", heading)
            record = parameter.get_help_record(ctx)
            if record is not None:
                parts.setdefault(heading, []).append(record)
        for name, records in parts.items():
            with formatter.section(name):
                formatter.write_dl(records)


def recipe_option(name: str) -> Callable[[Any], Any]:
    """Return the flag for an option of a recipe."""
    option = OPTIONS[name]
    kind = None
    if option.is_whole:
        kind = INTEGER
    elif option.is_bounded:
        kind = NUMBER
    return click.option(flag_of(name), type=kind, metavar=option.metavar or None, help=option.help)


def names_of(group: str) -> list[str]:
    """Return the options of a recipe that have a flag in a group."""
    return [name for name, option in OPTIONS.items() if option.group == group and option.flag is not None]


def recipe_options(group: str) -> Callable[[Any], Any]:
    """Return the flags of a group of recipe options."""
    return options.combine(*map(recipe_option, names_of(group)))


def _size(context: click.Context, parameter: click.Parameter, value: Any) -> tuple[int, int] | None:
    """Parse "28x28" into (H, W)."""
    if value is None:
        return None
    size = SIZE.fullmatch(str(value).lower())
    if size is None or not all(1 <= int(side) <= MAX_SIDE for side in size.groups()):
        raise click.BadParameter(f"{quoted(value)}: expected HxW, such as 28x28, with sides of at most {MAX_SIDE}")
    return int(size[1]), int(size[2])


@options.option_group(recipe_options("network"))
def network(
    *,
    model: options.ModelName = None,
    source: options.InputPath = None,
    new_classes: bool = False,
    freeze: options.Texts = (),
    recipe: Annotated[str, options.Name()] = "best",
    dtype: options.Text = None,
) -> None:
    """Declare which network is trained, and from which start.

    model        Network from `chainrule models`, or your own: FILE.py:NAME.  [default: numpy-cnn;
                 photo-cnn for your own images]
    source       (--from FILE) Start from the network, weights and normalization of a model file or a run folder.
                 Classes are matched by name; if none is known, the last layer is replaced.
    new_classes  With --from: also replace the last layer if only some of the classes are known, or fewer.
    freeze       (--freeze NAME) Do not train a layer: conv1, or a pattern such as "conv*", or backbone,
                 all but the last; can be repeated.
    recipe       best: reaches the model's target accuracy; tutorial: as in the model's source.
    dtype        (--dtype NAME) float32 or float64.  [default: float32]
    """


@options.option_group(
    click.option(
        "--resize",
        callback=_size,
        metavar="HxW",
        help="Resize the images of a folder.  [default: none if all have the same size of at most 64x64; "
        "otherwise a square with the longest side of any image, at most 64x64; the network's input size if "
        "it is fixed, as with --from]",
    ),
    options.skip_damaged,
    recipe_options("data"),
)
def data(
    *,
    data: options.DataName = None,
    limit: options.Whole = None,
    stream: options.Switch = None,
) -> None:
    """Declare the training data.

    data           mnist, fashion-mnist, cifar10, shapes or noisy-mnist; a folder with a subfolder per class, a table
                   labels.csv, or the subfolders images and masks; or a FILE.npz with x and y.
    limit          Train on only N images, selected by the seed.
    stream         (--stream/--no-stream) Decode the images of a folder when they are needed, instead of loading all of
                   them.  [default: only if they would need more than 1 GB]
    """


@options.option_group(recipe_options("training"))
def training(*, learning_rate: options.Real = None) -> None:
    """Declare the training as a whole.

    learning_rate  (--learning-rate,--lr) Learning rate; multiplied by the schedule's factor.
    """


@options.option_group(recipe_options("step"))
def step(
    *,
    optimizer: Annotated[str | None, options.Name()] = None,
    momentum: options.Real = None,
    alpha: options.Real = None,
    beta1: options.Real = None,
    beta2: options.Real = None,
    weight_decay: options.Real = None,
) -> None:
    """Declare the optimizer and its steps.

    optimizer     sgd, momentum, nesterov, rmsprop, adam or adamw. The recipe's learning rate and other hyperparameters
                  are kept between momentum and nesterov, and between adam and adamw; otherwise the optimizer's defaults
                  apply.
    momentum      Momentum of momentum, nesterov and rmsprop.
    alpha         Decay rate of the running mean square in rmsprop.
    beta1         Decay rate of the first moment in adam and adamw.
    beta2         Decay rate of the second moment in adam and adamw.
    weight_decay  adamw (which replaces adam): shrink the parameters by X times the learning rate per step. Other
                  optimizers: add X times the parameters to the gradient; equivalent for sgd.
    """


optimization = options.combine(training, step)


@options.option_group(options.quiet, options.as_json)
def output(*, out: options.InputPath = None, resume: options.InputPath = None) -> None:
    """Declare what is written.

    out          (--out RUN) Run folder.  [default: runs/MODEL-DATE-TIME]
    resume       (--resume RUN) Resume an interrupted run, bit for bit. With --epochs N (total), also extend a finished
                 run.
    """
