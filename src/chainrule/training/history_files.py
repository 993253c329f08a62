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
    columns_of_steps = (history.numbers, history.sizes, history.rates, history.losses, history.measures)
    for step, row in enumerate(zip(*(column[start:] for column in columns_of_steps), strict=True), start + 1):
        end = ends.get(step)
        validation = (end.validation_loss, end.validation_measured, round(end.seconds, 3)) if end else ()
        cells = ["" if value is None else repr(value) for value in (step, *row, *validation)]
        yield ",".join(cells) + ("" if end else ",,,") + "\n"


def validation_csv(history: History) -> bytes:
    """Return the content of validation.csv: the further metrics of each epoch's validation samples."""
    names = [*history.epochs[-1].validation_metrics] if history.epochs else []
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
    lines = _lines(path)
    metric = next((name for name in METRICS if lines and lines[0] == ",".join(columns(name))), None)
    if metric is None:
        raise FormatError(f"{path}: expected the heading {','.join(columns(CLASSIFICATION.metric))}")
    history = History(measure=metric)
    if len(lines) - 1 < steps:
        raise FormatError(f"{path}: expected at least {steps} steps, found {len(lines) - 1}")
    for line in lines[1 : steps + 1]:
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
    content = read_bytes(path, MAX_BYTES, FormatError).decode(errors="replace") if path.exists() else ""
    try:
        heading, *rows = [*csv.reader(StringIO(content))] or [[]]
    except csv.Error as error:
        raise FormatError(f"{path}: {error}") from None
    names = heading[1:]
    for number, epoch in enumerate(history.epochs if names else []):
        cells = rows[number] if number < len(rows) else []
        try:
            if (cells[:1], len(cells)) != ([str(epoch.epoch)], len(names) + 1):
                raise ValueError
            values = map(_metric, cells[1:])
            history.epochs[number] = replace(epoch, validation_metrics=dict(zip(names, values, strict=True)))
        except ValueError:
            raise FormatError(f"{path}: expected the row of epoch {epoch.epoch}, found {quoted(cells)}") from None


def is_bare(path: Path) -> bool:
    """Return whether history.csv is missing or contains no steps."""
    return not path.exists() or len(_lines(path)) <= 1


def _lines(path: Path) -> list[str]:
    lines = read_bytes(path, MAX_BYTES, FormatError).decode("ascii", errors="replace").split("\n")
    return lines if lines[-1] else lines[:-1]


def _add_row(history: History, fields: list[str], steps: int) -> None:
    """Append the step in a row of history.csv and, after an epoch's last step, the epoch.

    steps    number of steps per epoch
    Errors   ValueError if the row is invalid, or is not the row of the next step
    """
    epoch, position = divmod(len(history), steps)
    step, number, size, rate, loss, metric, *validation_cells, seconds = fields
    expected = (str(len(history) + 1), str(epoch + 1), str(max(int(size), 1)), 2)
    if (step, number, size, len(validation_cells)) != expected or bool(seconds) != (position == steps - 1):
        raise ValueError
    maximum = math.inf if history.measure == ERROR else 1.0
    values = _number(rate), _number(loss, minimum=-math.inf), _number(metric, maximum=maximum)
    history.add(epoch + 1, int(size), *values)
    if seconds:
        means, duration = epoch_means(history), _number(seconds)
        validation_loss, validated = (_metric(cell) if cell else None for cell in validation_cells)
        validation = validation_loss, validated
        history.epochs.append(Epoch.of(history.measure, epoch + 1, len(history), means, validation, duration))


def _number(text: str, minimum: float = 0.0, maximum: float = math.inf) -> float:
    """Parse a finite number from ``minimum`` to ``maximum``; ValueError for anything else."""
    if not _NUMBER.fullmatch(text) or not minimum <= (value := float(text)) <= maximum or math.isinf(value):
        raise ValueError
    return value


def _metric(text: str) -> float:
    """Parse a value on validation samples. It may be infinite or NaN, because training continues in these cases."""
    return float(text) if text in ("inf", "nan") else _number(text, minimum=-math.inf)
