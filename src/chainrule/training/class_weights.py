"""Weights of classes and samples in the loss."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias, cast

import numpy as np

from chainrule.core.arrays import Floats
from chainrule.core.options import checked_options
from chainrule.data.text_options import TextOptions
from chainrule.errors import DataError, OptionError, quoted
from chainrule.network.labels import Labels
from chainrule.network.tasks import MULTI_LABEL, Task
from chainrule.training.examples import Examples
from chainrule.training.named_options import named_numbers
from chainrule.training.targets import Targets

BALANCED = "balanced"


@checked_options
@dataclass(frozen=True)
class ClassWeights(TextOptions):
    """The weight of each class in the loss.

    pairs   pairs of a class (its name or index) and its weight. Other classes have a weight of 1. None: balanced
            weights N / (K · N_k) for class k, where N_k of the N training samples belong to class k, and K classes have
            samples. All these classes then contribute equally, and the mean sample weight is 1

    Errors   OptionError for a negative or infinite weight
    """

    KIND = "class weights"
    EXAMPLE = "cat=2,dog=0.5"

    pairs: tuple[tuple[str, float], ...] | None = None

    def __post_init__(self) -> None:
        for name, weight in self.pairs or ():
            if not 0 <= weight < math.inf:
                raise OptionError(f"weight of class {name} {weight}: expected a number of at least 0")

    @classmethod
    def choose(cls, option: object) -> Self | None:
        """Return the class weights for an option, as `TextOptions.choose`, or for a mapping of classes to weights.

        The classes are names or indices.
        """
        if not isinstance(option, Mapping):
            return super().choose(option)
        weights = cast("Mapping[object, Any]", option)
        pairs = list[tuple[str, float]]()
        for name, weight in weights.items():
            try:
                pairs.append((str(name), float(weight)))
            except (TypeError, ValueError):
                raise OptionError(f"class weights {quoted(weights)}: expected numbers") from None
        return cls(tuple(pairs))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse text from the command line: "balanced", or text such as "cat=2,dog=0.5"."""
        if text == BALANCED:
            return cls()
        weight_of = dict(named_numbers("class weights", text, "CLASS=WEIGHT"))
        return cls(tuple(weight_of.items()))

    def to_config(self) -> str | dict[str, float]:
        """Return the weights as JSON values for config.json."""
        if self.pairs is None:
            return BALANCED
        return dict(self.pairs)

    def __str__(self) -> str:
        """Return text that `parse` accepts."""
        if self.pairs is None:
            return BALANCED
        return ",".join(f"{name}={weight:g}" for name, weight in self.pairs)

    def of_classes(self, counts: Floats, labels: Labels) -> Floats:
        """Return the weight of each class, (K,).

        counts   for each class, the sum of the weights of its training samples, (K,)
        labels   labels of the classes

        Errors   OptionError for an unknown class
        """
        if self.pairs is None:
            present = counts > 0
            return np.divide(counts.sum() / present.sum(), counts, out=np.ones(len(counts)), where=present)
        return self._of_names(len(counts), labels)

    def of_labels(self, targets: Targets, labels: Labels) -> Floats:
        """Return the weight of each label in the samples that have it, (K,); balanced: N_no / N_yes.

        A label that all training samples have, or none, has a balanced weight of 1.

        Errors   as in `of_classes`
        """
        values = np.asarray(targets.values)
        if self.pairs is not None:
            return self._of_names(values.shape[1], labels)
        yes = np.average(values, axis=0, weights=targets.weights)
        return np.divide(1 - yes, yes, out=np.ones(len(yes)), where=(yes > 0) & (yes < 1))

    def _of_names(self, count: int, labels: Labels) -> Floats:
        weights = np.ones(count)
        for name, weight in self.pairs or ():
            weights[labels.place(name, "name in class weights")] = weight
        return weights


ClassWeightsLike: TypeAlias = ClassWeights | str | Mapping[object, float]


def weighted(
    class_weights: ClassWeights | None,
    data_sets: Sequence[Examples],
    labels: Labels,
    dtype: np.dtype[np.floating],
    task: Task,
) -> list[Targets]:
    """Return the targets of training data, and any of validation data, with their weights in the loss.

    A sample's own weight is multiplied by the weight of its class; for dense labels, by that of each position's class.
    If a sample may have several labels, it is multiplied by the weights of those that it has.

    class_weights  weights of the classes; balanced weights depend only on the training samples. None: all are 1
    labels         labels of the classes
    dtype          the network's dtype; weights below its smallest normal number become 0

    Errors   OptionError for an unknown class; DataError if a weight is too large for the dtype, or if all weights of a
             set are 0
    """
    results = list[Targets]()
    for data in data_sets:
        targets = data.targets
        if targets.weights is not None:
            targets = replace(targets, weights=_in_range(targets.weights, dtype))
        results.append(targets)
    if class_weights is not None and task == MULTI_LABEL:
        weights = class_weights.of_labels(results[0], labels)
        for number, targets in enumerate(results):
            results[number] = _with_label_weights(targets, weights, dtype)
    elif class_weights is not None:
        training_targets = results[0]
        weights = class_weights.of_classes(training_targets.class_counts, labels)
        for number, targets in enumerate(results):
            results[number] = _with_class_weights(targets, weights, dtype)
    for name, targets in zip(("training", "validation"), results, strict=False):
        loss_weights = targets.loss_weights
        if loss_weights is not None and not loss_weights.any():
            raise DataError(f"the weights of all {name} samples are 0 in {dtype}; expected at least one above 0")
    return results


@np.errstate(over="ignore", invalid="ignore")  # `_in_range` raises an error for weights that overflow
def _with_class_weights(targets: Targets, weights: Floats, dtype: np.dtype[np.floating]) -> Targets:
    """Return targets with class weights: for dense labels in a separate array, otherwise multiplied."""
    if targets.is_dense:
        return replace(targets, class_weights=_in_range(weights, dtype, "class weights"))
    products = weights[targets.largest]
    if targets.weights is not None:
        products = products * targets.weights
    return replace(targets, weights=_in_range(products, dtype, "class weights"))


@np.errstate(over="ignore", invalid="ignore")
def _with_label_weights(targets: Targets, weights: Floats, dtype: np.dtype[np.floating]) -> Targets:
    """Return targets with a weight for each label, (N, K): its own if the sample has it, otherwise 1."""
    products = np.where(targets.values, weights, 1.0)
    if targets.weights is not None:
        products = products * targets.weights[:, None]
    return replace(targets, weights=_in_range(products, dtype, "class weights"))


def _in_range(weights: Floats, dtype: np.dtype[np.floating], label: str = "sample weights") -> Floats:
    """Return weights, where those below the dtype's smallest normal number are 0, as in the compiled engine.

    Errors   DataError if the square of a weight overflows in the dtype, because optimizers square the gradients
    """
    maximum = math.sqrt(float(np.finfo(dtype).max))
    too_large = np.argwhere(~(weights <= maximum))
    if too_large.size:
        place = tuple(too_large[0])
        value = f"{weights[place]:g} for sample {place[0]}"
        raise DataError(
            f"{label}: {value} is too large for {dtype}; expected at most {maximum:.2g}, better a mean of 1"
        )
    return np.where(weights < np.finfo(dtype).tiny, 0.0, weights)
