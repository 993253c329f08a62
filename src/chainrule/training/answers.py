"""Outputs and targets of evaluated samples, and what follows for each sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Self, TypeAlias

import numpy as np

from chainrule._io.locks import cached_property
from chainrule.core.arrays import Array, Bools, Floats, Ints
from chainrule.core.words import attribute_error
from chainrule.custom.calling import argument_roles
from chainrule.errors import OptionError
from chainrule.network.labels import UNNAMED, Labels
from chainrule.network.tasks import BINARY, CLASSIFICATION, MULTI_LABEL, REGRESSION, Task
from chainrule.training import calibration, dense, ranking
from chainrule.training.metric_table import AGREEMENT, AREAS, CLASS_SCORES
from chainrule.training.ranking import RateCurve

Metric: TypeAlias = Callable[[Array, Array], Any]
# The metrics of each task by name, the main one first, and the further ones for predictions of positions
FIGURES: Mapping[Task, tuple[str, ...]] = {
    CLASSIFICATION: ("accuracy",),
    BINARY: ("accuracy",),
    MULTI_LABEL: ("label_accuracy", "exact_match", "mean_f1"),
    REGRESSION: ("mean_absolute_error", "root_mean_squared_error", "r2"),
}
FIGURES_OF_POSITIONS: Mapping[Task, tuple[str, ...]] = {
    **dict.fromkeys((CLASSIFICATION, BINARY, MULTI_LABEL), ("mean_iou", "mean_dice")),
    REGRESSION: ("psnr",),
}
# Metrics that are too many for a line about an epoch, of samples and of positions
SCORES: Mapping[Task, tuple[str, ...]] = {
    CLASSIFICATION: CLASS_SCORES,
    BINARY: CLASS_SCORES,
    MULTI_LABEL: AREAS,
    REGRESSION: (),
}
SCORES_OF_POSITIONS: Mapping[Task, tuple[str, ...]] = {
    CLASSIFICATION: AGREEMENT,
    BINARY: AGREEMENT,
    MULTI_LABEL: ("roc_auc",),
    REGRESSION: (),
}


class Misclassification(NamedTuple):
    """A sample that is classified wrongly.

    sample      number of the sample, from 0
    true, predicted   label of its class, in the type of those of the training; or names of labels, separated by commas
    confidence  confidence in the predicted class; of labels, the largest in a wrong answer
    loss        loss of the sample
    """

    sample: int
    true: object
    predicted: object
    confidence: float
    loss: float


class CountedPositions(NamedTuple):
    """The positions of samples whose outputs and targets are not kept in memory.

    confusion   confusion matrix (K, K)
    samples     number of samples
    """

    confusion: Ints
    samples: int


@dataclass(frozen=True, eq=False, repr=False)
class Answers:
    """Outputs and targets of evaluated samples.

    loss      mean loss
    outputs   the network's outputs, (N, K), or (N, K, …) for dense predictions
    targets   targets, in the shape of the outputs
    task      the network's task
    labels    labels of the classes; of several labels per sample, their names
    valid     for dense labels, whether each position counts, (N, …); None: all positions count
    logits    whether the outputs are logits, whose softmax gives the probabilities
    counted   what is kept of dense labels that are read when they are needed: outputs and targets are empty; None for
              others
    overlap   a sentence about samples that the network was trained on; None if there are none
    losses    loss of each sample, (N,); for several outputs, only the parts have them
    thresholds  smallest output of each label, (K,), that means yes; empty: ½
    functions   further metrics by name, as in `Model.evaluate`
    weights   weight of each sample in the metrics, (N,), with a mean of 1; None: all are 1
    peak      range of the unit of targets for each position, for the peak signal-to-noise ratio; 0: unknown
    """

    loss: float
    outputs: Array
    targets: Array
    task: Task = CLASSIFICATION
    labels: Labels = UNNAMED
    valid: Bools | None = None
    counted: CountedPositions | None = None
    logits: bool = False
    overlap: str | None = None
    losses: Array = field(default_factory=lambda: np.empty(0))
    thresholds: tuple[float, ...] = ()
    functions: Mapping[str, Metric] = field(default_factory=dict[str, Metric])
    peak: float = 0.0
    weights: Floats | None = None

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            """Raise AttributeError, with a hint if another library has such an attribute."""
            raise attribute_error("Evaluation", name, dir(self), self)

    @property
    def samples(self) -> int:
        """Number of samples."""
        if self.counted is not None:
            return self.counted.samples
        return len(self.outputs)

    @cached_property
    def predicted(self) -> Ints:
        """Predicted classes (N,) or (N, …): index of the largest output; 1 if a single one reaches its threshold, ½."""
        self._require_task("predicted classes", CLASSIFICATION, BINARY)
        return dense.classes_of(self.outputs, self.thresholds)

    @cached_property
    def confusion(self) -> Array:
        """Confusion matrix (K, K). Rows are true classes, columns are predicted classes. Weights are added up."""
        self._require_task("a confusion matrix", CLASSIFICATION, BINARY)
        if self.counted is not None:
            return self.counted.confusion
        K = max(self.outputs.shape[1], 2)
        pairs = dense.classes_of(self.targets) * K + self.predicted
        return np.bincount(self._that_count(pairs), self.row_weights, K * K).reshape(K, K)

    def _that_count(self, values: Array) -> Array:
        """Return the values (M,) of the samples or positions that count, from those of all, (N,) or (N, …)."""
        if self.valid is None:
            return values.ravel()
        return values[self.valid]

    @property
    def row_weights(self) -> Floats | None:
        """Weight of each sample, or of each position that counts, (M,); None: all are 1."""
        if self.weights is None:
            return None
        positions = self.outputs.shape[2:]
        by_sample = self.weights.reshape(-1, *[1] * len(positions))
        return self._that_count(np.broadcast_to(by_sample, (len(self.weights), *positions)))

    def with_weights(self, weights: Floats) -> Self:
        """Return the evaluation with weights of the samples (N,) in the loss and in the metrics."""
        if self.counted is not None or not len(self.losses):
            raise OptionError("sample_weight requires one output, and targets in memory")
        loss = float(np.average(self.losses, weights=weights))
        return replace(self, loss=loss, weights=weights / weights.mean())

    def _mean(self, values: Array) -> float:
        """Return the weighted mean of values (M, …) of the samples or positions that count."""
        return float(np.average(values.reshape(len(values), -1).mean(1), weights=self.row_weights))

    @property
    def ranked(self) -> tuple[Array, Ints]:
        """Outputs (M, K) and true classes (M,) of the samples, or of the positions that count.

        Errors   OptionError if the task has no classes, or if the outputs were not kept
        """
        self._require_task("a ranking of classes", CLASSIFICATION, BINARY)
        if self.counted is not None:
            raise OptionError("the outputs of streamed positions are not kept; evaluate arrays in memory instead")
        outputs = dense.rows(self.outputs)
        if self.valid is not None:
            outputs = outputs[self.valid.ravel()]
        return outputs, self._that_count(dense.classes_of(self.targets))

    @property
    def figures(self) -> dict[str, float]:
        """The task's metrics and the loss, by name."""
        raise NotImplementedError

    @property
    def compared(self) -> tuple[Array, Array]:
        """True and predicted classes (M,), labels (M, K) of 0 and 1, or numbers (M, K), (M,) for K = 1."""
        if self.task == REGRESSION:
            outputs, targets = self._rows
            if targets.shape[1] == 1:
                return targets[:, 0], outputs[:, 0]
            return targets, outputs
        if self.task == MULTI_LABEL:
            predicted, actual = self._labels
            return actual.astype(np.int64), predicted.astype(np.int64)
        _, classes = self.ranked
        return classes, self._that_count(self.predicted)

    def _value_of(self, function: Metric) -> Any:
        """Return the value of a user's metric, a function of true and predicted values in the order that it names."""
        true, predicted = self.compared
        options = dict[str, Floats]()
        if self.row_weights is not None:
            options["sample_weight"] = self.row_weights
        if argument_roles(function) == ("p", "t"):
            return function(predicted, true, **options)
        return function(true, predicted, **options)

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
            predicted, actual = self._labels
            said = np.where(predicted, self._rows[0], 1 - self._rows[0])
            return np.where(predicted == actual, 0.0, said).max(1)
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

    @property
    def probabilities(self) -> Floats:
        """Confidence in each class, (M, K), of the samples, or of the positions that count; two for one output."""
        outputs, _ = self.ranked
        return calibration.class_probabilities(outputs, are_logits=self.logits)

    @property
    def curves(self) -> list[RateCurve]:
        """Rates at each threshold for each class or label, one against the rest."""
        scores, positive = self.one_against_rest
        return list(map(ranking.curve, scores.T, positive.T))

    @property
    def one_against_rest(self) -> tuple[Array, Bools]:
        """Scores (M, K), and whether each sample belongs to each class or label, (M, K)."""
        if self.task == MULTI_LABEL:
            outputs, _ = self._rows
            _, actual = self._labels
            return outputs, actual
        scores, classes = self.ranked
        if self.logits:
            scores = self.probabilities
        if scores.shape[1] == 1:  # a large output means class 1, a small one class 0
            scores = np.concatenate([-scores, scores], axis=1)
        return scores, np.arange(scores.shape[1], dtype=np.int64) == classes[:, None]

    @property
    def _labels(self) -> tuple[Bools, Bools]:
        """Predicted and true labels as rows (M, K)."""
        outputs, targets = self._rows
        return dense.are_yes(outputs, self.thresholds), dense.are_yes(targets)

    def _require_single(self, what: str) -> None:
        self._require_task(what, CLASSIFICATION, BINARY, MULTI_LABEL)
        if self.outputs.ndim > 2 or self.counted is not None:
            raise OptionError(f"{what} requires one answer for each sample, not one for each position")

    def _require_task(self, what: str, *allowed: Task) -> None:
        if self.task not in allowed:
            metrics = ", ".join(self.figures)
            raise OptionError(f"{what} is not defined for {self.task.name}; its metrics are {metrics}")

    def _counts(self) -> tuple[Array, Array, Array]:
        """Return three counts for each class or label, (K,): correct predictions, samples, and predictions."""
        if self.task == MULTI_LABEL:
            predicted, actual = self._labels
            weights = self.row_weights
            if weights is None:
                weights = np.ones(len(actual), np.int64)
            return weights @ (predicted & actual), weights @ actual, weights @ predicted
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
    def _rows(self) -> tuple[Floats, Floats]:
        """Outputs and targets as rows (M, K), one per sample or position."""
        return dense.rows(self.outputs.astype(np.float64)), dense.rows(self.targets.astype(np.float64))


def _shown(answer: Array, labels: Array) -> object:
    """Return the label of a class, or those in an answer of several labels, (K,), which are names."""
    if np.ndim(answer) == 0:
        return labels[answer].item()
    return ", ".join(labels[np.flatnonzero(answer)])
