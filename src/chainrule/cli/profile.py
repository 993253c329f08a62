"""The command `chainrule profile`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli import options
from chainrule.cli.output import print_json
from chainrule.errors import OptionError

if TYPE_CHECKING:
    from chainrule.models.model import Model
    from chainrule.network.ports import ArraysLike


@click.command(short_help="Measure where the time of a prediction or a training step goes.")
@click.argument("run", type=options.PATH)
@options.declared
@options.passed_as("execution", options.Execution, options.execution)
@options.as_json
def profile(
    run: Path,
    *,
    batch: int = 1,
    training: bool = False,
    operations: bool = False,
    execution: options.Execution,
    as_json: bool,
) -> None:
    """Measure where the time of one prediction, or of one training step, goes, layer by layer.

    For each layer: median time, share of the whole, multiplications and additions, parameters, and bytes read and
    written. A line says if the machine was busy. What is outside the layers follows:
    waiting for threads, sums and the update, Python. The inputs are random numbers.

    RUN is a run folder, a model file such as model.safetensors or model.onnx, or the name of a network.

    batch       Number of samples.
    training    Measure a training step with Adam instead of a prediction.
    operations  List operations instead of layers.
    """
    from chainrule import zoo
    from chainrule.cli.loading import load_model_and_job

    if batch < 1:
        raise OptionError(f"--batch {batch}: expected a whole number from 1")
    if run.exists() or run.suffix or len(run.parts) > 1:  # names of networks have neither
        model, _ = load_model_and_job(run, execution)
    else:
        model = zoo.find(str(run)).build(**asdict(execution))
    x, y = _samples(model, batch)
    result = model.profile(x, y if training else None, operations=operations)
    if as_json:
        print_json(result.to_json())
        return
    click.echo(repr(result))


def _samples(model: "Model", count: int) -> "tuple[ArraysLike, ArraysLike]":
    """Return random inputs, and targets that every loss accepts: 1 for the first output, 0 for the others."""
    import numpy as np

    from chainrule.core.arrays import Array

    draw = np.random.default_rng(0)
    x: ArraysLike = draw.normal(size=(count, *model.input_shape))
    if model.input_ports:
        x = {name: draw.normal(size=(count, *shape)) for name, shape in model.input_ports.shapes.items()}
    y = dict[str, Array]()
    for end in model.outputs:
        y[end.name] = np.zeros((count, *end.shape))
        y[end.name][:, 0] = 1
    return x, y
