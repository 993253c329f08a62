"""The command `chainrule predict`."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options
from chainrule.cli.output import format_count, format_percent, format_table, print_json
from chainrule.cli.program import FAILED, print_message
from chainrule.errors import OptionError

if TYPE_CHECKING:
    from chainrule.cli.predicting import ResultPaths

TOP = 3


@dataclass(frozen=True, kw_only=True)
class PredictionOptions:
    """Declare how images are read, and what is written.

    digit         (--digit/--as-is) Center and scale a digit as in MNIST, or only resize images. Default: as the
                  network's training images.
    top           (--top K) Number of classes to list per image.
    csv_file      (--csv) Write the predictions as a CSV file, one row per image.
    mask_folder   (--masks) For a model with an output per pixel: write a mask and an overlay, or the output image, of
                  each image.
    input_folder  (--inputs) Also write each image as the network reads it, as a PGM or PPM file: the input of exported
                  C programs.
    """

    digit: options.Switch = None
    top: int = TOP
    csv_file: options.OutputFile = None
    mask_folder: options.OutputFolder = None
    input_folder: options.OutputFolder = None


@click.command(short_help="Classify images with a trained model.")
@click.argument("run", type=options.PATH)
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=options.PATH_OR_NAME)
@options.passed_as("output", PredictionOptions, options.option_group()(PredictionOptions))
@options.passed_as("execution", options.Execution, options.execution)
@options.as_json
def predict(
    run: Path,
    images: tuple[str, ...],
    *,
    output: PredictionOptions,
    execution: options.Execution,
    as_json: bool,
) -> None:
    """Predict the class of each image, with the model's confidence and the runners-up.

    For multi-label and regression models, print the outputs instead. For several outputs, there are columns for each.
    For models with an output per pixel, print the share of pixels of each class, or the mean of each output.

    RUN is a run folder or a model.safetensors file. IMAGE is a PNG, JPEG, WebP, TIFF, GIF, BMP or PPM file, or a
    folder, which is searched recursively. It may also be a FILE.npz with rows x: every row is a sample.

    If the model was trained on digits as in MNIST, the digit in a photo or drawing is located, centered and scaled in
    the same way. Images that cannot be read are listed on stderr, or in the column "problem" of the --csv FILE; the
    remaining images are still predicted, and the command exits with 2.

    --masks and --inputs arrange their files in the same subfolders as the images.
    """
    from chainrule.cli import loading, predicting
    from chainrule.data.dataset import noun_of

    if output.top < 1:
        raise OptionError(f"--top {output.top}: expected at least 1")
    model, _ = loading.load_model_and_job(run, execution)
    loading.require_one_input(model, run)
    predicting.check_outputs(model, masks=output.mask_folder is not None, table=output.csv_file is not None)
    files = list(predicting.find_files(images))
    names = [file if isinstance(file, str) else file.name for file in files]
    paths = _result_paths(output, images, names)
    if paths.any and any(map(predicting.has_rows, images)):
        raise OptionError("--masks and --inputs are for images")
    samples = predicting.read_samples(model, files, paths.inputs, digit=output.digit)
    top = min(output.top, len(model.classes))
    answers = list(predicting.predict_samples(model, samples, top, paths))
    problems = _print_answers(answers, noun_of(model.input_shape), output.csv_file, as_json=as_json)
    for problem in problems:
        print_message(problem)
    if problems:
        sys.exit(FAILED)


def _print_answers(answers: Sequence[dict[str, Any]], unit: str, csv_file: Path | None, *, as_json: bool) -> list[str]:
    """Print the answers, write them to a CSV file if there is one, and return messages about problems.

    unit   what a sample is called, such as "image"
    """
    from chainrule._io.files import csv_bytes, write_atomic

    predicted = list[dict[str, Any]]()
    problems = list[str]()
    for answer in answers:
        if "problem" in answer:
            problems.append(f"{answer['image']}: {answer['problem']}")
        else:
            predicted.append(answer)
    if csv_file is not None:
        write_atomic(csv_file, csv_bytes(_rows(answers)))
        if problems:
            problems = [f"{len(problems):,} of {len(answers):,} {unit}s cannot be used: see {csv_file}"]
        if as_json:
            print_json(answers)
        else:
            click.echo(f"{format_count(len(predicted), unit)} predicted; see {csv_file}")
    elif as_json:
        print_json(predicted)
    elif predicted:
        click.echo(_text(predicted, unit))
    return problems


def _result_paths(output: PredictionOptions, arguments: Sequence[str], images: Sequence[str]) -> "ResultPaths":
    """Create the folders of results, and return the paths of the results.

    images   all image files, including those in folders among the arguments
    """
    from chainrule.cli.predicting import ResultPaths

    masks = dict[str, Path]()
    inputs = dict[str, Path]()
    if output.mask_folder is not None:
        masks = _output_paths(output.mask_folder, arguments, images)
    if output.input_folder is not None:
        inputs = _output_paths(output.input_folder, arguments, images)
    return ResultPaths(masks, inputs)


def _output_paths(folder: Path, arguments: Sequence[str], images: Sequence[str]) -> dict[str, Path]:
    """Create a results folder, and return image → the path, without suffix, of the files in it.

    The path is different for every image. In the folder, it is that of the image below the folder of the argument, or
    below the common parent of several. If two images differ only in their suffixes, all names keep them.
    """
    folder.mkdir(exist_ok=True)
    tops = list[str]()
    for path in map(os.path.abspath, arguments):
        tops.append(path if os.path.isdir(path) else os.path.dirname(path))
    top = os.path.commonpath(tops)
    paths = dict[str, Path]()
    stems = dict[str, Path]()
    for image in images:
        paths[image] = folder / os.path.relpath(image, top)
        stems[image] = paths[image].with_suffix("")
    if len(set(stems.values())) < len(set(paths.values())):
        return paths
    return stems


def _rows(answers: Sequence[dict[str, Any]]) -> Iterator[list[Any]]:
    """Yield the rows of the CSV file, starting with the heading."""
    entries = list(map(_entries, answers))
    names = dict[str, None]()
    for entry in entries:
        names |= dict.fromkeys(entry)
    yield ["file", *names, "problem"]
    for answer, entry in zip(answers, entries, strict=True):
        yield [answer["image"], *(entry.get(name, "") for name in names), answer.get("problem", "")]


def _entries(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer's outputs, or its classes and confidences, by the names of their columns; {} for a problem."""
    if "class" not in answer:
        entries = dict(answer.get("outputs", {}))
        if "labels" in answer:
            entries["labels"] = ", ".join(answer["labels"])
        return entries
    entries = {"class": answer["class"], "confidence": answer["confidence"]}
    for rank, other in enumerate(answer["runners_up"], 2):
        entries[f"class_{rank}"] = other["class"]
        entries[f"confidence_{rank}"] = other["confidence"]
    return entries


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.6g}"


def _text(answers: Sequence[dict[str, Any]], unit: str) -> str:
    """Return a table with a row per sample, as printed."""
    if "class" in answers[0]:
        return _class_table(answers, unit)
    return _number_table(answers, unit)


def _class_table(answers: Sequence[dict[str, Any]], unit: str) -> str:
    """Return a table with the class, the confidence and the runners-up of each sample."""
    rows = [[unit, "class", "confidence", "runners-up"]]
    for answer in answers:
        others = [f"{other['class']} {format_percent(other['confidence'], 1)}" for other in answer["runners_up"]]
        rows.append([answer["image"], answer["class"], format_percent(answer["confidence"], 1), ", ".join(others)])
    return format_table(rows, right=(2,))


def _number_table(answers: Sequence[dict[str, Any]], unit: str) -> str:
    """Return a table with the outputs or, for an output per pixel, the shares of pixels of each class."""
    rows = list[list[str]]()
    for answer in answers:
        if "pixels" in answer:
            columns = {name: format_percent(share, 1) for name, share in answer["pixels"].items()}
        else:
            columns = {name: _shown(value) for name, value in _entries(answer).items()}
        if not rows:
            rows.append([unit, *columns])
        rows.append([answer["image"], *columns.values()])
    return format_table(rows, right=range(1, len(rows[0])))
