"""The file of a training history: history.csv.

It has one row per step and columns named after the metrics. The last row of an epoch also contains the validation
results and the time. Numbers are written with all digits, so that the same bits are read back.
"""

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

from chainrule._io.reading import read_bytes
from chainrule.errors import FormatError, quoted
from chainrule.network.tasks import CLASSIFICATION, METRICS
from chainrule.training.history import ERROR, Epoch, History, epoch_means

MAX_BYTES = 1 << 31  # maximum size of history.csv
PREFIX = "validation_"  # before the names of further metrics in the heading
_NUMBER = re.compile(r"-?[0-9]{1,320}(\.[0-9]{1,320})?(e[+-]?[0-9]{1,3})?")  # the format of `repr`


def columns(metric: str, further: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the column names of history.csv for the metric and further metrics of validation samples."""
    names = ("step", "epoch", "samples", "rate", "loss", metric, "validation_loss", f"validation_{metric}", "seconds")
    return (*names, *(PREFIX + name for name in further))


def heading(metric: str, further: Sequence[str] = ()) -> str:
    """Return the first line of history.csv."""
    return _csv_line(columns(metric, further))


def further_metrics(history: History) -> tuple[str, ...]:
    """Return the names of the further metrics of validation samples, which are known after the first epoch."""
    if not history.epochs:
        return ()
    return tuple(history.epochs[-1].validation_metrics)


def rows(history: History, start: int = 0, further: Sequence[str] = ()) -> Iterator[str]:
    """Yield the lines of history.csv without the heading and without the first ``start`` steps.

    further   names of the further metrics in the heading
    """
    ends = {epoch.step: epoch for epoch in history.epochs}
    for step in range(start + 1, len(history) + 1):
        index = step - 1
        values = [step, history.numbers[index], history.sizes[index], history.rates[index]]
        values += [history.losses[index], history.measures[index]]
        end = ends.get(step)
        if end is None:
            values += [None] * (3 + len(further))
        else:
            values += [end.validation_loss, end.validation_measured, round(end.seconds, 3)]
            for name in further:
                values.append(end.validation_metrics.get(name, math.nan))
        yield ",".join(map(_cell, values)) + "\n"


def _csv_line(cells: Sequence[str]) -> str:
    stream = StringIO()
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue()


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return repr(value)


def read(path: Path, steps: int, samples: int, batch_size: int) -> History:
    """Read the first ``steps`` steps of history.csv. Later rows, which may be incomplete, are ignored.

    samples, batch_size   number of samples per epoch and per batch, which determine the number of steps per epoch

    Errors   FormatError if the heading or a row is invalid, or if there are too few rows
    """
    content = read_bytes(path, MAX_BYTES, FormatError).decode(errors="replace")
    lines = csv.reader(StringIO(content, newline=""))
    history, further = _empty_history(_next_row(lines), path)
    for step in range(1, steps + 1):
        cells = _next_row(lines)
        if not cells:
            raise FormatError(f"{path}: expected at least {steps} steps, found {step - 1}")
        try:
            _add_row(history, cells, further, -(-samples // batch_size))
        except (ValueError, OverflowError):
            raise FormatError(f"{path}: expected the row of step {step}, found {quoted(','.join(cells))}") from None
    return history


def _empty_history(names: list[str], path: Path) -> tuple[History, list[str]]:
    """Return the history for a heading, without steps, and the names of the further metrics."""
    count = len(columns(""))
    further = [name.removeprefix(PREFIX) for name in names[count:]]
    for metric in METRICS:
        if names == [*columns(metric, further)]:
            return History(measure=metric), further
    raise FormatError(f"{path}: expected the heading {','.join(columns(CLASSIFICATION.metric))}")


def _next_row(lines: Iterator[list[str]]) -> list[str]:
    """Return the next row of a CSV file; an empty list if there is none, or if it is damaged."""
    try:
        return next(lines, list[str]())
    except csv.Error:
        return []


def _add_row(history: History, cells: list[str], further: Sequence[str], steps: int) -> None:
    """Append the step in a row of history.csv and, after an epoch's last step, the epoch.

    further  names of the further metrics
    steps    number of steps per epoch
    Errors   ValueError if the row is invalid, or is not the row of the next step
    """
    epoch, position = divmod(len(history), steps)
    step, number, size, rate, loss, metric, validation_loss, validation_metric, seconds, *others = cells
    expected = (str(len(history) + 1), str(epoch + 1), str(max(int(size), 1)))
    is_last_of_epoch = position == steps - 1
    if (step, number, size) != expected or len(others) != len(further) or bool(seconds) != is_last_of_epoch:
        raise ValueError
    maximum = 1.0
    if history.measure == ERROR:
        maximum = math.inf
    values = _number(rate), _number(loss, minimum=-math.inf), _number(metric, maximum=maximum)
    history.add(epoch + 1, int(size), *values)
    if is_last_of_epoch:
        validation = _metric_or_none(validation_loss), _metric_or_none(validation_metric)
        means = epoch_means(history)
        end = Epoch.of(history.measure, epoch + 1, len(history), means, validation, _number(seconds))
        metrics = dict(zip(further, map(_metric, others), strict=True))
        history.epochs.append(replace(end, validation_metrics=metrics))


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
