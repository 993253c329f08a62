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
from chainrule.core.words import attribute_error
from chainrule.errors import OptionError, unknown_name
from chainrule.network.tasks import CLASSIFICATION, REGRESSION
from chainrule.training.metric_table import PRINTED, unit_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


ERROR = REGRESSION.metric
AREAS = ("roc_auc", "average_precision")
AGREEMENT = ("balanced_accuracy", "matthews_corrcoef", "cohen_kappa")  # also of the positions of dense predictions
CLASS_SCORES = (*AGREEMENT, "mean_f1", *AREAS, "calibration_error", "log_loss")
TOP_SCORE = "top_5_accuracy"
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
        name = ERROR if metric == ERROR else CLASSIFICATION.metric
        values: dict[str, Any] = {name: means[1], f"validation_{name}": validation[1]}
        return Epoch(epoch, step, means[0] or 0.0, validation_loss=validation[0], seconds=seconds, **values)

    @property
    def measured(self) -> float | None:
        """The task's metric on the training samples."""
        return self.mean_absolute_error if self.accuracy is None else self.accuracy

    @property
    def validation_measured(self) -> float | None:
        """The task's metric on the validation samples; None without validation data."""
        accuracy = self.validation_accuracy
        return self.validation_mean_absolute_error if accuracy is None else accuracy


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
        epochs = self.epoch_dicts()
        names = [name for name in (epochs[0] if epochs else {}) if name not in ("epoch", "step")]
        columns = {name: [epoch[name] for epoch in epochs] for name in names}
        return EpochColumns({name: column for name, column in columns.items() if None not in column})

    def __getitem__(self, name: str) -> list[float]:
        """Return the values of every epoch, such as ``history["loss"]``; OptionError for an unknown name."""
        return self.history[name]

    def __contains__(self, name: object) -> bool:
        return name in self.history

    def keys(self) -> list[str]:
        """Return the names of the values of every epoch, so that ``dict(history)`` contains them."""
        return [*self.history]

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Raise AttributeError, with a hint if another library has such an attribute."""
            raise attribute_error("History", name, dir(self), self)

    def epoch_dicts(self) -> list[dict[str, Any]]:
        """Return the epochs as dictionaries for plots and JSON. Metrics of other tasks are omitted."""
        drop = CLASSIFICATION.metric if self.measure == ERROR else ERROR
        dictionaries = list[dict[str, Any]]()
        for epoch in self.epochs:
            values = asdict(epoch)
            metrics = values.pop("validation_metrics")
            kept = {name: value for name, value in values.items() if name.removeprefix("validation_") != drop}
            dictionaries.append(kept | {f"validation_{name}": value for name, value in metrics.items()})
        return dictionaries

    def __repr__(self) -> str:
        figures = [_counted(len(self.epochs), "epoch"), _counted(len(self), "step")]
        if self.epochs:
            end = self.epochs[(self.restored or 0) - 1]
            figures += [f"weights of epoch {end.epoch}"] if self.restored else []
            figures += [f"loss {end.loss:.4f}", f"{self.label} {formatted(self.measure, end.measured)}"]
            if end.validation_loss is not None:
                metric = formatted(self.measure, end.validation_measured)
                figures += [f"validation loss {end.validation_loss:.4f}", f"validation {self.label} {metric}"]
        return f"History({', '.join(figures)})"

    @property
    def label(self) -> str:
        """Name of the metric, for display."""
        return f"{'standardized ' if self.standardized else ''}{self.measure.replace('_', ' ')}"

    def plot(self, title: str = "training") -> "Figure":
        """Plot loss and metric as a matplotlib figure. Save it with ``.savefig(FILE)``."""
        return function_of("History.plot")(self, title)

    def _repr_html_(self) -> str:
        """Return learning curves and a table of the epochs as HTML, for a notebook."""
        return function_of("History._repr_html_")(self)


def formatted(name: str, value: Any) -> str:
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
        if (full := name.replace("val_", "validation_", 1)) in self:
            return self[full]
        raise unknown_name("column of the history", name, [*self])


def epoch_means(history: History) -> tuple[float, float]:
    """Return the mean loss and the mean metric over the samples of the steps since the last epoch in the history."""
    first = history.epochs[-1].step if history.epochs else 0
    sizes = np.array(history.sizes[first:], np.float64)
    columns = (history.losses, history.measures)
    with np.errstate(over="ignore", invalid="ignore"):  # the sum of very large losses may overflow
        means = [float(np.array(column[first:]) @ sizes / sizes.sum()) for column in columns]
    return means[0], means[1]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
