"""The command `chainrule import`."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli import options, run_paths
from chainrule.errors import OptionError

if TYPE_CHECKING:
    from chainrule.models.model import Model


@click.command(name="import", short_help="Read a network, or weights, that another framework wrote.")
@click.argument("file", type=options.PATH, required=False)
@options.declared
def import_(
    file: Path | None,
    *,
    out: options.InputPath = None,
    model: options.ModelName = None,
    pairs: options.Texts = (),
    normalize: options.Text = None,
    outputs: options.Texts = (),
    shape: options.Text = None,
    operators: bool = False,
    layers: bool = False,
) -> None:
    """Read a network (ONNX, .keras, .h5, .tflite), or weights (.safetensors), and print its layers.

    No code in the file is run. If a layer is not supported, an error names it; see docs/importing.md.

    out        (--out MODEL.safetensors) Write the model to a file.
    model      Network for the weights: a name (see chainrule models) or a model file.
    pairs      (--map HERE=THERE) Name of a layer in the network, and in a file of weights; may be repeated.
    normalize  (--normalize mean=…,std=…) Normalize inputs: imagenet, or a number or one for each channel:
               mean=0.48,0.45,0.41,std=0.23,0.22,0.22.
    outputs    (--output NAME) Import only this output; may be repeated.
    shape      (--shape C,H,W) Sizes of inputs that the file leaves open, such as 3,224,224, or by their names: T=128.
    operators  List the ONNX operators that can be read, and what they become.
    layers     List the Keras layers that can be read, and what they become.
    """
    from chainrule.interop.importing import holds_network
    from chainrule.layers import expressions
    from chainrule.models.input_normalization import description
    from chainrule.models.serialization import model_path
    from chainrule.runs.loading import load

    if operators:
        click.echo(operator_list())
        return
    if layers:
        click.echo(layer_list())
        return
    if file is None:
        raise OptionError("no FILE to read; name one, or use --operators or --layers")
    if out is not None:
        run_paths.require_writable(model_path(out))
    if holds_network(file):
        if model is not None or pairs:
            raise OptionError(f"--model and --map apply to files of weights; {file} contains its network")
        sizes = None
        if shape is not None:
            sizes = expressions.shape(shape) if "=" not in shape else _named_sizes(shape)
        network = load(file, outputs=outputs, shape=sizes)
    elif outputs or shape:
        raise OptionError(f"--output and --shape apply to networks; {file} contains only weights")
    else:
        network = _with_weights(file, model, pairs)
    if normalize is not None:
        network = network.with_input_normalization(normalize)
    click.echo(network.summary())
    click.echo(f"\n{description(network.normalization, network.layers, network.wiring)}")
    if out is not None:
        network.save(out)
        click.echo(out)


def _named_sizes(text: str) -> dict[str, int]:
    """Return sizes by name from a text such as H=224,W=224."""
    pairs = [part.rpartition("=") for part in text.split(",")]
    if not all(name and size.isdigit() for name, _, size in pairs):
        raise OptionError(f"--shape {text!r}: expected sizes such as 3,224,224, or H=224,W=224")
    return {name: int(size) for name, _, size in pairs}


def _with_weights(file: Path, model: str | None, pairs: tuple[str, ...]) -> "Model":
    """Load a network by name or from a model file, with weights from a file; print the source of each parameter."""
    from chainrule import zoo
    from chainrule.interop.importing import refuse_weights
    from chainrule.runs.loading import load

    if model is None:
        refuse_weights(file)
    names = dict[str, str]()
    for pair in pairs:
        here, equals, there = pair.partition("=")
        if not equals or "=" in there:
            raise OptionError(f"--map {pair!r}: expected HERE=THERE")
        names[here] = there
    if Path(model).suffix:
        network = load(model)
    else:
        network = zoo.find(model).build()
    sources = network.load_weights(file, names)
    width = max(map(len, sources))
    for name, source in sources.items():
        click.echo(f"{name.ljust(width)}  ←  {source}")
    click.echo()
    return network


def operator_list() -> str:
    """Return a table of ONNX operators and their layers, in Markdown."""
    from chainrule.interop.onnx.operators import described
    from chainrule.plotting.markdown import table

    return table([("operator", "read as", "written for"), *described()])


def layer_list() -> str:
    """Return a table of Keras layers and their ONNX operators, and lists of activations and TFLite operators."""
    from chainrule.interop.keras.activations import FUNCTIONS
    from chainrule.interop.keras.operations import described
    from chainrule.interop.tflite.operators import OPERATORS
    from chainrule.plotting.markdown import table

    notes = (
        f"Activations, as layers or as options of layers: linear, {', '.join(sorted(FUNCTIONS))}.",
        f"Operators of TensorFlow Lite: {', '.join(sorted(OPERATORS))}.",
    )
    paragraphs = (textwrap.fill(note, 120, break_on_hyphens=False) for note in notes)
    return "\n\n".join((table([("Keras layer", "ONNX operators"), *described()]), *paragraphs))
