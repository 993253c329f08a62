"""`chainrule predict`."""

import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click

from chainrule.cli import options
from chainrule.cli.program import FAILED, print_message
from chainrule.errors import ChainruleError, DataError, OptionError

TOP = 3
TOGETHER = 256  # images per batch


@click.command(short_help="Classify images with a trained model.")
@click.argument("run", metavar="RUN", type=options.PATH)
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=options.PATH_OR_NAME)
@click.option("--as-is", is_flag=True, help="Only resize a digit; do not centre and scale it as in MNIST.")
@click.option(
    "--top", type=int, default=TOP, show_default=True, metavar="K", help="Number of classes to list per image."
)
@click.option(
    "--csv",
    "csv_file",
    type=options.PATH,
    metavar="FILE",
    help="Write the predictions as a CSV file, one row per image.",
)
@options.execution
@options.accept_changes
@options.as_json
def predict(
    run: Path,
    images: tuple[str, ...],
    as_is: bool,
    top: int,
    csv_file: Path | None,
    engine: str | None,
    threads: int | None,
    precise: bool,
    accept_changes: bool,
    as_json: bool,
) -> None:
    """Predict the class of each image, with the model's confidence and the runners-up.

    For models that are not classifiers, the outputs are printed instead.

    RUN is a run folder or a model.safetensors file. IMAGE is a PNG, JPEG, WebP or TIFF file, or a folder, of which
    every image at any depth is used, sorted by path. For a model of handwritten digits, the digit in a photo or drawing
    is found, centred and scaled as in MNIST. Images that cannot be read are listed on stderr, or in the column
    "problem" of the --csv FILE; the others are still predicted, and the command exits with 2.
    """
    from chainrule._io.files import csv_bytes, write_atomic
    from chainrule.cli import loading, run_paths
    from chainrule.cli.output import print_json

    if top < 1:
        raise OptionError(f"--top {top}: expected at least 1")
    run_paths.require_writable(csv_file)
    machine: dict[str, Any] = {"engine": engine, "threads": threads, "precise": precise}
    model, _ = loading.load_model_and_job(run, **machine, accept_changes=accept_changes)
    top = min(top, len(model.classes))
    found = list(_answers(model, _files(images), as_is, top))
    answers = [answer for answer in found if "problem" not in answer]
    refused = [f"{answer['image']}: {answer['problem']}" for answer in found if "problem" in answer]
    if csv_file is not None:
        write_atomic(csv_file, csv_bytes(_rows(found, top)))
        refused = [f"{len(refused):,} of {len(found):,} images cannot be used: see {csv_file}"] if refused else []
    if as_json:
        print_json([answer for answer in found if csv_file is not None or answer in answers])
    elif csv_file is not None:
        click.echo(f"{len(answers):,} images predicted, in {csv_file}")
    elif answers:
        click.echo(_text(answers))
    for problem in refused:
        print_message(problem)
    if refused:
        sys.exit(FAILED)


def _files(images: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the given image files and every image below the given folders, each with why it is not read, or ""."""
    from chainrule.data.folder_layout import images_below

    for image in images:
        if not os.path.isdir(image):
            yield image, ""
            continue
        inside = [(str(path), problem) for path, problem in images_below(Path(image))]
        if not inside:
            raise DataError(f"{image}: no images in this folder or below it")
        yield from inside


def _answers(model: Any, files: Iterator[tuple[str, str]], as_is: bool, top: int) -> Iterator[dict[str, Any]]:
    """Yield for each file, in order, the label, confidence and runners-up, or the problem with it.

    For a regression or multi-label model, yield its outputs by name instead.
    """
    import numpy as np

    from chainrule.training.evaluation import confidences
    from chainrule.training.tasks import MULTI_LABEL, REGRESSION

    names = list(model.classes) if len(model.classes) > 1 else ["output"]
    by_output = model.task in (MULTI_LABEL, REGRESSION)
    while block := [_read(model, *file, as_is) for file in islice(files, TOGETHER)]:
        pixels = [each for _, each in block if not isinstance(each, str)]
        outputs = model.predict(np.stack(pixels)) if pixels else np.empty((0, len(names)))
        shares = deque(outputs if by_output or not pixels else confidences(outputs, model.loss))
        for image, each in block:
            if isinstance(each, str):
                yield {"image": image, "problem": each}
                continue
            of_image = shares.popleft()
            if by_output:
                yield {"image": image, "outputs": dict(zip(names, map(float, of_image), strict=True))}
                continue
            first, *others = np.argsort(-of_image, kind="stable")[:top]
            rest = [{"label": model.classes[place], "confidence": float(of_image[place])} for place in others]
            label, confidence = model.classes[first], float(of_image[first])
            yield {"image": image, "label": label, "confidence": confidence, "runners_up": rest}


def _read(model: Any, image: str, problem: str, as_is: bool) -> tuple[str, Any]:
    """Return an image's name with its pixels, or with the error text if there is a problem or it cannot be read."""
    from chainrule.cli import loading

    if problem:
        return image, problem
    try:
        return image, loading.read_image(model, image, as_is=as_is)
    except OptionError:
        raise
    except ChainruleError as error:
        return image, str(error).removeprefix(f"{image}: ")


def _rows(found: Sequence[dict[str, Any]], top: int) -> Iterator[list[Any]]:
    """Yield the rows of the CSV file, the heading first."""
    outputs = next((answer["outputs"] for answer in found if "outputs" in answer), None)
    if outputs is not None:
        yield ["file", *outputs, "problem"]
        for answer in found:
            yield [
                answer["image"],
                *answer.get("outputs", dict.fromkeys(outputs, "")).values(),
                answer.get("problem", ""),
            ]
        return
    ranks = [""] + [f"_{rank}" for rank in range(2, top + 1)]
    yield ["file", *(f"{name}{rank}" for rank in ranks for name in ("class", "probability")), "problem"]
    for answer in found:
        if "problem" in answer:
            yield [answer["image"], *[""] * (2 * top), answer["problem"]]
            continue
        ranked = [answer, *answer["runners_up"]]
        yield [answer["image"], *(each[key] for each in ranked for key in ("label", "confidence")), ""]


def _text(found: Sequence[dict[str, Any]]) -> str:
    from chainrule.cli.output import format_percent, format_table

    if "outputs" in found[0]:
        names = list(found[0]["outputs"])
        numbers = [[answer["image"], *(f"{each:.6g}" for each in answer["outputs"].values())] for answer in found]
        return format_table([["image", *names], *numbers], right=tuple(range(1, len(names) + 1)))
    rows = [["image", "label", "confidence", "runners-up"]]
    for answer in found:
        others = [f"{other['label']} {format_percent(other['confidence'], 1)}" for other in answer["runners_up"]]
        rows.append([answer["image"], answer["label"], format_percent(answer["confidence"], 1), ", ".join(others)])
    return format_table(rows, right=(2,))
