"""The files of a training history: history.csv and validation.csv.

history.csv has one row per step and a column named after the metric. The last row of an epoch also contains the
validation results and the time. Numbers are written with all digits, so that the same bits are read back.
"""

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

from chainrule._io.reading import read_bytes
from chainrule.errors import FormatError, quoted
from chainrule.network.tasks import CLASSIFICATION, METRICS
from chainrule.training.history import ERROR, Epoch, History, epoch_means

MAX_BYTES = 1 << 31  # maximum size of history.csv
_NUMBER = re.compile(r"-?[0-9]{1,320}(\.[0-9]{1,320})?(e[+-]?[0-9]{1,3})?")  # the format of `repr`


def columns(metric: str) -> tuple[str, ...]:
    """Return the column names of history.csv for the given metric."""
    return ("step", "epoch", "samples", "rate", "loss", metric, "validation_loss", f"validation_{metric}", "seconds")


def rows(history: History, start: int = 0) -> Iterator[str]:
    """Yield the lines of history.csv without the heading and without the first ``start`` steps."""
    ends = {epoch.step: epoch for epoch in history.epochs}
    for step in range(start + 1, len(history) + 1):
        index = step - 1
        values = [step, history.numbers[index], history.sizes[index], history.rates[index]]
        values += [history.losses[index], history.measures[index]]
        end = ends.get(step)
        if end is None:
            values += [None, None, None]
        else:
            values += [end.validation_loss, end.validation_measured, round(end.seconds, 3)]
        yield ",".join(map(_cell, values)) + "\n"


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return repr(value)


def validation_csv(history: History) -> bytes:
    """Return the content of validation.csv: the further metrics of each epoch's validation samples."""
    names = list[str]()
    if history.epochs:
        names += history.epochs[-1].validation_metrics
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["epoch", *names])
    for end in history.epochs:
        values = [repr(end.validation_metrics.get(name, math.nan)) for name in names]
        writer.writerow([end.epoch, *values])
    return stream.getvalue().encode()


def read(path: Path, steps: int, samples: int, batch_size: int) -> History:
    """Read the first ``steps`` steps of history.csv. Later rows, which may be incomplete, are ignored.

    samples, batch_size   number of samples per epoch and per batch, which determine the number of steps per epoch

    Errors   FormatError if the heading or a row is invalid, or if there are too few rows
    """
    heading, *lines = _lines(path) or [""]
    metric_of_heading = {",".join(columns(metric)): metric for metric in METRICS}
    if heading not in metric_of_heading:
        raise FormatError(f"{path}: expected the heading {','.join(columns(CLASSIFICATION.metric))}")
    history = History(measure=metric_of_heading[heading])
    if len(lines) < steps:
        raise FormatError(f"{path}: expected at least {steps} steps, found {len(lines)}")
    for line in lines[:steps]:
        step = len(history) + 1
        try:
            _add_row(history, line.split(","), -(-samples // batch_size))
        except (ValueError, OverflowError):
            raise FormatError(f"{path}: expected the row of step {step}, found {quoted(line)}") from None
    return history


def add_validation(history: History, path: Path) -> None:
    """Add the further metrics in validation.csv to the epochs. Rows of later epochs are ignored; so is a missing file.

    Errors   FormatError if the heading or a row is invalid, or if there are too few rows
    """
    if not path.exists():
        return
    content = read_bytes(path, MAX_BYTES, FormatError).decode(errors="replace")
    try:
        heading, *rows = list(csv.reader(StringIO(content))) or [[]]
    except csv.Error as error:
        raise FormatError(f"{path}: {error}") from None
    names = heading[1:]  # after "epoch"
    if not names:
        return
    remaining = iter(rows)
    for number, epoch in enumerate(history.epochs):
        cells = next(remaining, list[str]())
        try:
            metrics = _further_metrics(cells, epoch.epoch, names)
        except ValueError:
            raise FormatError(f"{path}: expected the row of epoch {epoch.epoch}, found {quoted(cells)}") from None
        history.epochs[number] = replace(epoch, validation_metrics=metrics)


def _further_metrics(cells: list[str], epoch: int, names: list[str]) -> dict[str, float]:
    """Return the metrics in a row of validation.csv, by name; ValueError if the row is not that of the epoch."""
    if len(cells) != len(names) + 1 or cells[0] != str(epoch):
        raise ValueError
    return dict(zip(names, map(_metric, cells[1:]), strict=True))


def is_bare(path: Path) -> bool:
    """Return whether history.csv is missing or contains no steps."""
    return not path.exists() or len(_lines(path)) <= 1


def _lines(path: Path) -> list[str]:
    lines = read_bytes(path, MAX_BYTES, FormatError).decode("ascii", errors="replace").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _add_row(history: History, fields: list[str], steps: int) -> None:
    """Append the step in a row of history.csv and, after an epoch's last step, the epoch.

    steps    number of steps per epoch
    Errors   ValueError if the row is invalid, or is not the row of the next step
    """
    epoch, position = divmod(len(history), steps)
    step, number, size, rate, loss, metric, *validation_cells, seconds = fields
    expected = (str(len(history) + 1), str(epoch + 1), str(max(int(size), 1)))
    is_last_of_epoch = position == steps - 1
    if (step, number, size) != expected or len(validation_cells) != 2 or bool(seconds) != is_last_of_epoch:
        raise ValueError
    maximum = 1.0
    if history.measure == ERROR:
        maximum = math.inf
    values = _number(rate), _number(loss, minimum=-math.inf), _number(metric, maximum=maximum)
    history.add(epoch + 1, int(size), *values)
    if is_last_of_epoch:
        validation_loss, validation_metric = validation_cells
        validation = _metric_or_none(validation_loss), _metric_or_none(validation_metric)
        means = epoch_means(history)
        history.epochs.append(Epoch.of(history.measure, epoch + 1, len(history), means, validation, _number(seconds)))


def _number(text: str, minimum: float = 0.0, maximum: float = math.inf) -> float:
    """Parse a finite number from ``minimum`` to ``maximum``; ValueError for anything else."""
    if not _NUMBER.fullmatch(text):
        raise ValueError
    value = float(text)
    if not minimum <= value <= maximum or math.isinf(value):
        raise ValueError
    return value


def _metric_or_none(text: str) -> float | None:
    """Parse the cell of a value on validation samples; None for an empty cell, without validation samples."""
    if not text:
        return None
    return _metric(text)


def _metric(text: str) -> float:
    """Parse a value on validation samples. It may be infinite or NaN, because training continues in these cases."""
    if text in ("inf", "nan"):
        return float(text)
    return _number(text, minimum=-math.inf)
