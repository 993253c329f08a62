"""`make int8-accuracy`: how much int8 arithmetic changes the outputs of trained networks, here and in ONNX Runtime.

Both use the same calibration images. ONNX Runtime quantizes the exported ONNX file, after its own preprocessing: static
quantization in the QDQ format, with a scale for each filter and the ranges of the calibration images. It runs without
optimizations, because its integer sums saturate on processors without VNNI instructions.
"""

import logging
import tempfile
import warnings
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.commands.tables import Table, insert
from chainrule.cli import loading, options
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


def differences(outputs: Array, expected: Array) -> tuple[float, float]:
    """Return the relative error of outputs (N, classes), and the share of samples with the expected largest output."""
    error = np.linalg.norm(outputs - expected) / np.linalg.norm(expected)
    return float(error), float((outputs.argmax(1) == expected.argmax(1)).mean())


def compare(model: Model, calibration: Array, x: Array) -> list[tuple[float, float]]:
    """Return the differences from the outputs in floats: of int8 C, and of ONNX Runtime."""
    expected = model.predict(x).reshape(len(x), -1)
    quantized = Quantized(model, calibration)
    results = quantized.predict(x), onnx_runtime_outputs(model, calibration, x)
    return [differences(outputs.reshape(expected.shape), expected) for outputs in results]


@click.command()
@options.markdown
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def main(markdown: Path | None, runs: tuple[Path, ...]) -> None:
    """Print the relative error of the outputs in int8, and the agreement of classes, for the networks in RUNS."""
    rows = [["network", "error of int8 C", "of ONNX Runtime", "same class in int8 C", "in ONNX Runtime"]]
    for run in runs:
        model, job = loading.load_model_and_job(run, engine="numpy")
        if job is None:
            raise click.ClickException(f"{run}: expected a run folder, which names its data")
        training, test = job.choice.load(job.recipe.seed)
        ours, theirs = compare(model, training.x[:CALIBRATION_IMAGES], test.x[:TEST_IMAGES])
        (error, share), (their_error, their_share) = ours, theirs
        errors = [f"{error:.5f}", f"{their_error:.5f}"]
        rows.append([run.name, *errors, f"{100 * share:.1f} %", f"{100 * their_share:.1f} %"])
    table = Table(rows)
    table.print()
    insert(markdown, [table], "", "int8 accuracy")


if __name__ == "__main__":
    main()
