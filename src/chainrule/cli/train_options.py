"""The options of `chainrule train`, in groups."""

from typing import Any

import click

from chainrule.cli import options


def _optimizer_names() -> list[str]:
    from chainrule import optimizers

    return list(optimizers.NAMED)


def _schedule_names() -> list[str]:
    from chainrule import schedules

    return list(schedules.NAMED)


def _loss_names() -> list[str]:
    from chainrule import losses

    return list(losses.NAMES)


def _size(context: click.Context, parameter: click.Parameter, value: Any) -> tuple[int, int] | None:
    """The pair (H, W) of "28x28"."""
    if value is None:
        return None
    parts = str(value).lower().replace("×", "x").split("x")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and int(part) for part in parts):
        raise click.BadParameter(f"{value!r}: expected a height and a width, as 28x28")
    return int(parts[0]), int(parts[1])


network = options.together(
    click.option("--model", default="numpy-cnn", show_default=True, metavar="NAME",
                 shell_complete=options.names(options.model_names), help="A network of `chainrule models`."),
    click.option("--recipe", default="best", show_default=True, metavar="WHICH",
                 shell_complete=options.names(lambda: ["best", "tutorial"]),
                 help="best reaches the model's figure; tutorial is what its source states."),
    click.option("--dtype", default="float32", show_default=True, metavar="NAME", help="float32 or float64."),
    click.option("--seed", type=int, metavar="N", help="Of the first weights, the order, dropout and augmentation."),
)  # fmt: skip
material = options.together(
    click.option("--data", type=options.WORD, metavar="WHAT", shell_complete=options.names(options.data_names),
                 help="mnist, fashion-mnist, cifar10; a folder with a sub-folder a class; a FILE.npz with x and y."),
    options.where,
    click.option("--limit", type=int, metavar="N", help="Train on so many images, chosen by the seed."),
    click.option("--validation", type=float, metavar="SHARE", help="Hold back a share to validate after every epoch."),
    click.option("--resize", callback=_size, metavar="HxW", help="Bring the pictures of a folder to this size."),
    click.option("--normalise", metavar="KIND", help="scale (to 0…1), standardise or none."),
    click.option("--augment", metavar="TEXT", help='Change images at random: "shift=2,rotation=10,scale=0.1,flip".'),
)  # fmt: skip
steps = options.together(
    click.option("--epochs", type=int, metavar="N", help="Passes over the training images."),
    click.option("--batch-size", type=int, metavar="N", help="Images a step."),
    click.option("--lr", "rate", type=float, metavar="X", help="The rate, which the schedule multiplies."),
    click.option("--optimizer", metavar="NAME", shell_complete=options.names(_optimizer_names),
                 help="sgd, momentum, nesterov, adam or adamw. momentum and nesterov keep each other's numbers, "
                 "so do adam and adamw; any other begins with its own rate."),
    click.option("--momentum", type=float, metavar="X", help="Of momentum and nesterov."),
    click.option("--beta1", type=float, metavar="X", help="Of adam and adamw."),
    click.option("--beta2", type=float, metavar="X", help="Of adam and adamw."),
    click.option("--loss", metavar="NAME", shell_complete=options.names(_loss_names),
                 help="half_squared_error, mean_squared_error, binary_cross_entropy, categorical_cross_entropy "
                 "or softmax_cross_entropy."),
    click.option("--schedule", metavar="NAME", shell_complete=options.names(_schedule_names),
                 help="constant, step, cosine, one-cycle or warm-up."),
    click.option("--clip-norm", type=float, metavar="X", help="Shrink longer gradients to this norm."),
    click.option("--patience", type=int, metavar="N", help="Stop after N epochs without a better validation loss."),
)  # fmt: skip
outcome = options.together(
    click.option("--out", type=options.PATH, metavar="RUN", help="The run folder; else a dated one under runs/."),
    click.option("--resume", type=options.PATH, metavar="RUN", help="Go on with a run that was stopped, bit for bit."),
    options.quiet,
    options.as_json,
)
