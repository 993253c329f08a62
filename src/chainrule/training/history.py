"""Training history: loss and metric of every step, and a summary of every epoch.

The metric depends on the task (`network.tasks`): accuracy, label accuracy or mean absolute error.
"""

from array import array
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from chainrule.core.arrays import Floats
from chainrule.core.lazy_methods import function_of
from chainrule.errors import OptionError, unknown_name
from chainrule.network.tasks import CLASSIFICATION, REGRESSION
from chainrule.training.metric_table import PRINTED, unit_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


ERROR = REGRESSION.metric
_Pair: TypeAlias = tuple[float | None, float | None]


@dataclass(frozen=True)
class Epoch:
    """Summary of an epoch.

    epoch     epoch number, from 1
    step      number of steps since the start of training
    loss      mean training loss over the epoch's samples, each computed with the weights at its step
    accuracy  fraction of training samples or labels that were predicted correctly; None for regression
    seconds   training time from the start to the end of the epoch, without pauses between runs
    mean_absolute_error   mean absolute error on the training samples; None for other tasks than regression
    validation_metrics    further metrics of the validation samples: `Evaluation.further`, such as ``roc_auc``, those of
              each of several outputs, such as ``digit_accuracy`` and ``digit_loss``, and the ``metrics`` of `fit`

    Fields that begin with ``validation_`` are None if there is no validation data.
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
    validation_metrics: Mapping[str, float] = field(default_factory=dict[str, float])

    @staticmethod
    def of(
        metric: str, epoch: int, step: int, means: _Pair, validation: _Pair = (None, None), seconds: float = 0
    ) -> "Epoch":
        """Create the summary of an epoch.

        metric      name of the metric
        means       loss and metric on the training samples
        validation  loss and metric on the validation samples
        """
        loss, measured = means
        validation_loss, validation_measured = validation
        field_name = CLASSIFICATION.metric
        if metric == ERROR:
            field_name = ERROR
        metrics: dict[str, Any] = {field_name: measured, f"validation_{field_name}": validation_measured}
        return Epoch(epoch, step, loss or 0.0, validation_loss=validation_loss, seconds=seconds, **metrics)

    @property
    def measured(self) -> float | None:
        """The task's metric on the training samples."""
        if self.accuracy is not None:
            return self.accuracy
        return self.mean_absolute_error

    @property
    def validation_measured(self) -> float | None:
        """The task's metric on the validation samples; None without validation data."""
        if self.validation_accuracy is not None:
            return self.validation_accuracy
        return self.validation_mean_absolute_error


@dataclass(repr=False)
class History:
    """Samples, learning rate, loss and metric of every step, and a summary of every epoch.

    sizes     number of samples in every step's batch
    rates     learning rate of every step
    losses    mean loss of every step's batch
    measures  metric of every step's batch
    numbers   epoch number of every step, from 1
    epochs    summaries of the completed epochs
    measure   name of the metric: one of `tasks.METRICS`
    notes     sentences about settings chosen automatically and about the outcome of training
    warnings  the notes that tell of a problem: training diverged, or learned nothing
    restored  number of the epoch whose weights early stopping has restored; None for the weights of the last step
    standardized  whether the metric is that of several standardized targets, which have different units
    """

    sizes: "array[int]" = field(default_factory=lambda: array("l"))
    rates: "array[float]" = field(default_factory=lambda: array("d"))
    losses: "array[float]" = field(default_factory=lambda: array("d"))
    measures: "array[float]" = field(default_factory=lambda: array("d"))
    numbers: "array[int]" = field(default_factory=lambda: array("l"))
    epochs: list[Epoch] = field(default_factory=list[Epoch])
    measure: str = CLASSIFICATION.metric
    notes: list[str] = field(default_factory=list[str], compare=False)
    warnings: list[str] = field(default_factory=list[str], compare=False)
    restored: int | None = field(default=None, compare=False)
    standardized: bool = field(default=False, compare=False)

    def __len__(self) -> int:
        return len(self.losses)

    def add(self, epoch: int, samples: int, rate: float, loss: float, measured: float) -> None:
        """Append a step on a batch of ``samples``. ``measured`` is the value of the metric."""
        self.numbers.append(epoch)
        self.sizes.append(samples)
        self.rates.append(rate)
        self.losses.append(loss)
        self.measures.append(measured)

    @property
    def loss(self) -> Floats:
        """Mean loss of every step's batch, (steps,)."""
        return np.array(self.losses, np.float64)

    @property
    def measured(self) -> Floats:
        """Metric of every step's batch, (steps,). `measure` is its name."""
        return np.array(self.measures, np.float64)

    @property
    def accuracy(self) -> Floats:
        """Fraction of samples (or labels) in every step's batch that were predicted correctly, (steps,).

        Errors   OptionError for regression
        """
        if self.measure == ERROR:
            raise OptionError("accuracy is not defined for regression; use `measured`, the mean absolute error")
        return self.measured

    @property
    def history(self) -> "EpochColumns":
        """Values of every epoch by name: loss, metric, their values on the validation data, and seconds."""
        columns = EpochColumns()
        epochs = self.epoch_dicts()
        if not epochs:
            return columns
        for name in epochs[0]:
            values = [epoch[name] for epoch in epochs]
            if name not in ("epoch", "step") and None not in values:
                columns[name] = values
        return columns

    def __getitem__(self, name: str) -> list[float]:
        """Return the values of every epoch, such as ``history["loss"]``; OptionError for an unknown name."""
        return self.history[name]

    def __contains__(self, name: object) -> bool:
        return name in self.history

    def keys(self) -> list[str]:
        """Return the names of the values of every epoch, so that ``dict(history)`` contains them."""
        return [*self.history]

    def epoch_dicts(self) -> list[dict[str, Any]]:
        """Return the epochs as dictionaries for plots and JSON. Metrics of other tasks are omitted."""
        of_other_tasks = ERROR
        if self.measure == ERROR:
            of_other_tasks = CLASSIFICATION.metric
        dictionaries = list[dict[str, Any]]()
        for epoch in self.epochs:
            values = asdict(epoch)
            metrics = values.pop("validation_metrics")
            del values[of_other_tasks], values[f"validation_{of_other_tasks}"]
            for name, value in metrics.items():
                values[f"validation_{name}"] = value
            dictionaries.append(values)
        return dictionaries

    def __repr__(self) -> str:
        figures = [counted(len(self.epochs), "epoch"), counted(len(self), "step")]
        if self.epochs:
            end = self.epochs[-1]
            if self.restored is not None:
                end = self.epochs[self.restored - 1]
                figures.append(f"weights of epoch {end.epoch}")
            figures += [f"loss {end.loss:.4f}", f"{self.label} {formatted(self.measure, end.measured)}"]
            if end.validation_loss is not None:
                metric = formatted(self.measure, end.validation_measured)
                figures += [f"validation loss {end.validation_loss:.4f}", f"validation {self.label} {metric}"]
        return f"History({', '.join(figures)})"

    @property
    def label(self) -> str:
        """Name of the metric, for display."""
        label = self.measure.replace("_", " ")
        if self.standardized:
            label = f"standardized {label}"
        return label

    def plot(self, title: str = "training", axes: Any = None) -> "Figure":
        """Plot loss and metric as a matplotlib figure. Save it with ``.savefig(FILE)``.

        axes   two matplotlib axes to draw in, for the loss and the metric; None: a new figure
        """
        return function_of("History.plot")(self, title, axes)

    def _repr_html_(self) -> str:
        """Return a table of the epochs as HTML, for a notebook."""
        return function_of("History._repr_html_")(self)


def formatted(name: str, value: object) -> str:
    """Format a value for display: fractions as "98.81 %", seconds as "12.3", other floats as "0.0412", None as "–"."""
    if value is None:
        return "–"
    if name == "seconds":
        return f"{value:.1f}"
    if not isinstance(value, float):
        return str(value)
    return PRINTED[unit_of(name)].format(value).replace("%", " %")


class EpochColumns(dict[str, list[float]]):
    """Values of every epoch by name. A name may begin with ``val_`` instead of ``validation_``."""

    def __missing__(self, name: str) -> list[float]:
        full_name = name.replace("val_", "validation_", 1)
        if full_name in self:
            return self[full_name]
        raise unknown_name("column of the history", name, [*self])


def epoch_means(history: History) -> tuple[float, float]:
    """Return the mean loss and the mean metric over the samples of the steps since the last epoch in the history."""
    first = 0
    if history.epochs:
        first = history.epochs[-1].step
    sizes = np.array(history.sizes[first:], np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # the sum of very large losses may overflow
        loss = np.array(history.losses[first:]) @ sizes / sizes.sum()
        measured = np.array(history.measures[first:]) @ sizes / sizes.sum()
    return float(loss), float(measured)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as "1 epoch" or "1,200 samples"."""
    ending = ""
    if number != 1:
        ending = "s"
    return f"{number:,} {noun}{ending}"
