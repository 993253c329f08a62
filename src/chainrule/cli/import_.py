"""`chainrule import`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli import options

if TYPE_CHECKING:
    from chainrule.model import Model


@click.command(name="import", short_help="Read a network, or weights, that another framework wrote.")
@click.argument("file", metavar="FILE", type=options.PATH)
@click.option("--out", metavar="MODEL.safetensors", type=options.PATH, help="Write the model to a file.")
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=options.names(options.model_names),
    help="Network that weights are for: the name of one (chainrule models), or a model file.",
)
@click.option(
    "--map",
    "pairs",
    metavar="HERE=THERE",
    multiple=True,
    help="Name of a layer here, and in a file of weights; may be given several times.",
)
def import_(file: Path, out: Path | None, model: str | None, pairs: tuple[str, ...]) -> None:
    """Read a network from FILE.onnx, or weights from FILE.pt, .pth or .safetensors, and print its layers.

    Nothing in the file is run. What chainrule cannot express is refused by name; docs/importing.md says what it can.
    """
    from chainrule.cli import run_paths
    from chainrule.errors import OptionError
    from chainrule.model import load

    if out is not None:
        run_paths.require_writable(out)
    if file.suffix.lower() == ".onnx":
        if model is not None or pairs:
            raise OptionError("--model and --map are for files of weights; an ONNX file describes its network itself")
        made = load(file)
    else:
        made = _with_weights(file, model, pairs)
    click.echo(made.summary())
    if out is not None:
        made.save(out)
        click.echo(out)


def _with_weights(file: Path, model: str | None, pairs: tuple[str, ...]) -> "Model":
    """Return the named network, or that of a model file, with the weights of a file; print which went where."""
    from chainrule import zoo
    from chainrule.errors import OptionError
    from chainrule.model import load

    if model is None:
        raise OptionError(f"{file} holds weights alone: name the network that they are for, --model NAME")
    if wrong := [pair for pair in pairs if pair.count("=") != 1]:
        raise OptionError(f"--map {wrong[0]!r}: expected HERE=THERE")
    made = load(model) if Path(model).suffix else zoo.find(model).build()
    found = made.load_weights(file, dict(pair.split("=") for pair in pairs))
    width = max(map(len, found))
    for name, source in found.items():
        click.echo(f"{name.ljust(width)}  ←  {source}")
    click.echo()
    return made
