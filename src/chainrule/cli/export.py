"""The command `chainrule export`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from chainrule._io.reading import expanded
from chainrule.cli import options
from chainrule.cli.output import format_metric, format_percent, print_json
from chainrule.core.shapes import text
from chainrule.errors import OptionError, RunError, printable
from chainrule.runs.folder import MODEL

if TYPE_CHECKING:
    from chainrule.core.arrays import Array
    from chainrule.data.dataset import Dataset, Images
    from chainrule.interop.c import Quantized
    from chainrule.models.model import Model
    from chainrule.runs.jobs import Job


CALIBRATION_IMAGES = 500  # drawn from the training images to measure the ranges of activations


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """Declare what is written.

    onnx_file    (--onnx) Write a new ONNX file.
    opset        Version of the ONNX operators; by default the lowest, from 13, that the network can use.
    c_folder     (--c) Write C99 files into a folder.
    name         (--name PREFIX) With --c: prefix of functions and files.  [default: network]
    project      With --c: form of the folder. "make" has a Makefile and a CMakeLists.txt; the others have the files of
                 a build system, an example, for microcontrollers for a board, and a test.  [default: make]
    wasm_file    (--wasm FILE) Write a .wasm file, module and page.
    int8         With --c: use int8 arithmetic.
    calibration  (--calibrate) With --int8: data that determine the scales of activations, 500 samples drawn from all: a
                 data set's name, a folder or a FILE.npz with an array x.  [default: the run's training data, or the
                 scales of a quantized network]
    scales       With --int8: how the data determine the scales: by their range, by percentiles, by the smallest squared
                 error, or the best of these for the outputs.  [default: best]
    io           With --int8: type of the input and the outputs.  [default: float]
    compact      With --c or --wasm: prefer small memory to speed.
    stream       With --c: read the next samples only and keep the state of a network of one dimension.
    raw_input    Leave out the normalization of inputs.
    """

    onnx_file: options.OutputFile = None
    opset: options.Whole = None
    c_folder: options.OutputFolder = None
    name: options.Text = None
    project: Annotated[str | None, click.Choice(["make", "cmake", "arduino", "platformio", "esp-idf", "zephyr"])] = None
    wasm_file: options.InputPath = None
    int8: bool = False
    calibration: options.DataName = None
    scales: Annotated[str | None, click.Choice(["best", "range", "percentile", "error"])] = None
    io: Annotated[str | None, click.Choice(["float", "int8", "uint8"])] = None
    compact: bool = False
    stream: bool = False
    raw_input: bool = False
    precise: bool = False

    def check(self) -> None:
        """Raise an error for options that cannot be combined, and for an ONNX file that exists."""
        if self.onnx_file is None and self.c_folder is None and self.wasm_file is None:
            raise OptionError("nothing to write: add --onnx FILE, --c FOLDER or --wasm FILE")
        to_c = self.c_folder is not None
        to_code = to_c or self.wasm_file is not None
        # Each row: an option, its value, what it applies to, and whether that is exported.
        for option, value, target, is_written in (
            ("--name", self.name, "C: add --c FOLDER", to_c),
            ("--project", self.project, "C: add --c FOLDER", to_c),
            ("--int8", self.int8, "C: add --c FOLDER", to_c),
            ("--stream", self.stream, "C: add --c FOLDER", to_c),
            ("--compact", self.compact, "C: add --c FOLDER or --wasm FILE", to_code),
            ("--precise", self.precise, "C: add --c FOLDER or --wasm FILE", to_code),
            ("--calibrate", self.calibration, "int8: add --int8", self.int8),
            ("--scales", self.scales, "int8: add --int8", self.int8),
            ("--io", self.io, "int8: add --int8", self.int8),
            ("--opset", self.opset, "ONNX: add --onnx FILE", self.onnx_file is not None),
        ):
            if value not in (None, False) and not is_written:
                raise OptionError(f"{option} applies to {target}")
        if self.int8 and self.raw_input:
            raise OptionError("--int8 cannot be combined with --raw-input")
        if self.onnx_file is not None and self.onnx_file.exists():
            raise RunError(f"{self.onnx_file} exists already; choose another name, or remove it")


class ExportReport:
    """What was written, by target (onnx, c, wasm). It is printed line by line unless it is printed as JSON at the end.

    values   facts by target, for JSON
    """

    def __init__(self, *, as_json: bool) -> None:
        self.values = dict[str, object]()
        self._as_json = as_json

    def add(self, target: str, lines: str, value: object) -> None:
        """Add what was written for a target, as lines and as a JSON value."""
        self.values[target] = value
        if not self._as_json:
            click.echo(lines)


@click.command(short_help="Write a trained network for other software: ONNX, C.")
@click.argument("run", type=options.PATH)
@options.passed_as("request", ExportRequest, options.option_group(options.precise)(ExportRequest))
@options.as_json
def export(run: Path, *, request: ExportRequest, as_json: bool) -> None:
    """Export the network in RUN for other software; docs/deploying.md explains how to use the files.

    RUN is a run folder or a model file: .safetensors, .onnx, .keras, .h5 or .tflite. For C, the command prints the cost
    of each layer: multiply-adds, flash, RAM and the position of its result in the arena, and a bound of the stack.
    """
    from chainrule.cli import loading
    from chainrule.data.normalization import Normalization

    request.check()
    execution = options.Execution("numpy", precise=request.precise)
    model, job = loading.load_model_and_job(run, execution)
    if model.has_ports and (request.int8 or request.wasm_file is not None):
        raise OptionError(f"{run} has several inputs or outputs; export it with --onnx, or --c without --int8")
    report = ExportReport(as_json=as_json)
    if request.onnx_file is not None:
        facts = _facts(model, run, job)
        line = _write_onnx(model, request.onnx_file, facts, opset=request.opset, raw_input=request.raw_input)
        report.add("onnx", line, line)
    if request.raw_input:  # the ONNX file has written it as an option of its own
        model.normalization = Normalization("none")
    if request.c_folder is not None:
        _write_c(model, job, request.c_folder, request, report)
    if request.wasm_file is not None:
        line = _write_wasm(model, request.wasm_file, compact=request.compact)
        report.add("wasm", line, line)
    if as_json:
        print_json(report.values)


def _write_c(model: "Model", job: "Job | None", folder: Path, request: ExportRequest, report: ExportReport) -> None:
    """Write C files, and report the files, a comparison with the model in floats for int8, and the cost of layers."""
    from chainrule.interop.c import write_c

    quantized = None
    compared: str | None = None
    if request.int8:
        quantized, compared = _quantized(
            model, job, request.calibration, request.scales or "best", request.io or "float"
        )
    files = write_c(
        model,
        folder,
        name=request.name or "network",
        project=request.project or "make",
        int8=quantized,
        compact=request.compact,
        stream=request.stream,
    )
    lines = [str(files)]
    if compared is not None:
        lines += compared.splitlines()
    lines += str(files.report).splitlines()
    facts = {"files": str(files), "int8": compared, "report": files.report.to_json()}
    report.add("c", "\n".join(map(printable, lines)), facts)


def _write_wasm(model: "Model", file: Path, *, compact: bool) -> str:
    """Write a WebAssembly module and its page; return a line with the files and their sizes."""
    from chainrule.interop.c.wasm import write_wasm

    paths = write_wasm(model, file, compact=compact)
    return ", ".join(f"{path} ({path.stat().st_size:,} bytes)" for path in paths)


def _facts(model: "Model", run: Path, job: "Job | None") -> dict[str, str]:
    """Return metadata about the model's training as text: data, hyperparameters, duration and results."""
    from chainrule.runs.loading import read_run

    if job is None:
        return {}
    folder = run if run.is_dir() else run.parent
    run_record = read_run(folder)
    facts = {
        "data": job.choice.name,
        "seed": str(job.recipe.seed),
        "epochs": str(len(run_record.history.epochs)),
        "steps": str(len(run_record.history)),
        "batch_size": str(job.recipe.batch_size),
        "optimizer": job.recipe.optimizer.name,
    }
    if run_record.evaluation and _is_final(model, folder):
        for name, value in run_record.evaluation.items():
            if isinstance(value, float):
                facts[f"test_{name}"] = str(value)
    return facts


def _is_final(model: "Model", folder: Path) -> bool:
    """Return whether the model has the run's final weights, which were used for its evaluation."""
    import numpy as np

    from chainrule._io.files import read_tensors

    if not (folder / MODEL).is_file():
        return False
    final, _ = read_tensors(folder / MODEL, "model")
    return all(np.array_equal(value, final.get(name, ())) for name, value in model.weights.items())


def _write_onnx(model: "Model", file: Path, facts: dict[str, str], *, opset: int | None, raw_input: bool) -> str:
    """Write an ONNX file; return a line that describes it."""
    from chainrule.data.normalization import AS_READ
    from chainrule.interop.onnx.exporter import model_message, write

    message = model_message(model, facts, opset=opset, raw_input=raw_input)
    write(message, file)
    size = file.stat().st_size
    version = message.opsets[0].version
    units = AS_READ if raw_input else model.normalization.unit
    description = f"x N×{text(model.input_shape)} ({units}), y N×{text(model.output_shape)}"
    return f"{file}: {description}, opset {version}, {size / 1000:,.0f} kB"


def _quantized(
    model: "Model", job: "Job | None", calibration: str | None, scales: str, io: str
) -> "tuple[Quantized, str | None]":
    """Quantize a model; return it with lines that compare it with the model in floats, None without data.

    calibration   name or path of the data whose training images determine the scales; None: the data of the run, or for
                  a model file, the scales of the quantized network in the file
    """
    from chainrule.interop.c import Quantized

    if calibration is None and job is None:
        return Quantized(model, io=io), None
    if calibration is None:
        assert job is not None
        training, test = job.load()
        quantized = Quantized(model, _drawn(training.x)[0], io=io, scales=scales)
        compared = _int8_metric(model, quantized, test)
    else:
        calibrating, others = _calibration_samples(model, calibration)
        quantized = Quantized(model, _drawn(calibrating)[0], io=io, scales=scales)
        compared = _int8_difference(model, quantized, _drawn(others)[1], Path(calibration).name)
    return quantized, f"{compared}\n{_tried_scales(quantized)}"


def _calibration_samples(model: "Model", name: str) -> "tuple[Images, Images]":
    """Return inputs that determine scales, and inputs for a comparison: the test set, or the same without one.

    name   name or path of data; of an .npz file, no labels are needed
    """
    from chainrule.cli import loading
    from chainrule.data.npz import read_inputs

    if name.endswith(".npz") or len(model.input_shape) < 3:
        x = read_inputs(expanded(name), len(model.input_shape))
        return x, x
    training, test = loading.read_data_for(model, name)
    return training.x, training.x if test is None else test.x


def _tried_scales(quantized: "Quantized") -> str:
    """Return a line with the methods for scales that were tried, and the error of the outputs with each."""
    errors = [f"{name} {error:.3g}" for name, error in quantized.calibrations.items()]
    return f"scales by {quantized.chosen}; error of the outputs: {', '.join(errors)}"


def _drawn(x: "Images") -> "tuple[Array, Array]":
    """Return samples for scales and for a comparison, which are drawn from all with a fixed seed."""
    from chainrule.data.dataset import order

    numbers = order(len(x), 0, 0)
    return x[numbers[:CALIBRATION_IMAGES]], x[numbers[-CALIBRATION_IMAGES:]]


def _int8_metric(model: "Model", quantized: "Quantized", test: "Dataset") -> str:
    """Return a line with the metric of the run's test data in floats and in int8."""

    float_evaluation = model.evaluate(test)
    int8_evaluation = quantized.evaluate(float_evaluation, test.x)
    metric = float_evaluation.task.metric
    float_metric = format_metric(metric, float_evaluation.figures[metric])
    int8_metric = format_metric(metric, int8_evaluation.figures[metric])
    return f"{metric.replace('_', ' ')} on {test.name}: {float_metric} in floats, {int8_metric} in int8"


def _int8_difference(model: "Model", quantized: "Quantized", images: "Array", name: str) -> str:
    """Return a line with the difference between the outputs in floats and in int8; labels are not used."""
    import numpy as np

    outputs = np.asarray(model.predict(images))
    int8_outputs = quantized.predict(images)
    difference = np.abs(int8_outputs - outputs).max()
    largest = np.abs(outputs).max()
    text = f"{len(images)} samples of {name}: outputs differ by at most {difference:.3g}"
    text += f" (largest output {largest:.3g})"
    if len(model.output_shape) > 1 or outputs.shape[1] == 1:
        return text
    same_class = np.equal(outputs.argmax(1), int8_outputs.argmax(1))
    share = format_percent(float(same_class.mean()))
    return f"{text}; the largest output is the same in {share}"
