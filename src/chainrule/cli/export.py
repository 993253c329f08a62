"""The command `chainrule export`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli import options

if TYPE_CHECKING:
    from chainrule.models.model import Model
    from chainrule.runs.jobs import Job


CALIBRATION_IMAGES = 500  # training images used to measure the ranges of activations


@click.command(short_help="Write a trained network for other software: ONNX, C.")
@click.argument("run", metavar="RUN", type=options.PATH)
@click.option("--onnx", "onnx_file", metavar="FILE", type=options.PATH, help="Write a new ONNX file.")
@click.option(
    "--opset",
    metavar="N",
    type=options.INTEGER,
    help="Version of the ONNX operators; by default the lowest, from 13, that the network can use.",
)
@click.option("--c", "c_folder", metavar="FOLDER", type=options.PATH, help="Write C99 files into a folder.")
@click.option("--wasm", "wasm_file", metavar="FILE", type=options.PATH, help="Write a .wasm file, module and page.")
@click.option("--train", is_flag=True, help="With --c: also a function that takes a training step (SGD).")
@click.option("--int8", is_flag=True, help="With --c: use int8 arithmetic, calibrated on the run's training images.")
@click.option("--compact", is_flag=True, help="With --c or --wasm: prefer small memory to speed.")
@options.precise
@click.option("--raw-input", is_flag=True, help="Leave out the normalization of inputs.")
@options.accept_changes
def export(
    run: Path,
    onnx_file: Path | None,
    opset: int | None,
    c_folder: Path | None,
    wasm_file: Path | None,
    train: bool,
    int8: bool,
    compact: bool,
    precise: bool,
    raw_input: bool,
    accept_changes: bool,
) -> None:
    """Export the network in RUN for other software; docs/deploying.md explains how to use the files.

    RUN is a run folder or a model file: .safetensors, .onnx, .keras or .h5.
    """
    from chainrule.cli import run_paths
    from chainrule.errors import OptionError

    if onnx_file is None and c_folder is None and wasm_file is None:
        raise OptionError("nothing to write: add --onnx FILE, --c FOLDER or --wasm FILE")
    for option, value in (("--train", train), ("--int8", int8)):
        if value and c_folder is None:
            raise OptionError(f"{option} applies to C: add --c FOLDER")
    for option, value in (("--compact", compact), ("--precise", precise)):
        if value and c_folder is None and wasm_file is None:
            raise OptionError(f"{option} applies to C: add --c FOLDER or --wasm FILE")
    if int8 and (train or raw_input):
        raise OptionError("--int8 cannot be combined with --train or --raw-input")
    if opset is not None and onnx_file is None:
        raise OptionError("--opset applies to ONNX: add --onnx FILE")
    if onnx_file:
        _require_new(onnx_file)
    if c_folder:
        run_paths.require_folder(c_folder)
    model, job = _open(run, precise=precise, accept_changes=accept_changes)
    if int8 or wasm_file:
        from chainrule.cli import loading

        loading.require_one_input_and_output(model, run)
    if onnx_file:
        facts = _facts(model, run, job, accept_changes=accept_changes)
        click.echo(_write_onnx(model, onnx_file, facts, opset=opset, raw_input=raw_input))
    if raw_input:
        _leave_out_normalization(model)
    if c_folder:
        click.echo(
            _write_int8(model, job, c_folder) if int8 else _write_c(model, c_folder, train=train, compact=compact)
        )
    if wasm_file:
        click.echo(_write_wasm(model, wasm_file, compact=compact))


def _require_new(file: Path) -> None:
    """Raise RunError if a file exists or cannot be written, before any work is done."""
    from chainrule.cli import run_paths
    from chainrule.errors import RunError

    run_paths.require_writable(file)
    if file.exists():
        raise RunError(f"{file} exists already; choose another name, or remove it")


def _open(run: Path, *, precise: bool, accept_changes: bool) -> "tuple[Model, Job | None]":
    """Load the model of a run folder or a file on the NumPy engine; return it with the job, if there is one."""
    from chainrule.cli import loading
    from chainrule.runs.folder import CONFIG
    from chainrule.runs.loading import load

    if run.is_dir() and not (run / CONFIG).is_file():
        return load(run, engine="numpy", precise=precise), None
    return loading.load_model_and_job(run, engine="numpy", precise=precise, accept_changes=accept_changes)


def _facts(model: "Model", run: Path, job: "Job | None", *, accept_changes: bool) -> dict[str, str]:
    """Return metadata about the model's training as text: data, hyperparameters, duration and results."""
    from chainrule.cli import loading

    if job is None:
        return {}
    folder = run if run.is_dir() else run.parent
    run_record = loading.load_run(folder, accept_changes=accept_changes)
    facts = {"data": job.choice.name, "seed": job.recipe.seed, "epochs": len(run_record.history.epochs)}
    facts |= {
        "steps": len(run_record.history),
        "batch_size": job.recipe.batch_size,
        "optimizer": job.recipe.optimizer.name,
    }
    if run_record.evaluation and _is_final(model, folder):
        facts |= {f"test_{name}": value for name, value in run_record.evaluation.items() if isinstance(value, float)}
    return {name: str(value) for name, value in facts.items()}


def _is_final(model: "Model", folder: Path) -> bool:
    """Return whether the model has the run's final weights, which were used for its evaluation."""
    import numpy as np

    from chainrule._io.files import read_tensors
    from chainrule.runs.folder import MODEL

    final = read_tensors(folder / MODEL, "model")[0] if (folder / MODEL).is_file() else {}
    return all(np.array_equal(value, final.get(name, ())) for name, value in model.weights.items())


def _write_onnx(model: "Model", file: Path, facts: dict[str, str], *, opset: int | None, raw_input: bool) -> str:
    """Write an ONNX file; return a line that describes it."""
    from chainrule.core.shapes import text
    from chainrule.interop.onnx.exporter import input_units, model_message, write

    message = model_message(model, facts, opset=opset, raw_input=raw_input)
    write(message, file)
    size, version = file.stat().st_size, message.opsets[0].version
    description = f"x N×{text(model.input_shape)} ({input_units(model, raw_input)}), y N×{text(model.output_shape)}"
    return f"{file}: {description}, opset {version}, {size / 1000:,.0f} kB"


def _leave_out_normalization(model: "Model") -> None:
    from chainrule.data.normalization import Normalization

    model.normalization = Normalization("none")


def _write_c(model: "Model", folder: Path, *, train: bool, compact: bool) -> str:
    """Write C files; return a line with their names and the memory required by the program."""
    from chainrule.interop.c import write_c

    return str(write_c(model, folder, train=train, compact=compact))


def _write_int8(model: "Model", job: "Job | None", folder: Path) -> str:
    """Write C files that use integer arithmetic; return a description with the metric in floats and in int8."""
    from chainrule.cli.output import format_metric
    from chainrule.errors import OptionError
    from chainrule.interop.c import Quantized, write_c

    if job is None:
        raise OptionError("--int8 is calibrated on training images: it needs a run folder, not a model file")
    training, test = job.choice.load(job.recipe.seed)
    quantized = Quantized(model, training.x[:CALIBRATION_IMAGES])
    float_evaluation = model.evaluate(test)
    int8_evaluation = quantized.evaluate(float_evaluation, test.x)
    written, metric = write_c(model, folder, int8=quantized), float_evaluation.task.metric
    float_metric, int8_metric = (
        format_metric(metric, evaluation.figures[metric]) for evaluation in (float_evaluation, int8_evaluation)
    )
    return f"{written}\n{metric.replace('_', ' ')} on {test.name}: {float_metric} in floats, {int8_metric} in int8"


def _write_wasm(model: "Model", file: Path, *, compact: bool) -> str:
    """Write a WebAssembly module, its JavaScript and a web page; return a line with the file names and sizes."""
    from chainrule.interop.c.wasm import write_wasm

    return ", ".join(f"{path} ({path.stat().st_size:,} bytes)" for path in write_wasm(model, file, compact=compact))
