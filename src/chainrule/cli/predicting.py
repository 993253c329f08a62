"""The predictions of `chainrule predict`: files are found and read, and the outputs are described as JSON values."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from chainrule._io.files import write_atomic
from chainrule.cli import loading, predicted_masks
from chainrule.core.arrays import Array
from chainrule.data.folder_layout import images_below
from chainrule.data.images import pnm_bytes
from chainrule.errors import ChainruleError, DataError, OptionError
from chainrule.models import decisions
from chainrule.models.model import Model
from chainrule.network import losses, tasks
from chainrule.network.tasks import MULTI_LABEL, REGRESSION
from chainrule.training.dense import are_yes
from chainrule.training.metrics import confidences

BATCH = 256  # samples per batch

Answer = dict[str, object]


@dataclass(frozen=True)
class Unreadable:
    """A file that cannot be read, and why."""

    name: str
    problem: str


@dataclass(frozen=True)
class Sample:
    """An image, or a row of an .npz file.

    name     file, with the number of the row
    values   pixels as uint8 (C, H, W), or features
    """

    name: str
    values: Array


class Describe(Protocol):
    """Describes the outputs of samples."""

    def __call__(self, samples: Sequence[Sample], outputs: Array) -> Iterable[Answer]:
        """Return the answer for each sample as JSON values.

        outputs   of `Model.predict`: an array or, for several outputs, arrays by name
        """
        ...


@dataclass(frozen=True)
class ResultPaths:
    """The paths of results by image; none of a kind that is not written.

    masks, inputs   paths without suffix
    """

    masks: Mapping[str, Path]
    inputs: Mapping[str, Path]

    @property
    def any(self) -> bool:
        """Whether anything is written for an image."""
        return bool(self.masks or self.inputs)


# ------------------------------------------------------------------------------------------------------------- reading


def find_files(names: Iterable[str]) -> Iterator[str | Unreadable]:
    """Yield every file, including the images in folders; `Unreadable` for a file in a folder that must not be read."""
    for name in names:
        if not os.path.isdir(name):
            yield name
            continue
        inside = list(images_below(Path(name)))
        if not inside:
            raise DataError(f"{name}: no images in this folder or its subfolders")
        for path, problem in inside:
            yield str(path) if problem is None else Unreadable(str(path), problem)


def has_rows(path: str) -> bool:
    """Return whether a file contains arrays."""
    return path.lower().endswith(".npz")


def read_samples(
    model: Model, files: Iterable[str | Unreadable], inputs: Mapping[str, Path], *, digit: bool | None
) -> Iterator[Sample | Unreadable]:
    """Yield the image in each file, or every row of an .npz file; `Unreadable` for a file that cannot be read.

    inputs   image → path, without suffix, of the file for its pixels
    digit    as for `loading.read_image`
    """
    for file in files:
        if isinstance(file, Unreadable):
            yield file
        elif has_rows(file):
            for name, row in loading.read_rows(Path(file)):
                yield Sample(name, row)
        else:
            sample = _read_image(model, file, digit=digit)
            if isinstance(sample, Sample) and file in inputs:
                _write_input(sample.values, inputs[file])
            yield sample


def _read_image(model: Model, file: str, *, digit: bool | None) -> Sample | Unreadable:
    try:
        return Sample(file, loading.read_image(model, file, digit=digit))
    except OptionError:  # about the command, not about this file
        raise
    except ChainruleError as error:
        return Unreadable(file, str(error).removeprefix(f"{file}: "))


def _write_input(pixels: Array, stem: Path) -> None:
    """Write pixels (C, H, W) as a gray or a color image."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    suffix = ".pgm" if len(pixels) == 1 else ".ppm"
    write_atomic(Path(f"{stem}{suffix}"), pnm_bytes(pixels))


# ----------------------------------------------------------------------------------------------------------- answering


def check_outputs(model: Model, *, masks: bool, table: bool) -> None:
    """Raise OptionError for a file that the model's outputs cannot be written to.

    masks, table   whether masks or a CSV file are written
    """
    shapes = [end.shape for end in model.outputs]
    is_dense = any(len(shape) > 1 for shape in shapes)
    if is_dense and len(shapes) > 1:
        raise OptionError(f"outputs {model.output_ports}: expected one, or an output per image for each")
    if masks and not is_dense:
        raise OptionError(f"--masks requires an output per pixel; this model has {len(model.classes)} per image")
    if table and is_dense:
        raise OptionError("--csv requires one output per image; use --masks for an output per pixel")


def predict_samples(
    model: Model, samples: Iterable[Sample | Unreadable], top: int, paths: ResultPaths
) -> Iterator[Answer]:
    """Yield the answer for each sample as JSON values, or the problem with it, in order.

    An answer is a class with its confidence and runners-up. For a multi-label or regression model, it is the outputs
    by name, and for a model with an output per pixel, that of `predicted_masks.describe`.

    top   number of classes in an answer
    """
    describe = _description(model, top, paths.masks)
    remaining = iter(samples)
    while batch := list(islice(remaining, BATCH)):
        readable = [sample for sample in batch if isinstance(sample, Sample)]
        answers = iter(_predict_batch(model, readable, describe))
        for sample in batch:
            if isinstance(sample, Unreadable):
                yield {"image": sample.name, "problem": sample.problem}
                continue
            yield {"image": sample.name, **next(answers)}


def _predict_batch(model: Model, samples: Sequence[Sample], describe: Describe) -> Iterable[Answer]:
    if not samples:
        return []
    x = np.stack([sample.values for sample in samples])
    if x.dtype == np.uint8:
        x = model.normalization.of_image(x)
    return describe(samples, model.predict(x))


def _description(model: Model, top: int, masks: Mapping[str, Path]) -> Describe:
    """Return the function that describes outputs of the model's form."""
    if len(model.output_shape) > 1:
        return partial(_describe_pixels, model, masks)
    if model.output_ports is not None:
        return partial(_describe_ports, model)
    if model.task == MULTI_LABEL:
        return partial(_describe_labels, model)
    if model.task == REGRESSION:
        return partial(_describe_numbers, model)
    return partial(_describe_classes, model, top)


def _describe_pixels(
    model: Model, masks: Mapping[str, Path], samples: Sequence[Sample], outputs: Array
) -> Iterator[Answer]:
    """Yield the shares of classes among the pixels, or the mean of each output, and write the masks."""
    for sample, values in zip(samples, outputs, strict=True):
        yield predicted_masks.describe(model, sample.values, values, masks.get(sample.name))


def _describe_numbers(model: Model, samples: Sequence[Sample], outputs: Array) -> Iterator[Answer]:
    """Yield the outputs by name."""
    names = _output_names(model)
    for values in outputs:
        yield {"outputs": dict(zip(names, map(float, values), strict=True))}


def _output_names(model: Model) -> Sequence[str]:
    """Return the names of the outputs; that of a single output without a name is "output"."""
    if model.classes == ("0",):
        return ["output"]
    return model.classes


def _describe_labels(model: Model, samples: Sequence[Sample], outputs: Array) -> Iterator[Answer]:
    """Yield the outputs by name, and the names of the labels that are predicted."""
    names = _output_names(model)
    predicted = are_yes(outputs, model.thresholds)
    for answer, row in zip(_describe_numbers(model, samples, outputs), predicted, strict=True):
        labels = [name for name, is_yes in zip(names, row, strict=True) if is_yes]
        yield {**answer, "labels": labels}


def _describe_classes(model: Model, top: int, samples: Sequence[Sample], outputs: Array) -> Iterator[Answer]:
    """Yield the predicted class with its confidence, and the runners-up, of ``top`` classes together."""
    predicted = decisions.places(model, outputs)
    for shares, winner in zip(confidences(outputs, model.loss), predicted, strict=True):
        runners_up = list[Answer]()
        for place in np.argsort(-shares, kind="stable"):
            if place != winner and len(runners_up) < top - 1:
                runners_up.append({"class": model.classes[place], "confidence": float(shares[place])})
        yield {"class": model.classes[winner], "confidence": float(shares[winner]), "runners_up": runners_up}


def _describe_ports(model: Model, samples: Sequence[Sample], outputs: Mapping[str, Array]) -> Iterator[Answer]:
    """Yield the columns of several outputs: a class and its confidence, labels, or numbers."""
    answers = decisions.answers(model, outputs)
    terms = losses.terms(model.loss)
    parts = [None] * len(terms) if model.task is None else tasks.parts(model.task)
    for number in range(len(samples)):
        columns = Answer()
        for name, term, task in zip(model.output_names, terms, parts, strict=True):
            answer = answers[name][number]
            if task == MULTI_LABEL:
                columns[name] = ", ".join(map(str, answer))
            elif task != REGRESSION:
                columns[name] = str(answer)
                columns[f"{name}_confidence"] = float(confidences(outputs[name][number : number + 1], term).max())
            elif len(answer) == 1:
                columns[name] = float(answer[0])
            else:
                for place, value in enumerate(answer):
                    columns[f"{name}_{place}"] = float(value)
        yield {"outputs": columns}
