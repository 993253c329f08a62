"""Evaluation of a network on labelled samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.augmentation import Views
from chainrule.data.normalization import Normalization
from chainrule.engines import fallback
from chainrule.engines.protocol import Array
from chainrule.errors import OptionError
from chainrule.training import losses, tasks
from chainrule.training.history import formatted
from chainrule.training.losses import Loss
from chainrule.training.samples import Samples
from chainrule.training.tasks import BINARY, CLASSIFICATION, MULTI_LABEL, REGRESSION, Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from chainrule.models.network import Network

BATCH = 1024
Shares = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Loss and measures over all samples. A measure that is undefined for the task raises OptionError.

    loss      mean loss
    outputs   (N, K) outputs of the network
    targets   (N, K) targets
    task      the task that the network was trained for
    classes   names of the classes; both classes for a single output, the labels for several labels
    """

    loss: float
    outputs: Array
    targets: Shares
    task: Task = CLASSIFICATION
    classes: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.outputs)

    def __repr__(self) -> str:
        found = ", ".join(f"{name.replace('_', ' ')} {formatted(name, value)}" for name, value in self.figures.items())
        return f"Evaluation({self.samples:,} sample{'s' * (self.samples != 1)}: {found})"

    # ------------------------------------------------------------------ one class per sample

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """Predicted classes (N,): the largest output; for a single output, 1 where it is at least ½."""
        self._of("predicted classes", CLASSIFICATION, BINARY)
        return self._classes(self.outputs)

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """Confusion matrix (K, K): counts with the true class as row and the predicted class as column."""
        self._of("a confusion matrix", CLASSIFICATION, BINARY)
        K = max(self.outputs.shape[1], 2)
        return np.bincount(self._classes(self.targets) * K + self.predicted, minlength=K * K).reshape(K, K)

    @property
    def accuracy(self) -> float:
        """Share of the samples whose class was predicted right; undefined for several labels and for regression."""
        self._of("accuracy", CLASSIFICATION, BINARY)
        return float((self._classes(self.targets) == self.predicted).mean())

    @property
    def recall(self) -> Shares:
        """Recall (K,) of each class or label: the share of its samples that was found; NaN without samples."""
        found, true, _ = self._counts()
        return _share(found, true)

    @property
    def precision(self) -> Shares:
        """Precision (K,) of each class or label: the share of its predictions that is right; NaN if never predicted."""
        found, _, called = self._counts()
        return _share(found, called)

    @property
    def f1(self) -> Shares:
        """F1 (K,), the harmonic mean of precision and recall: 2·found / (true + predicted); NaN for 0/0."""
        found, true, called = self._counts()
        return _share(2 * found, true + called)

    # ------------------------------------------------------------------ several labels

    @property
    def label_accuracy(self) -> float:
        """Share of all labels of all samples that were predicted right, with the threshold ½."""
        self._of("label accuracy", MULTI_LABEL)
        return float((self._yes(self.outputs) == self._yes(self.targets)).mean())

    @property
    def exact_match(self) -> float:
        """Share of the samples whose labels were all predicted right."""
        self._of("exact match", MULTI_LABEL)
        return float((self._yes(self.outputs) == self._yes(self.targets)).all(1).mean())

    # ------------------------------------------------------------------ numbers

    @property
    def mean_absolute_error(self) -> float:
        """Mean of |output − target| over samples and outputs."""
        self._of("mean absolute error", REGRESSION)
        return float(np.abs(self._errors).mean())

    @property
    def root_mean_squared_error(self) -> float:
        """Square root of the mean of (output − target)² over samples and outputs."""
        self._of("root mean squared error", REGRESSION)
        return float(np.sqrt(np.square(self._errors).mean()))

    @property
    def r2(self) -> float:
        """Coefficient of determination, 1 − Σ(t − p)²/Σ(t − t̄)², averaged over the outputs.

        1 is perfect, 0 is as good as predicting the mean of the targets; NaN if a target is constant.
        """
        self._of("R²", REGRESSION)
        spread = np.square(self.targets - self.targets.mean(0)).sum(0)
        missed = np.square(self._errors).sum(0)
        return float(np.where(spread > 0, 1 - missed / np.where(spread > 0, spread, 1), np.nan).mean())

    # ------------------------------------------------------------------ for display

    @property
    def figures(self) -> dict[str, float]:
        """Measures of the task by name, the main one first, and the loss."""
        names = {
            CLASSIFICATION: ("accuracy",),
            BINARY: ("accuracy",),
            MULTI_LABEL: ("label_accuracy", "exact_match", "mean_f1"),
            REGRESSION: ("mean_absolute_error", "root_mean_squared_error", "r2"),
        }[self.task]
        return {**{name: float(getattr(self, name)) for name in names}, "loss": self.loss}

    @property
    def mean_f1(self) -> float:
        """Mean of `f1` over the labels for which it is defined; NaN if there is none."""
        known = self.f1[~np.isnan(self.f1)]
        return float(known.mean()) if known.size else float("nan")

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about classes or labels with recall 0, which the other measures hide."""
        if self.task == REGRESSION:
            return ()
        _, true, _ = self._counts()
        never = [name for name, recall in zip(self._names(), self.recall, strict=True) if recall == 0]
        if not never:
            return ()
        shown = ", ".join(never[:10]) + (f" and {len(never) - 10} more" if len(never) > 10 else "")
        what = "label" if self.task == MULTI_LABEL else "class"
        samples = int(true[self.recall == 0].sum())
        many = what if len(never) == 1 else {"label": "labels", "class": "classes"}[what]
        return (f"{many} with recall 0 %: {shown}; not one of {samples:,} sample{'s' * (samples != 1)} was found",)

    def to_json(self, classes: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return measures, number of samples and warnings; precision, recall and F1 of each class or label."""
        found: dict[str, Any] = {"task": self.task.name}
        found |= {name: _number(value) for name, value in self.figures.items()}
        found |= {"samples": self.samples, "warnings": list(self.warnings)}
        if self.task == REGRESSION:
            return found
        rows = zip(classes or self._names(), self.precision, self.recall, self.f1, self._counts()[1], strict=False)
        per_class = [
            {"class": name, "precision": _number(precision), "recall": _number(recall), "f1": _number(f1),
             "samples": int(count)}
            for name, precision, recall, f1, count in rows
        ]  # fmt: skip
        return {**found, "classes": per_class}

    # ------------------------------------------------------------------ parts

    def _of(self, what: str, *known: Task) -> None:
        if self.task not in known:
            measures = ", ".join(self.figures)
            raise OptionError(f"{what} means nothing for {self.task.name}; it has {measures}")

    def _counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return, for each class or label, the number of samples found, true, and predicted."""
        if self.task == MULTI_LABEL:
            said, true = self._yes(self.outputs), self._yes(self.targets)
            return (said & true).sum(0), true.sum(0), said.sum(0)
        return np.diag(self.confusion), self.confusion.sum(1), self.confusion.sum(0)

    def _names(self) -> tuple[str, ...]:
        count = self.outputs.shape[1] if self.task == MULTI_LABEL else max(self.outputs.shape[1], 2)
        return self.classes if len(self.classes) == count else tuple(map(str, range(count)))

    def _classes(self, rows: Array) -> NDArray[np.int64]:
        return self._yes(rows)[:, 0].astype(np.int64) if rows.shape[1] == 1 else rows.argmax(1)

    @staticmethod
    def _yes(rows: Array) -> NDArray[np.bool_]:
        return rows >= 0.5

    @property
    def _errors(self) -> Shares:
        return self.outputs.astype(np.float64) - self.targets

    # ------------------------------------------------------------------ display

    def plot_confusion(self) -> Figure:
        """Draw the confusion matrix as a matplotlib figure; ``.savefig(FILE)`` writes it."""
        from chainrule.plotting import confusion

        return confusion.confusion_matrix(self.confusion, self._names())

    def _repr_html_(self) -> str:
        """Return the measures as HTML for a notebook; for classes, with a row for each and the confusion matrix."""
        from chainrule.plotting import notebook

        drawn = self.task in (CLASSIFICATION, BINARY)
        return notebook.evaluation(self.to_json(), self.plot_confusion() if drawn else None)


def evaluate(
    network: Network,
    samples: Samples,
    normalization: Normalization,
    loss: Loss,
    task: Task | None = None,
    views: Views | None = None,
) -> Evaluation:
    """Evaluate a network on samples, in large batches; the task is that of the targets if not given.

    The loss is Σ w[n] loss[n] / N where the samples have weights; other measures do not depend on these.

    views   views of each image whose outputs are averaged; None: the images themselves
    """
    outputs = np.empty((len(samples), samples.targets.shape[1]), network.dtype)
    total = 0.0
    for start in range(0, len(samples), BATCH):
        indices = np.arange(start, min(start + BATCH, len(samples)))
        x, t = samples.batch(indices, normalization, network.dtype, network=network)
        shown = views.of(x) if views is not None else [(1.0, x)]
        outputs[indices] = sum(weight * network.apply(view) for weight, view in shown)
        found = losses.of_samples(loss, network.engine, outputs[indices], t)
        weights = None if samples.weights is None else samples.weights[indices]
        total += float(found.sum(dtype=np.float64) if weights is None else found @ weights)
    names = tuple(getattr(network, "classes", ()))
    measured = task or tasks.infer_task(str(loss), network.last_layer, samples.targets)
    return Evaluation(total / len(samples), outputs, samples.targets, measured, names)


def confidences(outputs: Array, loss: Loss) -> NDArray[np.float64]:
    """Convert outputs (N, K) of a network trained with a loss to confidences that sum to 1.

    Logits go through softmax; outputs of a softmax stay as they are; others are clipped to [0, 1] and normalized. A
    single output p gives (1 − p, p), for no and yes.
    """
    found = np.nan_to_num(outputs.astype(np.float64))
    if loss == "softmax_cross_entropy":
        (found,) = fallback.numpy_engine().run("softmax", (found,), {})
    shares = np.clip(found, 0.0, 1.0)
    if shares.shape[1] == 1:
        return np.concatenate([1 - shares, shares], axis=1)
    totals = shares.sum(1, keepdims=True)
    return np.divide(shares, totals, out=np.full_like(shares, 1 / shares.shape[1]), where=totals > 0)


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
