"""Metrics of a network's outputs on labeled samples. Other metrics are functions, such as those of scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from chainrule._io.files import without_nonfinite
from chainrule._io.locks import cached_property
from chainrule.core.arrays import Array, Bools, Floats, Ints
from chainrule.core.lazy_methods import function_of
from chainrule.core.shapes import is_number
from chainrule.data.input_statistics import mean_and_deviation
from chainrule.engines import fallback
from chainrule.errors import DataError, OptionError, quoted
from chainrule.network.labels import UNNAMED, Labels
from chainrule.network.losses import Loss
from chainrule.network.tasks import BINARY, CLASSIFICATION, MULTI_LABEL, REGRESSION, Task
from chainrule.training import dense
from chainrule.training.history import counted, formatted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOGITS_LOSS = "softmax_cross_entropy"  # the loss of networks whose outputs are logits
Metric: TypeAlias = Callable[..., Any]  # of true and predicted values; of weighted samples also sample_weight
# The metrics of each task by name, the main one first
FIGURES: Mapping[Task, tuple[str, ...]] = {
    CLASSIFICATION: ("accuracy", "mean_f1"),
    BINARY: ("accuracy", "mean_f1"),
    MULTI_LABEL: ("label_accuracy", "exact_match", "mean_f1"),
    REGRESSION: ("mean_absolute_error", "root_mean_squared_error", "r2"),
}
MAX_NAMED = 20  # targets whose errors are reported by name
MAX_MISSED = 10  # classes with a recall of 0 that a warning names


class Misclassification(NamedTuple):
    """A sample that is classified wrongly: its number, its class, the predicted one, the confidence, and the loss."""

    sample: int
    true: object
    predicted: object
    confidence: float
    loss: float


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Outputs, targets and metrics of evaluated samples. Metrics that are undefined for the task raise OptionError.

    For dense predictions, a metric counts positions instead of samples: accuracy is the pixel accuracy.

    loss      mean loss
    outputs   the network's outputs, (N, K), or (N, K, …) for dense predictions
    targets   targets, in the shape of the outputs
    task      the network's task
    labels    labels of the classes; of several labels per sample, their names
    valid     for dense labels, whether each position counts, (N, …); None: all positions count
    logits    whether the outputs are logits, whose softmax gives the probabilities
    losses    loss of each sample, (N,); for several outputs, only the parts have them
    thresholds  smallest output of each label, (K,), that means yes; empty: ½
    functions   further metrics by name, as in `Model.evaluate`
    weights     weight of each sample in the metrics, (N,), with a mean of 1; None: all are 1

    >>> evaluation = model.evaluate(x_test, y_test)
    >>> evaluation.accuracy, evaluation.recall
    """

    loss: float
    outputs: Array
    targets: Array
    task: Task = CLASSIFICATION
    labels: Labels = UNNAMED
    valid: Bools | None = None
    logits: bool = False
    losses: Array = field(default_factory=lambda: np.empty(0))
    thresholds: tuple[float, ...] = ()
    functions: Mapping[str, Metric] = field(default_factory=dict[str, Metric])
    weights: Floats | None = None

    def __repr__(self) -> str:
        metrics = list[str]()
        for name, value in self.figures.items():
            metrics.append(f"{name.replace('_', ' ')} {formatted(name, value)}")
        return f"Evaluation({counted(self.samples, 'sample')}: {', '.join(metrics)})"

    def __getitem__(self, name: str) -> Evaluation:
        """Raise TypeError: values have names. This also explains ``loss, accuracy = model.evaluate(x, y)``."""
        raise TypeError(f"an Evaluation has attributes: use evaluation.loss and evaluation.{self.task.metric}")

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.outputs)

    @property
    def row_weights(self) -> Floats | None:
        """Weight of each sample, or of each position that counts, (M,); None: all are 1."""
        if self.weights is None:
            return None
        positions = self.outputs.shape[2:]
        by_sample = np.broadcast_to(self.weights.reshape(-1, *[1] * len(positions)), (self.samples, *positions))
        if self.valid is None:
            return by_sample.ravel()
        return by_sample[self.valid]

    def with_weights(self, weights: Floats) -> Evaluation:
        """Return the evaluation with weights of the samples (N,) in the loss and in the metrics."""
        if not len(self.losses):
            raise OptionError("sample_weight requires one output; evaluate each output with its own weights")
        if not weights.any():
            raise DataError("sample_weight: all are 0; expected at least one above 0")
        loss = float(np.average(self.losses, weights=weights))
        return replace(self, loss=loss, weights=weights / weights.mean())

    def _mean(self, values: Array) -> float:
        """Return the weighted mean of values (M, …) of the samples or positions that count."""
        return float(np.average(values.reshape(len(values), -1).mean(1), weights=self.row_weights))

    # ------------------------------------------------------------------ classes and labels

    @cached_property
    def predicted(self) -> Ints:
        """Predicted classes (N,) or (N, …): index of the largest output; 1 if a single one reaches its threshold, ½."""
        self._require_task("predicted classes", CLASSIFICATION, BINARY)
        return dense.classes_of(self.outputs, self.thresholds)

    @cached_property
    def confusion(self) -> Array:
        """Confusion matrix (K, K). Rows are true classes, columns are predicted classes. Weights are added up."""
        self._require_task("a confusion matrix", CLASSIFICATION, BINARY)
        K = max(self.outputs.shape[1], 2)
        true, predicted = self.compared
        return np.bincount(true * K + predicted, self.row_weights, K * K).reshape(K, K)

    @property
    def accuracy(self) -> float:
        """Fraction of samples or positions that are classified correctly; only for classification and binary tasks."""
        self._require_task("accuracy", CLASSIFICATION, BINARY)
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def label_accuracy(self) -> float:
        """Fraction of all labels that are predicted correctly."""
        self._require_task("label accuracy", MULTI_LABEL)
        true, predicted = self.compared
        return self._mean(true == predicted)

    @property
    def exact_match(self) -> float:
        """Fraction of samples for which all labels are predicted correctly."""
        self._require_task("exact match", MULTI_LABEL)
        true, predicted = self.compared
        return self._mean((true == predicted).all(1))

    @property
    def recall(self) -> Floats:
        """Recall of each class or label, (K,): the fraction of its samples predicted correctly; NaN if none."""
        correct, actual, _ = self._counts()
        return ratio(correct, actual)

    @property
    def precision(self) -> Floats:
        """Precision of each class or label, (K,): the fraction of its predictions that are correct; NaN if none."""
        correct, _, predicted = self._counts()
        return ratio(correct, predicted)

    @property
    def f1(self) -> Floats:
        """F1 score (K,), or Dice coefficient: 2·correct / (actual + predicted); NaN for 0/0."""
        correct, actual, predicted = self._counts()
        return ratio(2 * correct, actual + predicted)

    @property
    def iou(self) -> Floats:
        """Intersection over union of each class or label, (K,): correct / (actual + predicted − correct)."""
        correct, actual, predicted = self._counts()
        return ratio(correct, actual + predicted - correct)

    @property
    def mean_f1(self) -> float:
        """Mean F1 score over all classes or labels where it is defined (macro F1); NaN if there are none."""
        return mean_defined(self.f1)

    @property
    def mean_iou(self) -> float:
        """Mean intersection over union of all classes or labels where it is defined; NaN if there are none."""
        return mean_defined(self.iou)

    @property
    def probabilities(self) -> Floats:
        """Confidence in each class, (M, K), of the samples, or of the positions that count; two for one output."""
        self._require_task("probabilities", CLASSIFICATION, BINARY)
        outputs = dense.rows(self.outputs)
        if self.valid is not None:
            outputs = outputs[self.valid.ravel()]
        return class_probabilities(outputs, are_logits=self.logits)

    @property
    def correct(self) -> Bools:
        """Whether each sample is classified correctly, (N,); of labels, whether all are."""
        self._require_single("the outcome of a sample")
        true, predicted = self.compared
        return (true == predicted).reshape(len(true), -1).all(1)

    @property
    def confidence(self) -> Floats:
        """Confidence in the predicted class of each sample, (N,); of labels, the largest in a wrong answer, or 0."""
        self._require_single("the confidence")
        if self.task == MULTI_LABEL:
            true, predicted = self.compared
            outputs = self.outputs.astype(np.float64)
            said = np.where(predicted, outputs, 1 - outputs)
            return np.where(predicted == true, 0.0, said).max(1)
        return np.take_along_axis(self.probabilities, self.predicted[:, None], 1)[:, 0]

    @property
    def mistakes(self) -> list[Misclassification]:
        """The samples that are classified wrongly, the most confident mistake first; ties in the order of samples.

        The answer (1, 0, 1) of several labels becomes "cat, dog".
        """
        labels = np.array(self.names)
        if self.task != MULTI_LABEL and self.labels.classes == self.names:
            labels = self.labels.values  # in the type of those of the training
        confidence = self.confidence
        losses = self.losses
        if not len(losses):  # not computed
            losses = np.full(self.samples, np.nan)
        true, predicted = self.compared
        wrong = ~self.correct
        mistakes = list[Misclassification]()
        for n in np.argsort(-confidence, kind="stable").tolist():
            if wrong[n]:
                answers = _shown(true[n], labels), _shown(predicted[n], labels)
                mistakes.append(Misclassification(n, *answers, float(confidence[n]), float(losses[n])))
        return mistakes

    # ------------------------------------------------------------------ numbers

    @property
    def mean_absolute_errors(self) -> Floats:
        """Mean of |output − target| of each output, (K,)."""
        self._require_task("mean absolute error", REGRESSION)
        return np.average(np.abs(self._errors), 0, self.row_weights)

    @property
    def mean_absolute_error(self) -> float:
        """Mean of |output − target| over samples and outputs."""
        return float(self.mean_absolute_errors.mean())

    @property
    def root_mean_squared_error(self) -> float:
        """Square root of the mean of (output − target)² over samples and outputs."""
        self._require_task("root mean squared error", REGRESSION)
        return math.sqrt(self._mean(np.square(self._errors)))

    @property
    def r2(self) -> float:
        """Coefficient of determination, 1 − Σ(t − p)²/Σ(t − t̄)², averaged over the outputs.

        1 means perfect predictions; 0 is no better than predicting the mean target. NaN if a target is constant
        up to rounding.
        """
        self._require_task("R²", REGRESSION)
        targets = dense.rows(self.targets.astype(np.float64))
        _, deviation = mean_and_deviation(targets, targets.shape[1])
        weights = self.row_weights
        variance = np.average(np.square(targets - np.average(targets, 0, weights)), 0, weights)
        variance[deviation == 0] = np.nan
        return float((1 - np.average(np.square(self._errors), 0, weights) / variance).mean())

    # ------------------------------------------------------------------ all

    @property
    def compared(self) -> tuple[Array, Array]:
        """True and predicted classes (M,), labels (M, K) of 0 and 1, or numbers (M, K), (M,) for K = 1."""
        if self.task == REGRESSION:
            outputs, targets = dense.rows(self.outputs), dense.rows(self.targets)
            if targets.shape[1] == 1:
                return targets[:, 0], outputs[:, 0]
            return targets, outputs
        if self.task == MULTI_LABEL:
            predicted = dense.are_yes(dense.rows(self.outputs), self.thresholds)
            return dense.are_yes(dense.rows(self.targets)).astype(np.int64), predicted.astype(np.int64)
        true = dense.classes_of(self.targets)
        if self.valid is None:
            return true.ravel(), self.predicted.ravel()
        return true[self.valid], self.predicted[self.valid]

    @property
    def measured(self) -> float:
        """The main metric of the task."""
        return float(getattr(self, self.task.metric))

    @property
    def of_outputs(self) -> dict[str, float]:
        """The mean absolute error of each of several targets, such as ``area_mean_absolute_error``; else empty."""
        if self.task != REGRESSION or not 1 < self.outputs.shape[1] <= MAX_NAMED:
            return {}
        errors = self.mean_absolute_errors.tolist()
        return {f"{name}_{REGRESSION.metric}": error for name, error in zip(self.names, errors, strict=True)}

    @property
    def figures(self) -> dict[str, float]:
        """The task's metrics and the loss, by name. The main metric comes first."""
        names = FIGURES[self.task]
        if self.outputs.ndim > 2 and self.task != REGRESSION:
            names = (*names, "mean_iou")
        metrics = {name: float(getattr(self, name)) for name in names}
        metrics |= {**self.of_outputs, "loss": self.loss}
        options = dict[str, Floats]()
        if self.row_weights is not None:
            options["sample_weight"] = self.row_weights
        for name, function in self.functions.items():
            try:
                value = function(*self.compared, **options)
            except TypeError as error:
                if not options:
                    raise
                raise OptionError(f"metric {name}: expected a function with sample_weight: {error}") from error
            if name in metrics or not is_number(value):
                raise OptionError(f"metric {name}: expected a number with another name, found {quoted(value)}")
            metrics[name] = float(value)
        return metrics

    @property
    def further(self) -> dict[str, float]:
        """The metrics of validation samples in a history besides loss and main metric."""
        return {name: value for name, value in self.figures.items() if name not in ("loss", self.task.metric)}

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence about classes or labels with a recall of 0, which means can hide; none if there are none."""
        if self.task == REGRESSION:
            return ()
        is_missed = self.recall == 0
        missed = np.array(self.names)[is_missed].tolist()
        if not missed:
            return ()
        shown = ", ".join(missed[:MAX_MISSED])
        if len(missed) > MAX_MISSED:
            shown += f" and {len(missed) - MAX_MISSED} more"
        unit = "sample"
        if self.outputs.ndim > 2:
            unit = "pixel"
        samples = counted(int(self._numbers[is_missed].sum()), unit)
        return (f"recall 0 %: {shown}; none of {samples} was found",)

    def with_metrics(self, functions: Mapping[str, Metric]) -> Evaluation:
        """Return the evaluation with further metrics by name."""
        return replace(self, functions=functions)

    def to_json(self) -> dict[str, Any]:
        """Return metrics, sample count, warnings, and the metrics per class or label, as JSON values."""
        entries: dict[str, object] = {"task": self.task.name, **self.figures, "samples": self.samples}
        entries["warnings"] = [*self.warnings]
        if self.task != REGRESSION:
            entries["classes"] = self._per_class()
        return without_nonfinite(entries)

    def _per_class(self) -> list[dict[str, object]]:
        """Return the metrics of each class or label, with its name and its number of samples."""
        columns = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        if self.outputs.ndim > 2:
            columns["iou"] = self.iou
        rows = list[dict[str, object]]()
        for name, count, *values in zip(self.names, self._numbers, *columns.values(), strict=False):
            metrics = dict(zip(columns, map(float, values), strict=True))
            rows.append({"class": name, **metrics, "samples": int(count)})
        return rows

    @property
    def _numbers(self) -> Array:
        """Number of samples or positions of each class or label, (K,), whatever their weights."""
        _, actual, _ = replace(self, weights=None)._counts()
        return actual

    def _counts(self) -> tuple[Array, Array, Array]:
        """Return three counts for each class or label, (K,): correct predictions, samples, and predictions."""
        if self.task == MULTI_LABEL:
            true, predicted = self.compared
            weights = self.row_weights
            if weights is None:
                weights = np.ones(len(true), np.int64)
            return weights @ (predicted & true), weights @ true, weights @ predicted
        return np.diag(self.confusion), self.confusion.sum(1), self.confusion.sum(0)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, labels or targets, (K,)."""
        count = self.outputs.shape[1]
        if self.task in (CLASSIFICATION, BINARY):
            count = max(count, 2)  # a single output has two classes
        names = self.labels.names
        if len(names) == count:
            return names
        return tuple(map(str, range(count)))

    @property
    def _errors(self) -> Floats:
        return dense.rows(self.outputs.astype(np.float64)) - dense.rows(self.targets)

    def plot_confusion(self, ax: Any = None) -> Figure:
        """Plot the confusion matrix as a matplotlib figure. Save it with ``.savefig(FILE)``.

        ax   matplotlib axes to draw in; None: a new figure
        """
        return function_of("Evaluation.plot_confusion")(self.confusion, self.names, ax)

    def _repr_html_(self) -> str:
        """Return a table of the metrics, or of the classes with their metrics, as HTML for a notebook."""
        return function_of("Evaluation._repr_html_")(self)

    def _require_single(self, what: str) -> None:
        self._require_task(what, CLASSIFICATION, BINARY, MULTI_LABEL)
        if self.outputs.ndim > 2:
            raise OptionError(f"{what} requires one answer for each sample, not one for each position")

    def _require_task(self, what: str, *allowed: Task) -> None:
        if self.task not in allowed:
            metrics = ", ".join(self.figures)
            raise OptionError(f"{what} is not defined for {self.task.name}; its metrics are {metrics}")


def ratio(part: Array, whole: Array) -> Floats:
    """Return part / whole of counts, (K,); NaN for 0/0."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def mean_defined(values: Floats) -> float:
    """Return the mean of the values that are not NaN; NaN if there are none."""
    defined = values[~np.isnan(values)]
    if not defined.size:
        return math.nan
    return float(defined.mean())


def confidences(outputs: Array, loss: Loss) -> Floats:
    """Return `class_probabilities` of the outputs of a network that was trained with a loss."""
    return class_probabilities(outputs, are_logits=loss == LOGITS_LOSS)


def class_probabilities(outputs: Array, *, are_logits: bool) -> Floats:
    """Convert outputs (N, K) to probabilities (N, K) that sum to 1; for a single output p, return (1 − p, p).

    are_logits   whether to apply softmax. Other outputs are clipped to [0, 1] and divided by their sum
    """
    values = np.nan_to_num(outputs.astype(np.float64))
    if are_logits:
        values = fallback.numpy_engine().run("softmax", (values,), {})[0]
    clipped = np.clip(values, 0.0, 1.0)
    if clipped.shape[1] == 1:
        return np.concatenate([1 - clipped, clipped], axis=1)
    totals = clipped.sum(1, keepdims=True)
    return np.divide(clipped, totals, out=np.full_like(clipped, 1 / clipped.shape[1]), where=totals > 0)


def _shown(answer: Array, labels: Array) -> object:
    """Return the label of a class, or those in an answer of several labels, (K,), which are names."""
    if np.ndim(answer) == 0:
        return labels[answer].item()
    return ", ".join(labels[np.flatnonzero(answer)])
