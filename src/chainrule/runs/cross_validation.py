"""Cross-validation: a network is trained several times, each time without a part of the data, and evaluated on it."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from chainrule._io.console import aligned
from chainrule._io.locks import cached_property
from chainrule.core.arrays import Floats, Ints
from chainrule.core.words import checked_options
from chainrule.data.containers import Data
from chainrule.data.dataset import Dataset
from chainrule.data.selections import selected_samples
from chainrule.data.splits import fold_numbers
from chainrule.errors import OptionError, quoted, unknown_name
from chainrule.models.model import Model
from chainrule.models.record import Record, loaded
from chainrule.network.ports import ArraysLike
from chainrule.training.decisions import student_quantile
from chainrule.training.history import History, formatted
from chainrule.training.metrics import Evaluation

if TYPE_CHECKING:
    from chainrule.training.answers import Metric

LEVEL = 0.95  # default probability of intervals


class Fold(NamedTuple):
    """A network of a cross-validation, and its results on the samples that it was not trained on.

    samples   indices of these samples
    """

    model: Model
    history: History
    evaluation: Evaluation
    samples: Ints


@dataclass(frozen=True, repr=False)
class CrossValidation:
    """The results of a cross-validation.

    folds   results for every fold of all repetitions
    parts   number of folds of a repetition
    """

    folds: tuple[Fold, ...]
    parts: int

    @cached_property
    def figures(self) -> dict[str, Floats]:
        """The metrics and the loss by name, each with a value for every fold, (folds,)."""
        columns = dict[str, list[float]]()
        for fold in self.folds:
            for name, value in fold.evaluation.figures.items():
                columns.setdefault(name, []).append(value)
        return {name: np.array(values) for name, values in columns.items()}

    def mean(self, name: str) -> float:
        """Return the mean of a metric over the folds; OptionError for an unknown name."""
        if name not in self.figures:
            raise unknown_name("metric", name, [*self.figures])
        return float(self.figures[name].mean())

    def interval(self, name: str, level: float = LEVEL) -> tuple[float, float]:
        """Return the bounds between which the expected metric is, with a probability of ``level``.

        The networks share most of their training samples, so that their results are not independent. The variance of
        the mean of m results with the variance s² is therefore s² (1/m + test samples / training samples), where
        the ratio is 1 / (folds − 1).

        Source   Nadeau and Bengio, "Inference for the Generalization Error" (2003)
        """
        mean = self.mean(name)
        margin = self._quantile(level) * self._error(name)
        return mean - margin, mean + margin

    def _quantile(self, level: float) -> float:
        """Return the half width of an interval, in standard errors; OptionError unless the level is a probability."""
        return student_quantile(level, len(self.folds) - 1)

    def _error(self, name: str) -> float:
        """Return the standard error of the mean of a metric."""
        values = self.figures[name]
        ratio = 1 / (self.parts - 1)
        return math.sqrt(values.var(ddof=1) * (1 / len(values) + ratio))

    def _rows(self) -> list[list[str]]:
        """Return a heading, and a row for each metric, as text."""
        heading = ["metric", "mean", f"{100 * LEVEL:g} % interval"]
        for number in range(1, len(self.folds) + 1):
            heading.append(f"fold {number}")
        rows = [heading]
        quantile = self._quantile(LEVEL)  # is computed by integration, once for all metrics
        for name, values in self.figures.items():
            mean = self.mean(name)
            margin = quantile * self._error(name)
            interval = f"{formatted(name, mean - margin)} to {formatted(name, mean + margin)}"
            texts = map(partial(formatted, name), values.tolist())
            rows.append([name.replace("_", " "), formatted(name, mean), interval, *texts])
        return rows

    def __repr__(self) -> str:
        return "\n".join(aligned(self._rows()))

    def _repr_html_(self) -> str:
        """Return the table as HTML, for a notebook."""
        from chainrule.plotting import notebook

        heading, *rows = self._rows()
        return notebook.table(heading, rows, "cross-validation")


@checked_options
def cross_validate(
    model: Model,
    x: ArraysLike | Data | Any,
    y: ArraysLike | None = None,
    *,
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    groups: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    ignore_label: int | None = None,
    metrics: Mapping[str, Metric] | None = None,
    progress: bool = False,
    **options: Any,
) -> CrossValidation:
    """Divide data into folds, train a copy of a model for each fold on the others, and evaluate it on the fold.

    The folds have nearly equal sizes and, of labels, nearly equal numbers of each class. The model itself is not
    changed. Every copy begins with its weights, and is trained with its seed.

    x, y     data as in `Model.fit`, except iterables of batches
    folds, seed   number of folds, and seed of the division
    repeats  number of divisions. Each has another seed, as do the initial weights of an untrained model and training
    groups   what each sample belongs to, (N,): a group is in one fold. None: those of a `Dataset`
    sample_weight, ignore_label   as in `Model.fit`
    metrics  further metrics of the evaluations, as in `Model.evaluate`
    options  other arguments of `Model.fit`: epochs, learning_rate, validation_split, patience, …

    Errors   OptionError for data that cannot be divided, or fewer samples or groups than folds

    >>> result = cross_validate(model, x, y, folds=5, epochs=10)
    >>> result.mean("accuracy"), result.interval("accuracy")
    """
    if not isinstance(model, Model):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OptionError(f"model {quoted(model)}: expected a model, such as cr.Sequential")
    if repeats < 1:
        raise OptionError(f"repeats {repeats}: expected at least 1")
    data = loaded(model, Data.of(x, y, weights=sample_weight, groups=groups))
    if data.rows is not None:
        raise OptionError("cross_validate requires samples that can be selected: pass x and y, or a Dataset")
    record = Record.learned(model, data, model.check_loss(options.get("loss")), ignore_label=ignore_label)
    examples = record.read(data)
    labels = examples.source.labels(examples.targets)
    results = list[Fold]()
    for repetition in range(repeats):
        fold_of = fold_numbers(len(examples), folds, seed + repetition, labels, data.groups)
        for number in range(folds):
            twin = copy.deepcopy(model)
            twin.labels = record.labels  # also of classes that are only in this fold
            twin.seed = model.seed + repetition
            if model.untrained:
                twin.reset(twin.seed)
            samples = np.flatnonzero(fold_of == number)
            training = _samples_of(data, np.flatnonzero(fold_of != number))
            history = twin.fit(training, ignore_label=ignore_label, progress=progress, **options)
            evaluation = twin.evaluate(_samples_of(data, samples), ignore_label=ignore_label, metrics=metrics)
            results.append(Fold(twin, history, evaluation, samples))
    return CrossValidation(tuple(results), folds)


def _samples_of(data: Data, samples: Ints) -> Data:
    """Return samples of a data set, or of columns."""
    if isinstance(data, Dataset):
        return data.take(samples)
    return selected_samples(data, samples)
