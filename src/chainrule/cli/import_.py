"""`chainrule import`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli import options

if TYPE_CHECKING:
    from chainrule.models.model import Model


@click.command(name="import", short_help="Read a network, or weights, that another framework wrote.")
@click.argument("file", metavar="FILE", type=options.PATH, required=False)
@click.option("--out", metavar="MODEL.safetensors", type=options.PATH, help="Write the model to a file.")
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=options.completer(options.model_names),
    help="Network that weights are for: the name of one (chainrule models), or a model file.",
)
@click.option(
    "--map",
    "pairs",
    metavar="HERE=THERE",
    multiple=True,
    help="Name of a layer here, and in a file of weights; may be given several times.",
)
@click.option("--operators", is_flag=True, help="List the operators of ONNX that are read, and what they become.")
@click.option("--layers", is_flag=True, help="List the layers of Keras that are read, and what they become.")
@click.option("--markdown", metavar="FILE", type=options.PATH, help="Write that list to a Markdown file.")
def import_(
    file: Path | None,
    out: Path | None,
    model: str | None,
    pairs: tuple[str, ...],
    operators: bool,
    layers: bool,
    markdown: Path | None,
) -> None:
    """Read a network from FILE.onnx, .keras or .h5, or weights from .pt, .pth or .safetensors, and print its layers.

    Nothing in the file is run. What chainrule cannot express is refused by name; docs/importing.md says what it can.
    """
    from chainrule.cli import run_paths
    from chainrule.errors import OptionError
    from chainrule.interop.importing import is_network
    from chainrule.runs.loading import load

    if operators or layers:
        _list_operators(markdown) if operators else _list_layers(markdown)
        return
    if file is None:
        raise OptionError("name the FILE to read, or give --operators or --layers")
    if out is not None:
        run_paths.require_writable(out)
    if is_network(file):
        if model is not None or pairs:
            raise OptionError(f"--model and --map are for files of weights; a {file.suffix} file has its network")
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
    from chainrule.runs.loading import load

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


def _list_operators(markdown: Path | None) -> None:
    """Print a table of the operators of ONNX that layers express, and those that are folded; write it to a file too."""
    import textwrap

    from chainrule.interop.onnx.folding import FOLDED
    from chainrule.interop.onnx.operators import described
    from chainrule.plotting.markdown import insert, table

    said = f"Of constants and shapes alone, these are computed when a file is read: {', '.join(sorted(FOLDED))}."
    text = f"{table([('operator', 'read as', 'written for'), *described()])}\n\n{textwrap.fill(said, 120)}"
    click.echo(text)
    if markdown is not None:
        insert(markdown, text)


def _list_layers(markdown: Path | None) -> None:
    """Print a table of the layers of Keras that layers here express; write it to a file too."""
    import textwrap

    from chainrule.interop.keras.layers import described
    from chainrule.interop.keras.layers.activations import FUNCTIONS
    from chainrule.plotting.markdown import insert, table

    said = f"Activations, as layers or as options of layers: linear, {', '.join(sorted(FUNCTIONS))}."
    text = f"{table([('layer of Keras', 'here'), *described()])}\n\n{textwrap.fill(said, 120)}"
    click.echo(text)
    if markdown is not None:
        insert(markdown, text, ("<!-- layers -->", "<!-- end of layers -->"))
