"""`make int8-accuracy`: accuracy of trained networks in int8 arithmetic, here and in ONNX Runtime.

Both use the same calibration images. ONNX Runtime quantizes the exported ONNX file, after its own preprocessing: static
quantization in the QDQ format, with a scale for each filter and the ranges of the calibration images. It runs without
optimizations, because its integer sums saturate on processors without VNNI instructions.

Networks of runs are measured, and three that are trained here on the data of the first run, written as ONNX files and
imported from them.
"""

import logging
import tempfile
import warnings
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.commands.tables import Table, insert
from benchmarks.imported_networks import NETWORKS
from chainrule.cli import loading, options
from chainrule.data.dataset import Dataset
from chainrule.interop.c import Quantized
from chainrule.interop.onnx.exporter import export_onnx
from chainrule.layers import Input
from chainrule.models.model import Graph, Model
from chainrule.runs.jobs import Job

CALIBRATION_IMAGES, TEST_IMAGES = 200, 500
IMPORTED = ("ds-cnn", "mobilenet-v2", "mobilenet-v3-small")
TRAINING_IMAGES = 20_000  # of the imported networks
Array = NDArray[Any]


def onnx_runtime_outputs(model: Model, calibration: Array, x: Array) -> Array:
    """Return the outputs (N, …) of ONNX Runtime for a model that it quantized statically."""
    runtime: Any = import_module("onnxruntime")
    quantization: Any = import_module("onnxruntime.quantization")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        plain = Path(folder, "plain.onnx")
        prepared = Path(folder, "prepared.onnx")
        quantized = Path(folder, "quantized.onnx")
        export_onnx(model, plain)
        quantization.shape_inference.quant_pre_process(plain, prepared, skip_symbolic_shape=True)  # that needs SymPy
        settings = runtime.SessionOptions()
        settings.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        port = runtime.InferenceSession(plain, settings).get_inputs()[0]
        dtype = np.uint8 if "uint8" in port.type else np.float32
        feeds = ({port.name: image[None].astype(dtype)} for image in calibration)
        reader = SimpleNamespace(get_next=partial(next, feeds, None))
        quantization.quantize_static(prepared, quantized, reader, per_channel=True)
        session = runtime.InferenceSession(quantized, settings)
        logging.disable(logging.NOTSET)
        outputs = list[Array]()
        for image in x:
            outputs.append(session.run(None, {port.name: image[None].astype(dtype)})[0])
        return np.concatenate(outputs)


def quantized_outputs(model: Model, calibration: Array, x: Array) -> list[Array]:
    """Return the outputs (N, numbers) of int8 C and of ONNX Runtime."""
    both = Quantized(model, calibration).predict(x), onnx_runtime_outputs(model, calibration, x)
    return [outputs.reshape(len(x), -1) for outputs in both]


def relative_error(outputs: Array, expected: Array) -> float:
    """Return the norm of the difference, relative to that of the expected outputs."""
    return float(np.linalg.norm(outputs - expected) / np.linalg.norm(expected))


def row(name: str, model: Model, calibration: Array, test: Dataset) -> list[str]:
    """Return a row of the table: accuracy in floats, in int8 C and in ONNX Runtime, and the errors of the last two."""
    evaluation = model.evaluate(test)
    expected = model.predict(test.x).reshape(len(test.x), -1)
    metric = evaluation.task.metric
    accuracies = [f"{100 * evaluation.figures[metric]:.1f} %"]
    errors = list[str]()
    for outputs in quantized_outputs(model, calibration, test.x):
        figures = replace(evaluation, outputs=outputs.reshape(evaluation.outputs.shape)).figures
        accuracies.append(f"{100 * figures[metric]:.1f} %")
        errors.append(f"{relative_error(outputs, expected):.5f}")
    return [name, *accuracies, *errors]


def train(name: str, file: Path, data: Dataset) -> None:
    """Train a network of `NETWORKS` for one epoch on images of another size, and write it as an ONNX file."""
    x = Input(data.x.shape[1:])
    model = Graph(x, NETWORKS[name][0](x), name=name)
    model.fit(data.x[:TRAINING_IMAGES], data.y[:TRAINING_IMAGES], epochs=1, learning_rate=0.003)
    export_onnx(model, file)


@click.command()
@options.markdown
@click.option(
    "--imported", type=click.Path(path_type=Path), required=True, help="Folder for ONNX files that are imported."
)
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def main(markdown: Path | None, imported: Path, runs: tuple[Path, ...]) -> None:
    """Print the accuracy in int8 and the relative error of the outputs, for the networks in RUNS."""
    rows = [["network", "accuracy in floats", "in int8 C", "in ONNX Runtime", "error of int8 C", "of ONNX Runtime"]]
    networks = list[tuple[str, Model, Job]]()
    for run in runs:
        model, job = loading.load_model_and_job(run, options.Execution("numpy"))
        if job is None:
            raise click.ClickException(f"{run}: expected a run folder, which names its data")
        networks.append((run.name, model, job))
    job = networks[0][2]
    for name in IMPORTED:
        file = imported / f"{name}.onnx"
        if not file.exists():
            train(name, file, job.choice.load(job.recipe.seed)[0])
        model, _ = loading.load_model_and_job(file, options.Execution("numpy"))
        networks.append((f"{name}, imported", model, job))
    for name, model, job in networks:
        training, test = job.choice.load(job.recipe.seed)
        rows.append(row(name, model, training.x[:CALIBRATION_IMAGES], test[:TEST_IMAGES]))
        click.echo(" ".join(rows[-1]), err=True)
    table = Table(rows)
    table.print()
    insert(markdown, [table], "", "int8 accuracy")


if __name__ == "__main__":
    main()
