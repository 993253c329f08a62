"""Options of `chainrule train`, in groups."""

import re
from collections.abc import Callable
from typing import Any

import click

from chainrule.cli import options
from chainrule.cli.options import INTEGER, NUMBER
from chainrule.errors import quoted
from chainrule.training.options import OPTIONS, flag_of

SIZE = re.compile(r"([0-9]{1,9})[x×]([0-9]{1,9})")
MAX_SIDE = 4096  # pixels; maximum height and width of resized images


NAMES = {
    "schedule": options.name_in("training.schedules", "NAMED"),
    "loss": options.name_in("network.losses", "NAMES"),
}


def recipe_option(name: str) -> Callable[[Any], Any]:
    """Return the flag for an option of a recipe."""
    option = OPTIONS[name]
    kind = None if option.metavar in ("TEXT", "NAME") else INTEGER if option.is_whole else NUMBER
    return click.option(flag_of(name), type=NAMES.get(name, kind), metavar=option.metavar, help=option.help)


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


network = options.combine(
    click.option("--model", type=options.MODEL,
                 help="Network from `chainrule models`, or your own: FILE.py:NAME, FILE.toml, FILE.json.  [default: "
                 "numpy-cnn; photo-cnn for your own images]"),
    click.option("--from", "source", metavar="FILE", type=options.PATH,
                 help="Start from the network, weights and normalization of a model file or a run folder. Classes are "
                 "matched by name; if none is known, the last layer is replaced."),
    click.option("--new-classes", is_flag=True,
                 help="With --from: also replace the last layer if only some of the classes are known, or fewer."),
    click.option("--freeze", multiple=True, metavar="NAME",
                 help='Do not train a layer: conv1, or a pattern such as "conv*"; can be repeated.'),
    click.option("--recipe", default="best", show_default=True, type=options.Name(lambda: ["best", "tutorial"]),
                 help="best: reaches the model's target accuracy; tutorial: as in the model's source."),
    click.option("--dtype", metavar="NAME", help="float32 or float64.  [default: float32]"),
    recipe_options("network"),
)  # fmt: skip
data = options.combine(
    click.option("--data", type=options.DATA,
                 help="mnist, fashion-mnist, cifar10, shapes or noisy-mnist; a folder with a subfolder per class, "
                 "optionally inside train, val and test; or a FILE.npz with x and y."),
    options.data_location,
    click.option("--limit", type=INTEGER, help="Train on only N images, selected by the seed."),
    click.option("--resize", callback=_size, metavar="HxW",
                 help="Resize the images of a folder.  [default: none if all have the same size of at most 64x64; "
                 "otherwise a square with the longest side of any image, at most 64x64; the network's input size if "
                 "it is fixed, as with --from]"),
    options.skip_damaged,
    click.option("--group-pattern", metavar="REGEX",
                 help='Part of the paths of images that names their group, such as "patient\\d+": images of a group '
                 "are all used for training, or all for validation or test."),
    options.targets,
    click.option("--stream/--no-stream", default=None,
                 help="Decode the images of a folder when they are needed, instead of loading all of them.  [default: "
                 "only if they would need more than 1 GB]"),
    recipe_options("data"),
)  # fmt: skip
TRAINING = ("learning_rate", *names_of("training"))  # options for the training as a whole
training = options.combine(
    click.option("--learning-rate", "--lr", "learning_rate", type=NUMBER,
                 help="Learning rate; multiplied by the schedule's factor."),
    recipe_options("training"),
)  # fmt: skip
step = options.combine(
    click.option("--optimizer", type=options.name_in("training.optimizers", "NAMED"),
                 help="sgd, momentum, nesterov, rmsprop, adam or adamw. The recipe's learning rate and other "
                 "hyperparameters are kept between momentum and nesterov, and between adam and adamw; otherwise the "
                 "optimizer's defaults apply."),
    click.option("--momentum", type=NUMBER, help="Momentum of momentum, nesterov and rmsprop."),
    click.option("--alpha", type=NUMBER,
                 help="Decay rate of the running mean square in rmsprop."),
    click.option("--beta1", type=NUMBER, help="Decay rate of the first moment in adam and adamw."),
    click.option("--beta2", type=NUMBER, help="Decay rate of the second moment in adam and adamw."),
    click.option("--weight-decay", type=NUMBER,
                 help="adamw (which replaces adam): shrink the parameters by X times the learning rate per step. Other "
                 "optimizers: add X times the parameters to the gradient; equivalent for sgd."),
    recipe_options("step"),
)  # fmt: skip
optimization = options.combine(training, step)
output = options.combine(
    click.option("--out", type=options.PATH, metavar="RUN", help="Run folder.  [default: runs/MODEL-DATE-TIME]"),
    click.option(
        "--resume",
        type=options.PATH,
        metavar="RUN",
        help="Resume an interrupted run, bit for bit. With --epochs N (total), also extend a finished run.",
    ),
    click.option(
        "--tensorboard",
        type=options.FOLDER,
        help="Also write TensorBoard event files to this folder.",
    ),
    options.accept_changes,
    options.quiet,
    options.as_json,
)
