"""Metrics of a network's outputs on labeled samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule._io.files import without_nonfinite
from chainrule._io.locks import cached_property
from chainrule.core.arrays import Floats
from chainrule.core.lazy_methods import function_of
from chainrule.core.shapes import is_number
from chainrule.data.input_statistics import mean_and_deviation
from chainrule.errors import OptionError, quoted
from chainrule.network.tasks import BINARY, CLASSIFICATION, MULTI_LABEL, REGRESSION
from chainrule.training import decisions, dense, ranking
from chainrule.training.answers import FIGURES, FIGURES_OF_POSITIONS, SCORES, SCORES_OF_POSITIONS, Answers, Metric
from chainrule.training.calibration import Reliability
from chainrule.training.history import counted, formatted
from chainrule.training.metric_table import TOP_SCORE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_NAMED = 20  # targets whose errors are reported by name
MAX_MISSED = 10  # classes with a recall of 0 that a warning names
TOP = 5  # classes of the top-5 accuracy
PLURALS = {"class": "classes", "label": "labels"}


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Answers):
    """Loss and metrics over all samples. Metrics that are undefined for the task raise OptionError.

    For dense predictions, a metric counts positions instead of samples: accuracy is the pixel accuracy.

    >>> evaluation = model.evaluate(x_test, y_test)
    >>> evaluation.accuracy, evaluation.recall
    """

    def __repr__(self) -> str:
        metrics = list[str]()
        for name, value in self.figures.items():
            metrics.append(f"{name.replace('_', ' ')} {formatted(name, value)}")
        return f"Evaluation({counted(self.samples, 'sample')}: {', '.join(metrics)})"

    def __getitem__(self, name: str) -> Evaluation:
        """Raise TypeError: values have names. This also explains ``loss, accuracy = model.evaluate(x, y)``."""
        raise TypeError(f"an Evaluation has attributes: use evaluation.loss and evaluation.{self.task.metric}")

    # ------------------------------------------------------------------ one class per sample

    @property
    def accuracy(self) -> float:
        """Fraction of samples or positions that are classified correctly; only for classification and binary tasks."""
        self._require_task("accuracy", CLASSIFICATION, BINARY)
        return float(np.trace(self.confusion) / self.confusion.sum())

    def accuracy_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the bounds between which the accuracy for all possible samples is, with a probability of ``level``.

        Source   Wilson (1927); the interval of the fraction of correct samples. Of labels, all must be correct
        """
        return decisions.wilson_interval(int(self.correct.sum()), self.samples, level)

    @property
    def matthews_corrcoef(self) -> float:
        """Matthews correlation coefficient: that of true and predicted classes, from −1 to 1; 0 if undefined."""
        return decisions.matthews_corrcoef(self.confusion)

    @property
    def cohen_kappa(self) -> float:
        """Cohen's kappa: the agreement of true and predicted classes beyond chance; NaN if only one class occurs."""
        return decisions.cohen_kappa(self.confusion)

    @property
    def log_loss(self) -> float:
        """Mean of −log of the confidence in the true class, which is kept above the outputs' rounding error."""
        true = np.take_along_axis(self.probabilities, self.ranked[1][:, None], 1)
        return self._mean(-np.log(true.clip(np.finfo(self.outputs.dtype).eps)))

    @property
    def recall(self) -> Floats:
        """Recall of each class or label, (K,): the fraction of its samples predicted correctly; NaN if none."""
        correct, actual, _ = self._counts()
        return decisions.ratio(correct, actual)

    @property
    def precision(self) -> Floats:
        """Precision of each class or label, (K,): the fraction of its predictions that are correct; NaN if none."""
        correct, _, predicted = self._counts()
        return decisions.ratio(correct, predicted)

    @property
    def f1(self) -> Floats:
        """F1 score (K,), the harmonic mean of precision and recall: 2·correct / (actual + predicted); NaN for 0/0."""
        correct, actual, predicted = self._counts()
        return decisions.ratio(2 * correct, actual + predicted)

    @property
    def iou(self) -> Floats:
        """Intersection over union of each class or label, (K,): correct / (actual + predicted − correct)."""
        correct, actual, predicted = self._counts()
        return decisions.ratio(correct, actual + predicted - correct)

    @property
    def dice(self) -> Floats:
        """Dice coefficient of each class or label, (K,). It equals the F1 score."""
        return self.f1

    @property
    def image_ious(self) -> Floats:
        """Intersection over union of each class or label in each sample of a dense prediction, (N, K)."""
        return np.array([part.iou for part in self._images])

    @property
    def image_dices(self) -> Floats:
        """Dice coefficient of each class or label in each sample of a dense prediction, (N, K)."""
        return np.array([part.dice for part in self._images])

    @property
    def _images(self) -> Iterator[Evaluation]:
        """The evaluation of each sample alone, which its weight does not affect."""
        if self.counted is not None:
            raise OptionError("the outputs of streamed positions are not kept; evaluate arrays in memory instead")
        for n in range(self.samples):
            rows = slice(n, n + 1)
            valid = None
            if self.valid is not None:
                valid = self.valid[rows]
            yield replace(self, outputs=self.outputs[rows], targets=self.targets[rows], valid=valid, weights=None)

    @property
    def mean_iou(self) -> float:
        """Mean intersection over union of all classes or labels where it is defined; NaN if there are none."""
        return decisions.mean_defined(self.iou)

    @property
    def mean_dice(self) -> float:
        """Mean Dice coefficient of all classes or labels where it is defined; NaN if there are none."""
        return decisions.mean_defined(self.dice)

    @property
    def mean_f1(self) -> float:
        """Mean F1 score over all classes or labels where it is defined (macro F1); NaN if there are none."""
        return decisions.mean_defined(self.f1)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes or labels that occur; NaN if there are none. Every class counts equally."""
        return decisions.mean_defined(self.recall)

    @property
    def roc_aucs(self) -> Floats:
        """Area under the ROC curve of each class or label against the rest, (K,); NaN without both kinds of samples."""
        return self._areas[:, 0]

    @property
    def average_precisions(self) -> Floats:
        """Average precision of each class or label against the rest, (K,); NaN without samples of the class."""
        return self._areas[:, 1]

    @property
    def roc_auc(self) -> float:
        """Area under the ROC curve: that of class 1 for a binary task, otherwise the mean over classes or labels."""
        return decisions.mean_defined(self.roc_aucs[self.task == BINARY :])

    @property
    def average_precision(self) -> float:
        """Average precision: that of class 1 for a binary task, otherwise the mean over classes or labels."""
        return decisions.mean_defined(self.average_precisions[self.task == BINARY :])

    @property
    def top_5_accuracy(self) -> float:
        """Fraction of samples whose true class is among the five classes with the largest outputs."""
        return self._mean(ranking.ranks(*self.ranked) < TOP)

    @cached_property
    def reliability(self) -> Reliability:
        """Accuracy and mean confidence of the samples, by their confidence in the predicted class."""
        outputs, classes = self.ranked
        return Reliability.of(self.probabilities.max(1), dense.classes_of(outputs) == classes, self.row_weights)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: the mean of |accuracy − confidence| over 15 intervals of the confidence."""
        return self.reliability.error

    # ------------------------------------------------------------------ several labels

    @property
    def label_accuracy(self) -> float:
        """Fraction of all labels that are predicted correctly."""
        self._require_task("label accuracy", MULTI_LABEL)
        predicted, actual = self._labels
        return self._mean(predicted == actual)

    @property
    def exact_match(self) -> float:
        """Fraction of samples for which all labels are predicted correctly."""
        self._require_task("exact match", MULTI_LABEL)
        predicted, actual = self._labels
        return self._mean((predicted == actual).all(1))

    # ------------------------------------------------------------------ numbers

    @property
    def mean_absolute_errors(self) -> Floats:
        """Mean of |output − target| of each output, (K,)."""
        self._require_task("mean absolute error", REGRESSION)
        return np.average(dense.rows(np.abs(self._errors)), 0, self.row_weights)

    @property
    def mean_absolute_error(self) -> float:
        """Mean of |output − target| over samples and outputs."""
        return float(self.mean_absolute_errors.mean())

    @property
    def root_mean_squared_error(self) -> float:
        """Square root of the mean of (output − target)² over samples and outputs."""
        self._require_task("root mean squared error", REGRESSION)
        return math.sqrt(self._mean(dense.rows(np.square(self._errors))))

    @property
    def r2(self) -> float:
        """Coefficient of determination, 1 − Σ(t − p)²/Σ(t − t̄)², averaged over the outputs.

        1 means perfect predictions; 0 is no better than predicting the mean target. NaN if a target is constant
        up to rounding.
        """
        self._require_task("R²", REGRESSION)
        outputs, targets = self._rows
        _, deviation = mean_and_deviation(targets, targets.shape[1])
        weights = self.row_weights
        variance = np.average(np.square(targets - np.average(targets, 0, weights)), 0, weights)
        variance[deviation == 0] = np.nan
        return float((1 - np.average(np.square(outputs - targets), 0, weights) / variance).mean())

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio in decibels, 10 log₁₀(peak² / mean squared error); infinite without errors.

        The peak is that of `Model.evaluate` or of the unit of the training targets; if unknown, of the targets' unit.
        """
        from chainrule.training.target_fitting import unit_range

        self._require_task("the peak signal-to-noise ratio", REGRESSION)
        peak = self.peak or unit_range(self.targets)
        error = self._mean(dense.rows(np.square(self._errors)))
        if error == 0:
            return math.inf
        return float(10 * np.log10(peak**2 / error))

    # ------------------------------------------------------------------ for display

    @property
    def measured(self) -> float:
        """The main metric of the task."""
        return float(getattr(self, self.task.metric))

    @property
    def of_outputs(self) -> dict[str, float]:
        """The metric and the loss of each of several outputs, such as ``digit_accuracy``; empty for one output.

        For a regression with several targets, these are the mean absolute errors, such as ``area_mean_absolute_error``;
        there are none for more than `MAX_NAMED` targets.
        """
        if self.task != REGRESSION or not 1 < self.outputs.shape[1] <= MAX_NAMED:
            return {}
        errors = self.mean_absolute_errors.tolist()
        return {f"{name}_{REGRESSION.metric}": error for name, error in zip(self.names, errors, strict=True)}

    @property
    def figures(self) -> dict[str, float]:
        """The task's metrics and the loss, by name. The main metric comes first."""
        names = FIGURES[self.task]
        if self.outputs.ndim > 2:
            names += FIGURES_OF_POSITIONS[self.task]
        metrics = dict[str, float]()
        for name in names:
            metrics[name] = float(getattr(self, name))
        metrics |= {**self.of_outputs, "loss": self.loss}
        for name, function in self.functions.items():
            value = self._value_of(function)
            if name in metrics or not is_number(value):
                raise OptionError(f"metric {name}: expected a number with another name, found {quoted(value)}")
            metrics[name] = float(value)
        return metrics

    @property
    def scores(self) -> dict[str, float]:
        """Further metrics of classes or labels, by name; none for regression. Positions, which are many, have fewer."""
        names = SCORES[self.task]
        if self.outputs.ndim > 2:
            names = SCORES_OF_POSITIONS[self.task]
        elif self.outputs.shape[1] > TOP and self.task in (CLASSIFICATION, BINARY):
            names = (*names, TOP_SCORE)
        return {name: float(getattr(self, name)) for name in names}

    @property
    def further(self) -> dict[str, float]:
        """The metrics of validation samples in a history besides loss and main metric."""
        metrics = {**self.figures, **self.scores}
        return {name: value for name, value in metrics.items() if name not in ("loss", self.task.metric)}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about training samples, and about classes or labels with a recall of 0, which means can hide."""
        sentences = list[str]()
        if self.overlap is not None:
            sentences.append(self.overlap)
        missed = list[str]()
        if self.task != REGRESSION:
            missed = [name for name, recall in zip(self.names, self.recall, strict=True) if recall == 0]
        if missed:
            sentences.append(self._missed_sentence(missed))
        return tuple(sentences)

    def _missed_sentence(self, missed: list[str]) -> str:
        """Return a sentence about classes or labels with a recall of 0."""
        shown = ", ".join(missed[:MAX_MISSED])
        if len(missed) > MAX_MISSED:
            shown += f" and {len(missed) - MAX_MISSED} more"
        noun = "class"
        if self.task == MULTI_LABEL:
            noun = "label"
        if len(missed) > 1:
            noun = PLURALS[noun]
        unit = "sample"
        if self.outputs.ndim > 2:
            unit = "pixel"
        _, actual, _ = self._counts()
        samples = int(actual[self.recall == 0].sum())
        return f"{noun} with recall 0 %: {shown}; none of {counted(samples, unit)} was found"

    def with_metrics(self, functions: Mapping[str, Metric], peak: float | None = None) -> Evaluation:
        """Return the evaluation with further metrics by name, and with another peak for PSNR unless it is None."""
        return replace(self, functions=functions, peak=peak or self.peak)

    def to_json(self, classes: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return metrics, sample count, warnings, and the metrics per class or label, as JSON values.

        classes  names of the classes or labels; empty: the evaluation's ``classes``
        """
        entries: dict[str, object] = {"task": self.task.name, **self.figures, **self.scores}
        entries |= {"samples": self.samples, "warnings": list(self.warnings)}
        if self.task in (CLASSIFICATION, BINARY) and self.outputs.ndim == 2:
            entries["accuracy_interval"] = [*self.accuracy_interval()]
        if self.task == REGRESSION:
            return without_nonfinite(entries)
        entries["classes"] = self._per_class(classes or self.names)
        return without_nonfinite(entries)

    def _per_class(self, names: Sequence[str]) -> list[dict[str, object]]:
        """Return the metrics of each class or label, with its name and its number of samples."""
        columns = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        if self.outputs.ndim > 2:
            columns["iou"] = self.iou
        else:
            columns |= {"roc_auc": self.roc_aucs, "average_precision": self.average_precisions}
        _, actual, _ = self._counts()
        rows = list[dict[str, object]]()
        for name, count, *values in zip(names, actual, *columns.values(), strict=False):
            metrics = dict(zip(columns, map(float, values), strict=True))
            rows.append({"class": name, **metrics, "samples": int(count)})
        return rows

    @cached_property
    def _areas(self) -> Floats:
        """Areas under the ROC and precision–recall curves of each class or label, (K, 2), one against the rest."""
        return ranking.curve_areas(*self.one_against_rest, self.row_weights)

    @property
    def _errors(self) -> Floats:
        return self.outputs.astype(np.float64) - self.targets

    def plot_confusion(self) -> Figure:
        """Plot the confusion matrix as a matplotlib figure. Save it with ``.savefig(FILE)``."""
        return function_of("Evaluation.plot_confusion")(self)

    def plot_reliability(self) -> Figure:
        """Plot the accuracy by confidence as a matplotlib figure. Save it with ``.savefig(FILE)``."""
        return function_of("Evaluation.plot_reliability")(self)

    def plot_roc(self) -> Figure:
        """Plot the ROC curve of class 1, or of each class or label, as a matplotlib figure."""
        return function_of("Evaluation.plot_roc")(self)

    def plot_precision_recall(self) -> Figure:
        """Plot precision by recall for class 1, or for each class or label, as a matplotlib figure."""
        return function_of("Evaluation.plot_precision_recall")(self)

    def _repr_html_(self) -> str:
        """Return the metrics as HTML for a notebook. For classes, include a table and the confusion matrix."""
        return function_of("Evaluation._repr_html_")(self)
