"""`make int8-accuracy`: accuracy of trained networks in int8 arithmetic, here and in ONNX Runtime.

Both use the same calibration images. ONNX Runtime quantizes the exported ONNX file, after its own preprocessing: static
quantization in the QDQ format, with a scale for each filter and the ranges of the calibration images. It runs without
optimizations, because its integer sums saturate on processors without VNNI instructions.
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

from benchmarks.tables import Table
from chainrule.cli import loading, options
from chainrule.data.dataset import Dataset
from chainrule.interop.c import Quantized
from chainrule.interop.onnx.exporter import export_onnx
from chainrule.models.model import Model

CALIBRATION_IMAGES, TEST_IMAGES = 200, 500
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


@click.command()
@options.markdown
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def main(markdown: Path | None, runs: tuple[Path, ...]) -> None:
    """Print the accuracy in int8 and the relative error of the outputs, for the networks in RUNS."""
    rows = [["network", "accuracy in floats", "in int8 C", "in ONNX Runtime", "error of int8 C", "of ONNX Runtime"]]
    for run in runs:
        model, job = loading.load_model_and_job(run, options.Execution("numpy"))
        if job is None:
            raise click.ClickException(f"{run}: expected a run folder, which names its data")
        training, test = job.choice.load(job.recipe.seed)
        rows.append(row(run.name, model, training.x[:CALIBRATION_IMAGES], test[:TEST_IMAGES]))
        click.echo(" ".join(rows[-1]), err=True)
    Table(rows).publish(markdown, "", "int8 accuracy")


if __name__ == "__main__":
    main()
