"""Options of `chainrule train`, in groups."""

import re
from typing import Any

import click

from chainrule.cli import options
from chainrule.cli.options import INTEGER, NUMBER
from chainrule.errors import quoted

SIZE = re.compile(r"([0-9]{1,9})[x×]([0-9]{1,9})")
MOST_SIDE = 4096  # largest height and width to resize images to, in pixels


def _optimizer_names() -> list[str]:
    from chainrule.training import optimizers

    return list(optimizers.NAMED)


def _schedule_names() -> list[str]:
    from chainrule.training import schedules

    return list(schedules.NAMED)


def _loss_names() -> list[str]:
    from chainrule.training import losses

    return list(losses.NAMES)


def _size(context: click.Context, parameter: click.Parameter, value: Any) -> tuple[int, int] | None:
    """Parse "28x28" into (H, W)."""
    if value is None:
        return None
    size = SIZE.fullmatch(str(value).lower())
    if size is None or not all(1 <= int(side) <= MOST_SIDE for side in size.groups()):
        raise click.BadParameter(f"{quoted(value)}: expected a height and a width up to {MOST_SIDE}, as 28x28")
    return int(size[1]), int(size[2])


network = options.combine(
    click.option("--model", metavar="NAME", shell_complete=options.completer(options.model_names),
                 help="A network of `chainrule models`, or your own: FILE.py:NAME, FILE.toml, FILE.json.  [default: "
                 "numpy-cnn; photo-cnn for images of your own]"),
    click.option("--from", "source", type=options.PATH, metavar="FILE",
                 help="Go on from a model file or a run folder: its network, weights and normalization, with a new "
                 "last layer where the classes are others."),
    click.option("--freeze", multiple=True, metavar="NAME",
                 help='Leave a layer as it is: conv1, or a pattern, "conv*"; may be repeated.'),
    click.option("--recipe", default="best", show_default=True, metavar="WHICH",
                 shell_complete=options.completer(lambda: ["best", "tutorial"]),
                 help="best: the one that reaches the model's target accuracy; tutorial: the one its source states."),
    click.option("--dtype", metavar="NAME", help="float32 or float64.  [default: float32]"),
    click.option("--seed", type=INTEGER, metavar="N",
                 help="Seed of the initial weights, sample order, dropout and augmentation."),
)  # fmt: skip
data = options.combine(
    click.option("--data", type=options.PATH_OR_NAME, metavar="WHAT",
                 shell_complete=options.completer(options.data_names),
                 help="mnist, fashion-mnist or cifar10; a folder with a sub-folder per class, optionally within train, "
                 "val and test; or a FILE.npz with x and y."),
    options.data_location,
    click.option("--limit", type=INTEGER, metavar="N", help="Train on N images only, chosen by the seed."),
    click.option("--validation", type=NUMBER, metavar="SHARE",
                 help="Share of every class held back for validation after every epoch; by default the recipe's, and "
                 "more for small data sets."),
    click.option("--resize", callback=_size, metavar="HxW",
                 help="Resize the images of a folder to this size; by default to 64x64, unless all are of one smaller "
                 "size."),
    options.skip_damaged,
    click.option("--normalization", metavar="KIND", help="Normalization: scale (to 0…1), standardize or none."),
    click.option("--augment", metavar="TEXT",
                 help='Transform images at random: "shift=2,rotation=10,scale=0.1,flip,reflect", or none; flip='
                 "alternate mirrors every image in every second epoch, reflect fills the border with mirrored pixels."),
    click.option("--views", metavar="TEXT",
                 help='Also test with outputs averaged over views of each image: "flip,shift=1", or none.'),
)  # fmt: skip
TRAINING = ("epochs", "learning_rate", "schedule", "patience", "ema_decay")  # options of a training as a whole
training = options.combine(
    click.option("--epochs", type=INTEGER, metavar="N", help="Passes over the training images."),
    click.option("--learning-rate", "--lr", "learning_rate", type=NUMBER, metavar="X",
                 help="Learning rate, which the schedule multiplies."),
    click.option("--schedule", metavar="NAME", shell_complete=options.completer(_schedule_names),
                 help="constant, step, cosine, one-cycle, warm-up or triangular."),
    click.option("--ema-decay", type=NUMBER, metavar="X",
                 help="Keep the exponential moving average of the weights with this decay, such as 0.999, in place of "
                 "the last weights."),
    click.option("--patience", type=INTEGER, metavar="N", help="Stop after N epochs without a better validation loss."),
)  # fmt: skip
step = options.combine(
    click.option("--batch-size", type=INTEGER, metavar="N", help="Images per step."),
    click.option("--optimizer", metavar="NAME", shell_complete=options.completer(_optimizer_names),
                 help="sgd, momentum, nesterov, rmsprop, adam or adamw. Changing between momentum and nesterov, or "
                 "adam and adamw, keeps the recipe's learning rate and other options; any other starts from its "
                 "defaults."),
    click.option("--momentum", type=NUMBER, metavar="X", help="Momentum of momentum, nesterov and rmsprop."),
    click.option("--alpha", type=NUMBER, metavar="X",
                 help="Smoothing constant of rmsprop: the share of the running mean square that is kept."),
    click.option("--beta1", type=NUMBER, metavar="X", help="Decay rate of the first moment, in adam and adamw."),
    click.option("--beta2", type=NUMBER, metavar="X", help="Decay rate of the second moment, in adam and adamw."),
    click.option("--weight-decay", type=NUMBER, metavar="X",
                 help="Shrink the parameters by X times the learning rate per step (adamw, which replaces adam), or "
                 "add X times the parameters to the gradient (other optimizers); the same for sgd."),
    click.option("--loss", metavar="NAME", shell_complete=options.completer(_loss_names),
                 help="half_squared_error, mean_squared_error, mean_absolute_error, huber, binary_cross_entropy, "
                 "categorical_cross_entropy or softmax_cross_entropy."),
    click.option("--label-smoothing", type=NUMBER, metavar="SHARE", help="Label smoothing, for classes."),
    click.option("--class-weight", metavar="TEXT",
                 help='Weights of the classes in the loss: balanced (all classes count alike), or "cat=2,dog=0.5".'),
    click.option("--gradient-accumulation-steps", type=INTEGER, metavar="N",
                 help="Compute the gradient of a batch in N parts, one after the other, which takes less memory."),
    click.option("--shards", type=INTEGER, metavar="N",
                 help="Compute the gradient of a batch in N shards: the same bits for any number of workers "
                 "(mpiexec -n 4 chainrule train; 8 there), each with one thread unless --threads says otherwise."),
    click.option("--lr-multipliers", metavar="TEXT",
                 help='Factors of the learning rate by parameter or layer: "beta=64,conv1.w=0"; 0 freezes.'),
    click.option("--lookahead", metavar="TEXT",
                 help='Return every few steps to a slow copy of the network: "every=5,decay=0.77", or none.'),
    click.option("--clip-norm", type=NUMBER, metavar="X", help="Clip the gradient to this norm."),
)  # fmt: skip
optimization = options.combine(training, step)
output = options.combine(
    click.option("--out", type=options.PATH, metavar="RUN", help="Run folder; by default a dated one under runs/."),
    click.option(
        "--resume",
        type=options.PATH,
        metavar="RUN",
        help="Resume an interrupted run, bit for bit; with --epochs N (in all), also extend a finished one.",
    ),
    click.option(
        "--tensorboard",
        type=options.PATH,
        metavar="FOLDER",
        help="Also write event files for TensorBoard to this folder.",
    ),
    options.accept_changes,
    options.quiet,
    options.as_json,
)
