"""Options of `chainrule train`, in groups."""

import re
from typing import Any

import click

from chainrule.cli import options
from chainrule.cli.options import INTEGER, NUMBER
from chainrule.errors import quoted

SIZE = re.compile(r"([0-9]{1,9})[x×]([0-9]{1,9})")
MAX_SIDE = 4096  # pixels; maximum height and width of resized images


def _optimizer_names() -> list[str]:
    from chainrule.training import optimizers

    return list(optimizers.NAMED)


def _schedule_names() -> list[str]:
    from chainrule.training import schedules

    return list(schedules.NAMED)


def _loss_names() -> list[str]:
    from chainrule.network import losses

    return list(losses.NAMES)


def _size(context: click.Context, parameter: click.Parameter, value: Any) -> tuple[int, int] | None:
    """Parse "28x28" into (H, W)."""
    if value is None:
        return None
    size = SIZE.fullmatch(str(value).lower())
    if size is None or not all(1 <= int(side) <= MAX_SIDE for side in size.groups()):
        raise click.BadParameter(f"{quoted(value)}: expected HxW, such as 28x28, with sides of at most {MAX_SIDE}")
    return int(size[1]), int(size[2])


network = options.combine(
    click.option("--model", metavar="NAME", shell_complete=options.completer(options.model_names),
                 help="Network from `chainrule models`, or your own: FILE.py:NAME, FILE.toml, FILE.json.  [default: "
                 "numpy-cnn; photo-cnn for your own images]"),
    click.option("--from", "source", type=options.PATH, metavar="FILE",
                 help="Start from the network, weights and normalization of a model file or a run folder; the last "
                 "layer is replaced if the classes differ."),
    click.option("--freeze", multiple=True, metavar="NAME",
                 help='Do not train a layer: conv1, or a pattern such as "conv*"; can be repeated.'),
    click.option("--recipe", default="best", show_default=True, metavar="NAME",
                 shell_complete=options.completer(lambda: ["best", "tutorial"]),
                 help="best: reaches the model's target accuracy; tutorial: as in the model's source."),
    click.option("--dtype", metavar="NAME", help="float32 or float64.  [default: float32]"),
    click.option("--seed", type=INTEGER, metavar="N",
                 help="Seed of the initial weights, sample order, dropout and augmentation."),
)  # fmt: skip
data = options.combine(
    click.option("--data", type=options.PATH_OR_NAME, metavar="DATA",
                 shell_complete=options.completer(options.data_names),
                 help="mnist, fashion-mnist, cifar10, shapes or noisy-mnist; a folder with a subfolder per class, "
                 "optionally inside train, val and test; or a FILE.npz with x and y."),
    options.data_location,
    click.option("--limit", type=INTEGER, metavar="N", help="Train on only N images, selected by the seed."),
    click.option("--validation", type=NUMBER, metavar="FRACTION",
                 help="Fraction of every class held back for validation after every epoch.  [default: from the recipe; "
                 "larger for small data sets]"),
    click.option("--resize", callback=_size, metavar="HxW",
                 help="Resize the images of a folder.  [default: none if all have the same size of at most 64x64; "
                 "otherwise a square with the longest side of any image, at most 64x64; the network's input size if "
                 "it is fixed, as with --from]"),
    options.skip_damaged,
    click.option("--stream/--no-stream", default=None,
                 help="Decode the images of a folder when they are needed, instead of loading all of them.  [default: "
                 "only if they would need more than 1 GB]"),
    click.option("--normalization", metavar="NAME", help="Normalization: scale (to 0…1), standardize or none."),
    click.option("--augment", metavar="TEXT",
                 help='Random transformations: "shift=2,rotation=10,scale=0.1,flip,reflect", or none. flip=alternate '
                 "mirrors every image in every second epoch; reflect fills the border with mirrored pixels."),
    click.option("--views", metavar="TEXT",
                 help='Also test with outputs averaged over views of each image: "flip,shift=1", or none.'),
)  # fmt: skip
TRAINING = ("epochs", "learning_rate", "schedule", "patience", "ema_decay")  # options for the training as a whole
training = options.combine(
    click.option("--epochs", type=INTEGER, metavar="N", help="Passes over the training images."),
    click.option("--learning-rate", "--lr", "learning_rate", type=NUMBER, metavar="X",
                 help="Learning rate; multiplied by the schedule's factor."),
    click.option("--schedule", metavar="NAME", shell_complete=options.completer(_schedule_names),
                 help="Learning rate schedule: constant, step, cosine, one-cycle, warm-up or triangular."),
    click.option("--ema-decay", type=NUMBER, metavar="X",
                 help="Save an exponential moving average of the weights with this decay, such as 0.999, instead of "
                 "the last weights."),
    click.option("--patience", type=INTEGER, metavar="N",
                 help="Stop after N epochs without a lower validation loss."),
)  # fmt: skip
step = options.combine(
    click.option("--batch-size", type=INTEGER, metavar="N", help="Images per step."),
    click.option("--optimizer", metavar="NAME", shell_complete=options.completer(_optimizer_names),
                 help="sgd, momentum, nesterov, rmsprop, adam or adamw. The recipe's learning rate and other "
                 "hyperparameters are kept between momentum and nesterov, and between adam and adamw; otherwise the "
                 "optimizer's defaults apply."),
    click.option("--momentum", type=NUMBER, metavar="X", help="Momentum of momentum, nesterov and rmsprop."),
    click.option("--alpha", type=NUMBER, metavar="X",
                 help="Decay rate of the running mean square in rmsprop."),
    click.option("--beta1", type=NUMBER, metavar="X", help="Decay rate of the first moment in adam and adamw."),
    click.option("--beta2", type=NUMBER, metavar="X", help="Decay rate of the second moment in adam and adamw."),
    click.option("--weight-decay", type=NUMBER, metavar="X",
                 help="adamw (which replaces adam): shrink the parameters by X times the learning rate per step. Other "
                 "optimizers: add X times the parameters to the gradient; equivalent for sgd."),
    click.option("--loss", metavar="NAME", shell_complete=options.completer(_loss_names),
                 help="half_squared_error, mean_squared_error, mean_absolute_error, huber, binary_cross_entropy, "
                 "categorical_cross_entropy, softmax_cross_entropy, binary_focal_cross_entropy, "
                 "categorical_focal_cross_entropy or dice."),
    click.option("--label-smoothing", type=NUMBER, metavar="X", help="Label smoothing, for classification."),
    click.option("--class-weight", metavar="TEXT",
                 help='Weights of the classes in the loss: balanced (equal total weight per class), or '
                 '"cat=2,dog=0.5".'),
    click.option("--ignore-label", type=INTEGER, metavar="LABEL",
                 help="For masks: the value of pixels that do not count, such as 255."),
    click.option("--gradient-accumulation-steps", type=INTEGER, metavar="N",
                 help="Split each batch into N parts and add up their gradients, to use less memory."),
    click.option("--shards", type=INTEGER, metavar="N",
                 help="Split each batch into N shards, so that results are bit-identical for any number of workers "
                 "(mpiexec -n 4 chainrule train). Each worker uses one thread unless --threads is set.  [default: 1; "
                 "8 for several workers]"),
    click.option("--lr-multipliers", metavar="TEXT",
                 help='Learning rate factors by parameter or layer: "beta=64,conv1.w=0"; 0 freezes.'),
    click.option("--lookahead", metavar="TEXT",
                 help='Replace the weights by a slow running average every few steps: "every=5,decay=0.77", or '
                 "none."),
    click.option("--clip-norm", type=NUMBER, metavar="X", help="Clip the gradient to this norm."),
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
        type=options.PATH,
        metavar="FOLDER",
        help="Also write TensorBoard event files to this folder.",
    ),
    options.accept_changes,
    options.quiet,
    options.as_json,
)
