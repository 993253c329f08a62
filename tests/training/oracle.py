"""Trainings and evaluations of small networks in NumPy, float64, written without the library.

The network applies one map, and then one or two others, to the rows of its inputs:

    rows → w x + b → batch normalization, if any → tanh → w x + b → softmax, sigmoid or nothing

The rows (N, P, F) are the flattened images (P = 1), or their pixels if the targets have one row per pixel. Gradients
are complex steps of the mean loss, so that no derivative is written down.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
STEP = 1e-40  # imaginary step: derivatives have no error of differences
EPSILON, MOMENTUM = 1e-5, 0.1  # of batch normalization


@dataclass
class Head:
    """An output: the name of its layer, the activation, the loss and its weight, and the task.

    positives   weight of each label in the samples that have it, (K,), as PyTorch's ``pos_weight``
    """

    layer: str
    ending: str
    loss: str
    task: str
    weight: float = 1.0
    positives: Any = 1.0


@dataclass
class Batch:
    """Prepared samples: x (N, P, F), targets (N, P, K) of each head, weights (N, P) in the loss and in the metric."""

    x: np.ndarray
    targets: list[np.ndarray]
    loss_weights: np.ndarray
    metric_weights: np.ndarray

    def rows(self, part: slice) -> "Batch":
        arrays = self.x[part], [t[part] for t in self.targets], self.loss_weights[part], self.metric_weights[part]
        return Batch(*arrays)


def scores(weights: Arrays, heads: Sequence[Head], x: np.ndarray, *, batch: bool) -> tuple[list[np.ndarray], Any]:
    """Return what each head computes before its activation, (N, P, K), and the statistics of the batch, if used.

    batch   whether batch normalization uses the statistics of the batch instead of the running ones
    """
    hidden, statistics = x @ weights["first.w"].T + weights.get("first.b", 0.0), None
    if "norm.gamma" in weights:
        mean, variance = weights["norm.running_mean"], weights["norm.running_variance"]
        if batch:
            mean = hidden.mean((0, 1))
            variance = ((hidden - mean) ** 2).mean((0, 1))
            statistics = mean, variance
        hidden = weights["norm.gamma"] * (hidden - mean) / np.sqrt(variance + EPSILON) + weights["norm.beta"]
    hidden = np.tanh(hidden)
    return [hidden @ weights[f"{head.layer}.w"].T + weights[f"{head.layer}.b"] for head in heads], statistics


def log_softmax(z: np.ndarray) -> np.ndarray:
    shifted = z - z.real.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def log_sigmoid(z: np.ndarray) -> np.ndarray:
    return np.where(z.real < 0, z - np.log1p(np.exp(np.where(z.real < 0, z, 0))), -np.log1p(np.exp(-z)))


def activated(head: Head, z: np.ndarray) -> np.ndarray:
    if head.ending == "softmax":
        return np.exp(log_softmax(z))
    return 1 / (1 + np.exp(-z)) if head.ending == "sigmoid" else z


def magnitude(e: np.ndarray) -> np.ndarray:
    return np.where(e.real < 0, -e, e)


def losses(head: Head, z: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return the loss of each row, (N, P); of dice, that of the sample, (N, 1)."""
    p = activated(head, z)
    if head.loss in ("categorical_cross_entropy", "softmax_cross_entropy"):
        return -(t * log_softmax(z)).sum(-1)
    if head.loss == "categorical_focal_cross_entropy":
        return -(t * (1 - p) ** 2 * log_softmax(z)).sum(-1)
    if head.loss == "binary_cross_entropy":
        return -(head.positives * t * log_sigmoid(z) + (1 - t) * log_sigmoid(-z)).mean(-1)
    if head.loss == "binary_focal_cross_entropy":
        positive = head.positives * t * (1 - p) ** 2 * log_sigmoid(z)
        return -(positive + (1 - t) * p**2 * log_sigmoid(-z)).mean(-1)
    if head.loss == "dice":
        return (1 - (2 * (p * t).sum(1) + 1) / ((p + t).sum(1) + 1)).mean(-1)[:, None]
    e = p - t
    if head.loss == "half_squared_error":
        return (e**2).sum(-1) / 2
    if head.loss == "mean_squared_error":
        return (e**2).mean(-1)
    if head.loss == "mean_absolute_error":
        return magnitude(e).mean(-1)
    assert head.loss == "huber"
    return np.where(magnitude(e).real <= 1, e**2 / 2, magnitude(e) - 0.5).mean(-1)


def correctness(task: str, p: np.ndarray, t: np.ndarray, thresholds: Any = 0.5) -> np.ndarray:
    """Return the metric of each row, (N, P)."""
    if task == "classification":
        return (p.argmax(-1) == t.argmax(-1)).astype(float)
    if task == "regression":
        return np.abs(p - t).mean(-1)
    return ((p >= thresholds) == (t >= 0.5)).mean(-1)


def mean_loss(weights: Arrays, heads: Sequence[Head], data: Batch, *, batch: bool) -> Any:
    """Return the sum over the heads of the mean weighted loss."""
    total: Any = 0.0
    for head, z, t in zip(heads, scores(weights, heads, data.x, batch=batch)[0], data.targets, strict=True):
        total += head.weight * (data.loss_weights * losses(head, z, t)).mean(1).mean()
    return total


def gradients(weights: Arrays, heads: Sequence[Head], data: Batch, names: Sequence[str], *, batch: bool) -> Arrays:
    """Return the gradient of the mean loss with respect to the named parameters, by complex steps."""
    results = dict[str, np.ndarray]()
    for name in names:
        gradient = np.zeros_like(weights[name])
        for index in np.ndindex(gradient.shape):
            moved = weights[name].astype(complex)
            moved[index] += 1j * STEP
            gradient[index] = mean_loss({**weights, name: moved}, heads, data, batch=batch).imag / STEP
        results[name] = gradient
    return results


class Number:
    """A parameter that is updated alone, or an array of them, with everything that an optimizer remembers of it."""

    def __init__(self, value: Any) -> None:
        self.p, self.v, self.u, self.m = value, 0.0, 0.0, 0.0

    def update(self, optimizer: Any, g: Any, rate: float, step: int) -> None:
        name, decay = optimizer.to_config()["name"], getattr(optimizer, "weight_decay", 0.0)
        if name in ("sgd", "adamw"):
            self.p = self.p * (1 - rate * decay)
        else:
            g = g + decay * self.p
        if name == "sgd":
            self.p = self.p - rate * g
        elif name in ("momentum", "nesterov"):
            self.v = optimizer.momentum * self.v + g
            self.p = self.p - rate * (g + optimizer.momentum * self.v if name == "nesterov" else self.v)
        elif name == "rmsprop":
            self.v = optimizer.alpha * self.v + (1 - optimizer.alpha) * g * g
            self.u = optimizer.momentum * self.u + g / (self.v**0.5 + optimizer.epsilon)
            self.p = self.p - rate * self.u
        else:
            self.m = optimizer.beta1 * self.m + (1 - optimizer.beta1) * g
            self.v = optimizer.beta2 * self.v + (1 - optimizer.beta2) * g * g
            corrected = self.m / (1 - optimizer.beta1**step), self.v / (1 - optimizer.beta2**step)
            self.p = self.p - rate * corrected[0] / (corrected[1] ** 0.5 + optimizer.epsilon)


@dataclass
class Training:
    """A training by the options that a test has drawn, and what it records.

    batches      function of the epoch that yields its batches
    epochs, steps   number of epochs and of all steps
    rate         function that returns the learning rate of a step, from 0, after epochs that were better or not
    frozen       names of parameters that are not trained
    validation   validation samples; None: there are none
    parts        number of parts of a batch, whose gradients are added
    metric       whether the metric is monitored instead of the loss
    units        unit of the errors of the first head, by which the metric is multiplied
    thresholds   smallest outputs that mean yes for validation samples
    values       loss and metric of each epoch, of the validation samples if there are any
    final        the weights to evaluate
    """

    weights: Arrays
    heads: list[Head]
    batches: Callable[[int], Iterator[Batch]]
    epochs: int
    steps: int
    optimizer: Any
    rate: Callable[[int, list[bool]], float]
    frozen: set[str]
    validation: Batch | None = None
    parts: int = 1
    clip: float | None = None
    average: float | None = None
    patience: int | None = None
    metric: bool = False
    units: float = 1.0
    thresholds: Any = 0.5
    losses: list[float] = field(default_factory=list)
    measures: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    values: list[tuple[float, float]] = field(default_factory=list)
    mean: Arrays = field(default_factory=dict)
    best: Arrays = field(default_factory=dict)
    numbers: dict[str, Number] = field(default_factory=dict)

    @property
    def final(self) -> Arrays:
        return self.best or self.mean or self.weights

    def train(self) -> None:
        """Train to the last epoch, or until the patience is exhausted."""
        for epoch in range(self.epochs):
            first = len(self.losses)
            for batch in self.batches(epoch):
                self._step(batch)
                self._average(len(self.losses))
            self._end_epoch(slice(first, None))
            if self.patience is not None and epoch - self._best() >= self.patience:
                return

    def _end_epoch(self, steps: slice) -> None:
        weights = self.mean or self.weights
        if self.validation is None:
            sizes = self.sizes[steps]
            means = [float(np.average(values[steps], None, sizes)) for values in (self.losses, self.measures)]
            self.values.append((means[0], means[1]))
        else:
            self.values.append(self.evaluate(weights, self.validation))
        if self.patience is not None and self._best() == len(self.values) - 1:
            self.best = {name: array.copy() for name, array in weights.items()}

    def better(self) -> list[bool]:
        """Return whether each epoch is better than all before it."""
        sign = -1 if self.metric and self.heads[0].task != "regression" else 1
        lowest, results = np.inf, list[bool]()
        for value in self.values:
            score = sign * value[self.metric]
            results.append(not results or score < lowest)
            lowest = score if results[-1] else lowest
        return results

    def _best(self) -> int:
        return max(number for number, is_better in enumerate(self.better()) if is_better)

    def _step(self, batch: Batch) -> None:
        rate = self.rate(len(self.losses), self.better())
        names = [name for name in self.weights if "running" not in name and name not in self.frozen]
        uses = not {"norm.gamma", "norm.beta"} <= self.frozen  # statistics of the batch
        total, count = {name: np.zeros_like(self.weights[name]) for name in names}, len(batch.x)
        loss, metric, parts = 0.0, 0.0, min(self.parts, count)
        for number in range(parts):
            rows = slice(number * count // parts, (number + 1) * count // parts)
            part, share = batch.rows(rows), (rows.stop - rows.start) / count
            for name, gradient in gradients(self.weights, self.heads, part, names, batch=uses).items():
                total[name] += share * gradient
            z, statistics = scores(self.weights, self.heads, part.x, batch=uses)
            loss += share * float(mean_loss(self.weights, self.heads, part, batch=uses))
            values = correctness(self.heads[0].task, activated(self.heads[0], z[0]), part.targets[0])
            metric += share * float((part.metric_weights * values).mean())
            if statistics is not None:
                self._run_statistics(part.x.shape[0] * part.x.shape[1], *statistics)
        norm = np.sqrt(sum((gradient**2).sum() for gradient in total.values()))
        scale = 1.0 if self.clip is None else min(1.0, self.clip / (norm + 1e-6))
        for name in names:
            number = self.numbers.setdefault(name, Number(self.weights[name]))
            number.update(self.optimizer, scale * total[name], rate, len(self.losses) + 1)
            self.weights[name] = number.p
        self.rates.append(rate)
        self.losses.append(loss)
        self.measures.append(metric * self.units)
        self.sizes.append(count)

    def _run_statistics(self, count: int, mean: np.ndarray, variance: np.ndarray) -> None:
        for name, value in (("mean", mean), ("variance", variance * count / max(count - 1, 1))):
            key = f"norm.running_{name}"
            self.weights[key] = (1 - MOMENTUM) * self.weights[key] + MOMENTUM * value

    def _average(self, step: int) -> None:
        """Update the moving average after a step, from 1."""
        if self.average is not None:  # the mean of the weights after all steps, whose weights are powers of the decay
            shares = np.array([1 - self.average**step, self.average * (1 - self.average ** (step - 1))])
            self.mean = _blend(self.mean or self.weights, self.weights, shares[1] / shares[0])

    def evaluate(self, weights: Arrays, data: Batch) -> tuple[float, float]:
        """Return the loss and the metric of samples."""
        z, _ = scores(weights, self.heads, data.x, batch=False)
        values = correctness(self.heads[0].task, activated(self.heads[0], z[0]), data.targets[0], self.thresholds)
        loss = float(mean_loss(weights, self.heads, data, batch=False))
        return loss, float(np.average(values, weights=data.metric_weights > 0)) * self.units


def _blend(first: Arrays, second: Arrays, share: float) -> Arrays:
    return {name: share * first[name] + (1 - share) * second[name] for name in second}
