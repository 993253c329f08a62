"""Weights of the classes in the loss, from which each training sample gets its own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError, OptionError, quoted
from chainrule.training.samples import Samples
from chainrule.training.tasks import BINARY, CLASSIFICATION, Task

BALANCED = "balanced"


@dataclass(frozen=True)
class ClassWeights:
    """The weight of each class in the loss.

    given   pairs of a class, by its name or its number, and its weight; 1 for all others. None: N / (K · N_k) for a
            class k with N_k of the N samples of K classes, so that all classes count alike and the mean weight is 1
    """

    given: tuple[tuple[str, float], ...] | None = None

    def __post_init__(self) -> None:
        for name, weight in self.given or ():
            if not 0 <= weight < math.inf:
                raise OptionError(f"weight of class {name} {weight}: expected a number of at least 0")

    @staticmethod
    def of(given: Any) -> "ClassWeights | None":
        """Return the weights for "balanced", a mapping of names or numbers of classes to weights, or None."""
        if given is None or isinstance(given, ClassWeights):
            return given
        if isinstance(given, str) and given == BALANCED:
            return ClassWeights()
        if not isinstance(given, Mapping):
            raise OptionError(
                f"class weights {quoted(given)}: expected {BALANCED!r}, or a mapping of classes to weights"
            )
        pairs = cast("Mapping[Any, Any]", given)
        try:
            numbers = tuple((str(name), float(weight)) for name, weight in pairs.items())
        except (TypeError, ValueError):
            raise OptionError(f"class weights {quoted(pairs)}: expected numbers") from None
        return ClassWeights(numbers)

    @staticmethod
    def parse(text: str) -> "ClassWeights | None":
        """Parse weights as on the command line: "balanced", "cat=2,dog=0.5", or "none"."""
        if text in (BALANCED, "none"):
            return ClassWeights() if text == BALANCED else None
        found: dict[str, float] = {}
        for part in text.split(","):
            name, _, weight = part.rpartition("=")
            try:
                found[name.strip()] = float(weight if name else "")
            except ValueError:
                raise OptionError(
                    f"class weights {quoted(text)}: expected CLASS=WEIGHT, found {quoted(part)}"
                ) from None
        return ClassWeights.of(found)

    def to_config(self) -> str | dict[str, float]:
        """Return the weights as JSON values."""
        return BALANCED if self.given is None else dict(self.given)

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        return BALANCED if self.given is None else ",".join(f"{name}={weight:g}" for name, weight in self.given)

    def of_classes(self, shares: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
        """Return the weight of each class, (K,).

        shares   number of training samples of each class, (K,), each sample times its own weight
        names    of the classes

        Errors   OptionError for a class that there is not
        """
        if self.given is None:
            present = shares > 0
            return np.divide(shares.sum() / present.sum(), shares, out=np.ones(len(shares)), where=present)
        weights = np.ones(len(shares))
        for name, weight in self.given:
            weights[_number(name, names, len(shares))] = weight
        return weights


ClassWeightsLike: TypeAlias = ClassWeights | str | Mapping[Any, float]


def sample_weights(
    class_weights: ClassWeights | None,
    task: Task,
    training: Samples,
    others: Sequence[Samples | None],
    names: Sequence[str],
    dtype: np.dtype[Any],
) -> list[NDArray[np.float64] | None]:
    """Return the weight of each sample in the loss, (N,), of the training samples and of others; None for 1.

    That is the weight of its class times its own. "balanced" counts the training samples.

    dtype   of the network: weights that it cannot tell from 0 are 0

    Errors   OptionError for weights of classes where the task has none; DataError for weights that are too large for
             the dtype, or all 0
    """
    several = [None if samples is None else _with_own(samples, dtype) for samples in [training, *others]]
    found = _products(class_weights, task, several, names)
    if class_weights is not None:
        found = [None if weights is None else _in_range(weights, dtype, "class weights") for weights in found]
    if found[0] is not None and not found[0].any():
        raise DataError(f"the weights of all training samples are 0 in {dtype}, so there is nothing to learn")
    return found


def _with_own(samples: Samples, dtype: np.dtype[Any]) -> Samples:
    """Return samples whose own weights are in the range of a dtype."""
    return samples if samples.weights is None else replace(samples, weights=_in_range(samples.weights, dtype))


def _in_range(weights: NDArray[np.float64], dtype: np.dtype[Any], what: str = "sample weights") -> NDArray[np.float64]:
    """Return weights (N,), with 0 for those below the smallest normal number of a dtype, as compiled programs have it.

    Errors   DataError for weights whose squares the dtype cannot hold: optimizers square the gradients
    """
    most = math.sqrt(float(np.finfo(dtype).max))
    wrong = np.flatnonzero(~(weights <= most))
    if wrong.size:
        value = f"{weights[wrong[0]]:g} for sample {wrong[0]}"
        raise DataError(f"{what}: {value} is too large for {dtype}; expected at most {most:.2g}, better a mean of 1")
    return np.where(weights < np.finfo(dtype).tiny, 0.0, weights)


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused by `_in_range`
def _products(
    class_weights: ClassWeights | None, task: Task, several: Sequence[Samples | None], names: Sequence[str]
) -> list[NDArray[np.float64] | None]:
    """Return the weights of the classes times those of the samples; the first samples are those of training."""
    training = several[0]
    if class_weights is None or training is None:
        return [None if samples is None else samples.weights for samples in several]
    if task not in (CLASSIFICATION, BINARY):
        raise OptionError(f"class weights are for classes, and the task is {task.name}")
    known = ("0", "1") if task == BINARY and len(names) != 2 else tuple(names)
    numbers = _classes(training)
    shares = np.bincount(numbers, weights=training.weights, minlength=max(training.targets.shape[1], 2))
    factors = class_weights.of_classes(shares.astype(np.float64), known)
    return [None if samples is None else factors[_classes(samples)] * _own(samples) for samples in several]


def _own(samples: Samples) -> NDArray[np.float64]:
    return np.ones(len(samples)) if samples.weights is None else samples.weights


def _classes(samples: Samples) -> NDArray[np.int64]:
    """Return the class of each sample, (N,): the largest target; for a single output, 1 where it is at least ½."""
    targets = samples.targets
    return (targets[:, 0] >= 0.5).astype(np.int64) if targets.shape[1] == 1 else targets.argmax(1)


def _number(name: str, names: Sequence[str], classes: int) -> int:
    """Return the number of the class of that name, or of that number where no class has the name."""
    if name in names:
        return list(names).index(name)
    if name.isdecimal() and len(name) < 10 and int(name) < classes:
        return int(name)
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    raise OptionError(f"class weights: there is no class {quoted(name)}; there are {shown}")
