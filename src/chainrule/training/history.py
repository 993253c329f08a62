"""The history of a training: loss and measure of every step, and a summary of every epoch.

The measure is that of the task (`training.tasks`): accuracy, label accuracy or mean absolute error, which is also the
name of its column. history.csv has one row per step; the last row of an epoch has its validation results and the
seconds. Numbers are written with all digits, so that reading returns the same bits.
"""

import math
import re
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule._io.reading import read_bytes
from chainrule.errors import FormatError, OptionError, quoted
from chainrule.training.tasks import BINARY, CLASSIFICATION, MEASURES, MULTI_LABEL, REGRESSION, Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from chainrule.training.loop import Trainer

MOST_BYTES = 1 << 31
NUMBER = re.compile(r"-?[0-9]{1,320}(\.[0-9]{1,320})?(e[+-]?[0-9]{1,3})?")  # as `repr` writes it
ERROR = REGRESSION.measure
_Pair: TypeAlias = tuple[float | None, float | None]


def columns(measure: str) -> tuple[str, ...]:
    """Return the column names of a history.csv with a measure."""
    return ("step", "epoch", "rate", "loss", measure, "validation_loss", f"validation_{measure}", "seconds")


COLUMNS = columns(CLASSIFICATION.measure)


@dataclass(frozen=True)
class Epoch:
    """Summary of an epoch, numbered from 1.

    step      number of steps done at its end
    loss      mean training loss over its samples, each with the weights of its own step
    accuracy  likewise the share of samples, or labels, that was right; None for regression
    seconds   seconds since training began, without pauses
    mean_absolute_error   likewise, for regression; else None
    """

    epoch: int
    step: int
    loss: float
    accuracy: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    seconds: float = 0.0
    mean_absolute_error: float | None = None
    validation_mean_absolute_error: float | None = None

    @staticmethod
    def of(
        measure: str, epoch: int, step: int, means: _Pair, validation: _Pair = (None, None), seconds: float = 0
    ) -> "Epoch":
        """Return an epoch from pairs (loss, measure) of training and validation."""
        name = ERROR if measure == ERROR else CLASSIFICATION.measure
        figures = {name: means[1], "validation_loss": validation[0], f"validation_{name}": validation[1]}
        return Epoch(epoch, step, means[0] or 0.0, seconds=seconds, **figures)

    @property
    def measured(self) -> float | None:
        """Measure of the task in training."""
        return self.mean_absolute_error if self.accuracy is None else self.accuracy

    @property
    def validation_measured(self) -> float | None:
        """Measure of the task in validation; None without."""
        found = self.validation_accuracy
        return self.validation_mean_absolute_error if found is None else found


@dataclass(repr=False)
class History:
    """Rate, loss and measure of every step (from 0), and the epochs.

    numbers   number of the epoch of every step, from 1
    measure   name of the measure: one of `tasks.MEASURES`
    notes     sentences about decisions before training and about its outcome
    """

    rates: "array[float]" = field(default_factory=lambda: array("d"))
    losses: "array[float]" = field(default_factory=lambda: array("d"))
    measures: "array[float]" = field(default_factory=lambda: array("d"))
    numbers: "array[int]" = field(default_factory=lambda: array("l"))
    epochs: list[Epoch] = field(default_factory=list[Epoch])
    measure: str = CLASSIFICATION.measure
    notes: list[str] = field(default_factory=list[str], compare=False)

    def __len__(self) -> int:
        return len(self.losses)

    def add(self, epoch: int, rate: float, loss: float, measured: float) -> None:
        """Append a step."""
        self.numbers.append(epoch)
        self.rates.append(rate)
        self.losses.append(loss)
        self.measures.append(measured)

    @property
    def loss(self) -> NDArray[np.float64]:
        """Mean loss of the batch at every step."""
        return np.array(self.losses, np.float64)

    @property
    def measured(self) -> NDArray[np.float64]:
        """Measure of the batch at every step; `measure` is its name."""
        return np.array(self.measures, np.float64)

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Share of the batch (of its labels, if each sample has several) that was right, at every step."""
        if self.measure == ERROR:
            raise OptionError("accuracy means nothing for regression; the history has mean_absolute_error (`measured`)")
        return self.measured

    def rows(self, start: int = 0) -> Iterator[str]:
        """Yield the lines of history.csv from a step on, without the heading."""
        ends = {epoch.step: epoch for epoch in self.epochs}
        columns = (self.numbers, self.rates, self.losses, self.measures)
        for step, row in enumerate(zip(*(column[start:] for column in columns), strict=True), start + 1):
            end = ends.get(step)
            rest = (end.validation_loss, end.validation_measured, round(end.seconds, 3)) if end else ()
            checked = ",".join("" if number is None else repr(number) for number in rest) or ",,"
            number, rate, loss, measured = row
            yield f"{step},{number},{rate!r},{loss!r},{measured!r},{checked}\n"

    def epoch_dicts(self) -> list[dict[str, Any]]:
        """Return the epochs as dictionaries, for plots and JSON, without measures of other tasks."""
        drop = CLASSIFICATION.measure if self.measure == ERROR else ERROR
        return [
            {name: value for name, value in asdict(epoch).items() if name.removeprefix("validation_") != drop}
            for epoch in self.epochs
        ]

    def __repr__(self) -> str:
        end = self.epochs[-1] if self.epochs else None
        measured = formatted(self.measure, end.measured) if end else ""
        figures = f", loss {end.loss:.4f}, {self.measure.replace('_', ' ')} {measured}" if end else ""
        return f"History({_count(len(self.epochs), 'epoch')}, {_count(len(self), 'step')}{figures})"

    def plot(self, title: str = "training") -> "Figure":
        """Draw loss and measure as a matplotlib figure; ``.savefig(FILE)`` writes it."""
        from chainrule.plotting import curves

        steps = range(1, len(self) + 1)
        return curves.learning_curves(steps, self.loss, self.measured, self.epoch_dicts(), title, self.measure)

    def _repr_html_(self) -> str:
        """Return curves and a table of the epochs as HTML, for a notebook."""
        from chainrule.plotting import figures, notebook

        rows = [[formatted(name, value) for name, value in epoch.items()] for epoch in self.epoch_dicts()]
        named = {"accuracy": self.measure, "validation_accuracy": f"validation_{self.measure}"}
        heads = [named.get(name, name).replace("_", " ") for name in (self.epoch_dicts() or [{}])[0]]
        picture = notebook.image(figures.png(self.plot()), f"loss and {self.measure.replace('_', ' ')}")
        return picture + notebook.table(heads, rows, "epochs") + notebook.paragraphs(self.notes)


def formatted(name: str, value: Any) -> str:
    """Return a value as displayed: 98.81 % for an accuracy, 12.3 for seconds, else 0.0412."""
    if value is None:
        return "–"
    if "accuracy" in name:
        return f"{100 * value:.2f} %"
    if name == "seconds":
        return f"{value:.1f}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def read(path: Path, steps: int, samples: int, batch_size: int) -> History:
    """Read the first ``steps`` steps of a history.csv; later rows, which may be incomplete, are ignored.

    samples, batch_size   of an epoch, to weight its last, shorter batch

    Errors   FormatError when the heading or a row is invalid, or there are too few rows
    """
    lines = _lines(path)
    measure = next((name for name in MEASURES if lines and lines[0] == ",".join(columns(name))), None)
    if measure is None:
        raise FormatError(f"{path}: expected the heading {','.join(COLUMNS)}")
    history = History(measure=measure)
    if len(lines) - 1 < steps:
        raise FormatError(f"{path}: expected at least {steps} steps, found {len(lines) - 1}")
    for line in lines[1 : steps + 1]:
        step = len(history) + 1
        try:
            _add_row(history, line.split(","), samples, batch_size)
        except ValueError:
            raise FormatError(f"{path}: not a row of step {step}: {quoted(line)}") from None
    return history


def is_bare(path: Path) -> bool:
    """Return whether a history.csv is missing or has no step yet."""
    return not path.exists() or len(_lines(path)) <= 1


def _lines(path: Path) -> list[str]:
    lines = read_bytes(path, MOST_BYTES, FormatError).decode("ascii", errors="replace").split("\n")
    return lines if lines[-1] else lines[:-1]


def _add_row(history: History, fields: list[str], samples: int, batch_size: int) -> None:
    """Append the step of a row, and the epoch if it ends one; ValueError if it is not the row of the next step."""
    steps = -(-samples // batch_size)
    epoch, place = divmod(len(history), steps)
    step, number, rate, loss, measured, *checked, seconds = fields
    if (step, number, len(checked)) != (str(len(history) + 1), str(epoch + 1), 2) or bool(seconds) != (
        place == steps - 1
    ):
        raise ValueError
    most = math.inf if history.measure == ERROR else 1.0
    history.add(epoch + 1, _number(rate), _number(loss, least=-math.inf), _number(measured, most=most))
    if seconds:
        means = epoch_means(history, samples, batch_size)
        validation = _validation_loss(checked[0]), _number(checked[1], most=most) if checked[1] else None
        took = _number(seconds)
        history.epochs.append(Epoch.of(history.measure, epoch + 1, len(history), means, validation, took))


def _number(text: str, least: float = 0.0, most: float = math.inf) -> float:
    """Parse a finite number from ``least`` to ``most``; ValueError for anything else."""
    if not NUMBER.fullmatch(text) or not least <= (value := float(text)) <= most or math.isinf(value):
        raise ValueError
    return value


def _validation_loss(text: str) -> float | None:
    """Parse a validation loss, which may be missing, infinite or NaN, since that does not end training."""
    if text in ("", "inf", "nan"):
        return float(text) if text else None
    return _number(text, least=-math.inf)


def epoch_means(history: History, samples: int, batch_size: int) -> tuple[float, float]:
    """Return mean loss and measure over the samples of the epoch that has just ended."""
    steps = -(-samples // batch_size)
    weights = np.full(steps, batch_size, np.float64)
    weights[-1] = samples - (steps - 1) * batch_size
    first = len(history) - steps
    with np.errstate(over="ignore", invalid="ignore"):  # the mean of losses near the largest float is infinite
        means = [float(np.array(column[first:]) @ weights / samples) for column in (history.losses, history.measures)]
    return means[0], means[1]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


GROWN, MANY = 1.25, 64  # growth of the loss that means divergence, if measured over this many samples
START, FAR = 8, 3.0  # samples at the very beginning, and growth over their loss that means divergence
NEARLY = 0.98  # share of a constant prediction's error above which nothing was learnt


def training_notes(trainer: "Trainer") -> list[str]:
    """Return warnings about a finished training; usually none."""
    history, half = trainer.history, max(1, trainer.epoch_steps // 2)
    if len(history) < 2 * half or len(history) < 2:
        return []
    first, last = float(np.mean(history.loss[:half])), float(np.mean(history.loss[-half:]))
    steps = -(-START // trainer.recipe.batch_size)
    start = float(np.mean(history.loss[:steps]))  # the loss may have grown within the first half
    many = half * trainer.recipe.batch_size >= MANY
    if (many and last > GROWN * first > 0) or last > FAR * start > 0:
        first = min(first, start)
        grown = f"the loss grew from {first:.4g} to {last:.4g}"
        rate = trainer.recipe.optimizer.learning_rate
        return [f"{grown}: training diverged; try a smaller learning rate than {rate:g}"]
    if trainer.weights is not None:  # a constant prediction is measured without them
        return []
    return _chance_note(trainer, float(np.mean(history.measured[-half:])), half * trainer.recipe.batch_size)


def _chance_note(trainer: "Trainer", reached: float, samples: int) -> list[str]:
    task, targets = trainer.task, trainer.train_data.targets
    constant = baseline(task, targets)
    if task == REGRESSION:
        learnt = reached < NEARLY * constant or constant == 0
    else:
        answers = samples * (targets.shape[1] if task == MULTI_LABEL else 1)
        deviation = math.sqrt(constant * (1 - constant) / max(answers, 1))
        learnt = constant == 1 or reached > constant + min(2 * deviation, (1 - constant) / 4)
    if learnt:
        return []
    measure = trainer.history.measure
    return [
        f"the {measure.replace('_', ' ')} in training was {formatted(measure, reached)} at the end, not clearly better "
        f"than a constant prediction ({formatted(measure, constant)}): "
        "try another learning rate, more epochs, or check the labels"
    ]


def baseline(task: Task, targets: NDArray[np.float64]) -> float:
    """Return the measure of the best constant prediction on targets (N, K)."""
    if task == REGRESSION:
        return float(np.abs(targets - np.median(targets, 0)).mean())
    means = targets.mean(0)
    if task in (BINARY, MULTI_LABEL):
        return float(np.maximum(means, 1 - means).mean())
    return float(np.bincount(targets.argmax(1)).max() / len(targets))
