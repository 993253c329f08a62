"""The command `chainrule predict`."""

import os
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice, starmap
from pathlib import Path
from typing import Any

import click

from chainrule.cli import options, run_paths
from chainrule.cli.output import format_count, format_percent, format_table, print_json
from chainrule.cli.program import FAILED, print_message
from chainrule.errors import ChainruleError, DataError, OptionError

TOP = 3
BATCH = 256  # images per batch


@click.command(short_help="Classify images with a trained model.")
@click.argument("run", type=options.PATH)
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=options.PATH_OR_NAME)
@options.declared
@options.execution
@options.accept_changes
@options.as_json
def predict(
    run: Path,
    images: tuple[str, ...],
    *,
    digit: options.Switch = None,
    top: int = TOP,
    csv_file: options.OutputFile = None,
    mask_folder: options.OutputFolder = None,
    heat: options.InputPath = None,
    input_folder: options.OutputFolder = None,
    as_json: bool,
    **machine: Any,
) -> None:
    """Predict the class of each image, with the model's confidence and the runners-up.

    For multi-label and regression models, print the outputs instead. For several outputs, there are columns for each.
    For models with an output per pixel, print the share of pixels of each class, or the mean of each output.

    RUN is a run folder or a model.safetensors file. IMAGE is a PNG, JPEG, WebP, TIFF, GIF, BMP or PPM file, or a
    folder, which is searched recursively. It may also be a table, FILE.csv, whose columns are matched by name, or a
    FILE.npz with rows x: every row is a sample, and columns that the model does not know are not used.

    If the model was trained on digits as in MNIST, the digit in a photo or drawing is located, centered and scaled in
    the same way. Images that cannot be read are listed on stderr, or in the column "problem" of the --csv FILE; the
    remaining images are still predicted, and the command exits with 2.

    --masks, --heat and --inputs arrange their files in the same subfolders as the images.

    digit         (--digit/--as-is) Center and scale a digit as in MNIST, or only resize images. Default: as the
                  network's training images.
    top           (--top K) Number of classes to list per image.
    csv_file      (--csv) Write the predictions as a CSV file, one row per image.
    mask_folder   (--masks) For a model with an output per pixel: write a mask and an overlay, or the output image, of
                  each image.
    heat          (--heat FILE.png|FOLDER) Show where the network looks: write each image with its saliency and Grad-CAM
                  for the predicted class.
    input_folder  (--inputs) Also write each image as the network reads it, as a PGM or PPM file: the input of exported
                  C programs.
    """
    from chainrule._io.files import csv_bytes, write_atomic
    from chainrule.cli import loading

    if top < 1:
        raise OptionError(f"--top {top}: expected at least 1")
    model, _ = loading.load_model_and_job(run, **machine)
    loading.require_one_input(model, run)
    top = min(top, len(model.classes))
    _check_outputs(model, mask_folder, csv_file)
    files = list(_files(images))
    masks = _output_paths(mask_folder, images, files)
    inputs = _output_paths(input_folder, images, files)
    heats = _heat_paths(heat, images, files)
    if (masks or inputs or heats) and any(map(_has_rows, images)):
        raise OptionError("--masks, --heat and --inputs are for images")
    read = partial(_read, model, digit=digit, inputs=inputs)
    samples = chain.from_iterable(starmap(read, files))
    answers = list(_answers(model, samples, top, masks, heats))
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
            problems = [f"{len(problems):,} of {len(answers):,} images cannot be used: see {csv_file}"]
        if as_json:
            print_json(answers)
        else:
            click.echo(f"{format_count(len(predicted), 'image')} predicted; see {csv_file}")
    elif as_json:
        print_json(predicted)
    elif predicted:
        click.echo(_text(predicted))
    for problem in problems:
        print_message(problem)
    if problems:
        sys.exit(FAILED)


def _check_outputs(model: Any, mask_folder: Path | None, csv_file: Path | None) -> None:
    """Raise OptionError for a file that the model's outputs cannot be written to."""
    shapes = [end.shape for end in model.outputs]
    is_dense = any(len(shape) > 1 for shape in shapes)
    if is_dense and len(shapes) > 1:
        raise OptionError(f"outputs {model.output_ports}: expected one, or an output per image for each")
    if mask_folder is not None and not is_dense:
        raise OptionError(f"--masks requires an output per pixel; this model has {len(model.classes)} per image")
    if csv_file is not None and is_dense:
        raise OptionError("--csv requires one output per image; use --masks for an output per pixel")


def _files(images: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Yield every image file, including files in folders, with the reason why it cannot be read, or None."""
    from chainrule.data.folder_layout import images_below

    for image in images:
        if not os.path.isdir(image):
            yield image, None
            continue
        inside = [(str(path), problem) for path, problem in images_below(Path(image))]
        if not inside:
            raise DataError(f"{image}: no images in this folder or its subfolders")
        yield from inside


def _output_paths(
    folder: Path | None, arguments: Sequence[str], files: Sequence[tuple[str, str | None]]
) -> dict[str, Path]:
    """Create a results folder, and return image → the path, without suffix, of the files in it; nothing for None.

    The path is different for every image. In the folder, it is that of the image below the folder of the argument, or
    below the common parent of several. If two images differ only in their suffixes, all names keep them.

    files   images as from `_files`
    """

    if folder is None:
        return {}
    folder.mkdir(exist_ok=True)
    tops = list[str]()
    for path in map(os.path.abspath, arguments):
        tops.append(path if os.path.isdir(path) else os.path.dirname(path))
    top = os.path.commonpath(tops)
    paths = dict[str, Path]()
    stems = dict[str, Path]()
    for image, _ in files:
        paths[image] = folder / os.path.relpath(image, top)
        stems[image] = paths[image].with_suffix("")
    if len(set(stems.values())) < len(set(paths.values())):
        return paths
    return stems


def _heat_paths(
    heat: Path | None, arguments: Sequence[str], files: Sequence[tuple[str, str | None]]
) -> dict[str, Path]:
    """Return image → the path of its heat map: the file ``heat`` for one image, or files in the folder ``heat``."""

    if heat is None or heat.suffix.lower() != ".png":
        stems = _output_paths(heat and run_paths.require_folder(heat), arguments, files)
        return {image: Path(f"{stem}-heat.png") for image, stem in stems.items()}
    if len(files) != 1:
        raise OptionError(f"--heat {heat}: a file is for one image, found {len(files):,}; pass a folder")
    run_paths.require_writable(heat)
    return {files[0][0]: heat}


def _answers(
    model: Any,
    read_files: Iterator[tuple[str, Any]],
    top: int,
    masks: Mapping[str, Path],
    heats: Mapping[str, Path],
) -> Iterator[dict[str, Any]]:
    """Yield the class, confidence and runners-up of each file from `_read` in order, or the problem with it.

    For a multi-label or regression model, yield the outputs by name instead; for a model with an output per pixel, the
    values of `predicted_masks.describe`, with the paths `masks`. ``heats`` are the paths of heat maps by image.
    """
    import numpy as np

    from chainrule.cli import predicted_masks
    from chainrule.models import decisions
    from chainrule.network.tasks import MULTI_LABEL, REGRESSION
    from chainrule.plotting.figures import save
    from chainrule.training.calibration import confidences

    names = ["output"] if model.classes == ("0",) else model.classes
    is_dense = len(model.output_shape) > 1
    by_output = is_dense or model.task in (MULTI_LABEL, REGRESSION)
    while batch := list(islice(read_files, BATCH)):
        pixels = [image_pixels for _, image_pixels in batch if not isinstance(image_pixels, str)]
        predictions = deque[Any]()
        winners = deque[Any]()
        if pixels:
            stacked: Any = np.stack(pixels)
            if stacked.dtype == np.uint8:
                stacked = model.normalization.of_image(stacked)
            outputs = model.predict(stacked)
            if model.output_ports is not None:
                predictions.extend(_columns_of_outputs(model, outputs))
            elif by_output:
                predictions.extend(outputs)
            else:
                predictions.extend(confidences(outputs, model.loss))
                winners.extend(decisions.places(model, outputs))
        for image, image_pixels in batch:
            if isinstance(image_pixels, str):
                yield {"image": image, "problem": image_pixels}
                continue
            values = predictions.popleft()
            if image in heats:
                heats[image].parent.mkdir(parents=True, exist_ok=True)
                save(model.plot_heat(model.normalization.of_image(image_pixels)), heats[image])
            if is_dense:
                yield predicted_masks.describe(model, image, image_pixels, values, masks.get(image))
                continue
            if model.output_ports is not None:
                yield {"image": image, "outputs": values}
                continue
            if by_output:
                yield {"image": image, **_named_outputs(model, names, values)}
                continue
            yield {"image": image, **_best_classes(model, values, winners.popleft(), top)}


def _named_outputs(model: Any, names: Sequence[str], values: Any) -> dict[str, Any]:
    """Return the outputs of a sample by name and, for several labels, the names of those that are predicted."""
    from chainrule.network.tasks import MULTI_LABEL
    from chainrule.training.dense import are_yes

    answer: dict[str, Any] = {"outputs": dict(zip(names, map(float, values), strict=True))}
    if model.task == MULTI_LABEL:
        says_yes = are_yes(values[None], model.thresholds)[0]
        answer["labels"] = [name for name, is_yes in zip(names, says_yes, strict=True) if is_yes]
    return answer


def _best_classes(model: Any, confidences: Any, predicted: int, top: int) -> dict[str, Any]:
    """Return the predicted class of a sample with its confidence, and the runners-up, of ``top`` classes together."""
    import numpy as np

    runners_up = list[dict[str, Any]]()
    for index in np.argsort(-confidences, kind="stable"):
        if index != predicted and len(runners_up) < top - 1:
            runners_up.append({"class": model.classes[index], "confidence": float(confidences[index])})
    name = model.classes[predicted]
    return {"class": name, "confidence": float(confidences[predicted]), "runners_up": runners_up}


def _columns_of_outputs(model: Any, outputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the columns of each sample for several outputs: a class and its confidence, labels, or numbers."""
    from chainrule.models import decisions
    from chainrule.network import losses
    from chainrule.training.calibration import confidences

    by_name = decisions.answers(model, outputs)
    terms = dict(zip(model.output_names, losses.terms(model.loss), strict=True))
    rows = list[dict[str, Any]]()
    for number in range(len(outputs[model.output_names[0]])):
        row = dict[str, Any]()
        for name, term in terms.items():
            answer: Any = by_name[name][number]
            if isinstance(answer, str):
                row[name] = str(answer)
                row[f"{name}_confidence"] = float(confidences(outputs[name][number : number + 1], term).max())
            elif isinstance(answer, tuple):
                row[name] = ", ".join(map(str, answer))  # pyright: ignore[reportUnknownArgumentType]
            elif len(answer) == 1:
                row[name] = float(answer[0])
            else:
                for place, value in enumerate(answer):
                    row[f"{name}_{place}"] = float(value)
        rows.append(row)
    return rows


def _has_rows(path: str) -> bool:
    """Return whether a file is a table or contains arrays."""
    from chainrule.data.loading import is_table

    return is_table(path) or path.lower().endswith(".npz")


def _read(
    model: Any, image: str, problem: str | None, *, digit: bool | None, inputs: Mapping[str, Path]
) -> Iterator[tuple[str, Any]]:
    """Yield an image's name with its pixels or, if it cannot be read, with the problem; each row of a table.

    inputs   image → path, without suffix, to which the pixels are written; empty: they are not
    """
    from chainrule._io.files import write_atomic
    from chainrule.cli import loading
    from chainrule.data.images import pnm_bytes

    if problem is not None:
        yield image, problem
    elif _has_rows(image):
        yield from loading.read_rows(model, Path(image))
    else:
        try:
            pixels = loading.read_image(model, image, digit=digit)
        except OptionError:
            raise
        except ChainruleError as error:
            yield image, str(error).removeprefix(f"{image}: ")
            return
        if image in inputs:
            inputs[image].parent.mkdir(parents=True, exist_ok=True)
            suffix = ".pgm" if len(pixels) == 1 else ".ppm"
            write_atomic(Path(f"{inputs[image]}{suffix}"), pnm_bytes(pixels))
        yield image, pixels


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


def _text(answers: Sequence[dict[str, Any]]) -> str:
    """Return a table with a row per image: its class, confidence and runners-up, or its numbers or shares of pixels."""

    if "class" not in answers[0]:
        shown = partial(format_percent, digits=1) if "pixels" in answers[0] else _shown
        rows = list[list[str]]()
        for answer in answers:
            entry = answer.get("pixels") or _entries(answer)
            if not rows:
                rows.append(["image", *entry])
            rows.append([answer["image"], *map(shown, entry.values())])
        return format_table(rows, right=range(1, len(rows[0])))
    rows = [["image", "class", "confidence", "runners-up"]]
    for answer in answers:
        others = [f"{other['class']} {format_percent(other['confidence'], 1)}" for other in answer["runners_up"]]
        rows.append([answer["image"], answer["class"], format_percent(answer["confidence"], 1), ", ".join(others)])
    return format_table(rows, right=(2,))
