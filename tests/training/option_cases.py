"""Trainings that tests draw: network, data and options for the library, and the same in the arrays of `oracle`."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from training import oracle
from training.oracle import Batch, Head, Training

import chainrule as cr
from chainrule.data.dataset import order
from chainrule.data.splits import split_validation

N, HELD = 9, 5  # training and validation samples
SHAPE = (2, 2, 3)
CLASSES = 3
Schedule = Callable[[int, int, int, list[bool]], float]
Augment = Callable[["Computed", np.ndarray, list[np.ndarray], Any], tuple[np.ndarray, list[np.ndarray], Any]]

_CLASSES = Head("second", "softmax", "categorical_cross_entropy", "classification")
_BINARY = Head("second", "sigmoid", "binary_cross_entropy", "binary")
_NUMBERS = Head("second", "", "mean_squared_error", "regression")
TASKS = {
    "classes": [_CLASSES],
    "logits": [replace(_CLASSES, ending="", loss="softmax_cross_entropy")],
    "binary": [_BINARY],
    "labels": [replace(_BINARY, task="multi-label")],
    "numbers": [_NUMBERS],
    "map": [_CLASSES],
    "binary map": [_BINARY],
    "number map": [_NUMBERS],
    "several": [_CLASSES, replace(_NUMBERS, layer="third")],
}
OUTPUTS = {"binary": 1, "binary map": 1, "numbers": 2, "number map": 2}
ENDINGS: dict[str, list[Any]] = {"softmax": [cr.Softmax()], "sigmoid": [cr.Sigmoid()], "": []}


class Case:
    """A training that is drawn: data, options for the library, and what they mean for the oracle.

    fit, evaluation   arguments of the library
    freezing          names of frozen parameters for the library; ``frozen``: for the oracle
    recorded          images of training steps that a custom function has seen
    continued         whether the network was trained before
    """

    def __init__(self, task: str, random: np.random.Generator) -> None:
        self.random, self.task, self.dense = random, task, task.endswith("map")
        self.has_norm = bool(random.integers(2))
        self.heads, self.losses = TASKS[task], [head.loss for head in TASKS[task]]
        self.x, self.held_x = random.normal(1, 2, (N, *SHAPE)), random.normal(1, 2, (HELD, *SHAPE))
        self.y, self.held_y = self._targets(N), self._targets(HELD)
        self.held_weights = np.ones(HELD)
        self.fit: dict[str, Any] = {"epochs": 1, "batch_size": 3, "optimizer": cr.SGD(), "learning_rate": 0.1}
        self.fit |= {"normalization": "none", "standardize_targets": False, "seed": 0, "progress": False}
        self.evaluation: dict[str, Any] = {}
        self.names = dict[str, str]()
        self.frozen, self.freezing = tuple[str, ...](), list[str]()
        self.thresholds = tuple[float, ...]()
        self.recorded = list[np.ndarray]()
        self.ignored: int | None = None
        self.continued = False
        self.schedule: Schedule = lambda step, steps, epochs, better: 1.0
        self.augment: Augment = lambda case, x, targets, valid: (x, targets, valid)

    def _targets(self, count: int) -> Any:
        random, positions = self.random, SHAPE[1:]
        labels = np.concatenate([np.arange(CLASSES), random.integers(0, CLASSES, count - CLASSES)])
        rows = random.integers(0, 2, (count, CLASSES))
        rows[0], rows[1] = 0, 1  # each label occurs, and the rows are not one-hot
        numbers = random.normal(3, 2, (count, 2))
        return {
            "classes": labels,
            "logits": labels,
            "binary": labels % 2,
            "labels": rows,
            "numbers": numbers,
            "map": random.integers(0, CLASSES, (count, *positions)),
            "binary map": random.integers(0, 2, (count, *positions)),
            "number map": random.normal(3, 2, (count, 2, *positions)),
            "several": {"kind": labels, "size": numbers},
        }[self.task]

    # ---------------------------------------------------------------- the network of the library

    def model(self) -> Any:
        """Return the network. All weights of batch normalization differ from 0 and 1."""
        options: dict[str, Any] = {"engine": "numpy", "dtype": "float64", "seed": int(self.random.integers(99))}
        bias = not self.has_norm  # batch normalization takes back what a bias adds
        body: list[Any] = [cr.Conv2D(3, 1, bias=bias)] if self.dense else [cr.Flatten(), cr.Dense(3, bias=bias)]
        if self.has_norm:
            body.append(cr.BatchNorm2D() if self.dense else cr.BatchNorm1D())
        body.append(cr.Tanh())
        kind, size = "conv" if self.dense else "dense", OUTPUTS.get(self.task, CLASSES)
        if self.task == "several":
            node = source = cr.Input(SHAPE)
            for layer in body:
                node = layer(node)
            ends = {"kind": cr.Softmax()(cr.Dense(CLASSES)(node)), "size": cr.Dense(2)(node)}
            model: Any = cr.Graph(source, ends, loss=self.losses, **options)
        else:
            last = cr.Conv2D(size, 1) if self.dense else cr.Dense(size)
            layers = [*body, last, *ENDINGS[self.heads[0].ending]]
            model = cr.Sequential(layers, SHAPE, loss=self.losses[0], **options)
        self.names = {f"{kind}1": "first", "norm1": "norm", f"{kind}2": "second", f"{kind}3": "third"}
        for name, values in model.weights.items():
            if name.startswith("norm"):
                values += self.random.uniform(0.1, 0.5, values.shape)
        return model

    def weights(self, model: Any) -> oracle.Arrays:
        """Return a copy of the weights by the names of the oracle."""
        result = dict[str, np.ndarray]()
        for name in model.table:
            values = model.weights[name]
            layer, _, own = name.partition(".")
            array = np.array(values)
            result[f"{self.names[layer]}.{own}"] = array.reshape(array.shape[:2] if own == "w" else array.shape)
        return result

    # ---------------------------------------------------------------- the arrays of the oracle

    def rows(self, x: np.ndarray) -> np.ndarray:
        """Return images (N, C, H, W) as rows (N, P, F)."""
        return np.moveaxis(x.reshape(*x.shape[:2], -1), 1, 2) if self.dense else x.reshape(len(x), 1, -1)

    def targets(self, y: Any) -> list[np.ndarray]:
        """Return the targets of each head as rows (N, P, K)."""
        if self.task == "several":
            return [np.eye(CLASSES)[y["kind"]][:, None], y["size"][:, None]]
        if self.task in ("classes", "logits"):
            return [np.eye(CLASSES)[y][:, None]]
        if self.task == "map":
            return [np.eye(CLASSES + 100)[y.reshape(len(y), -1)][..., :CLASSES]]
        if self.task == "binary map":
            return [(y == 1).reshape(len(y), -1, 1) * 1.0]
        if self.task == "number map":
            return [np.moveaxis(y.reshape(len(y), 2, -1), 1, 2)]
        return [y.reshape(len(y), 1, -1).astype(float)]

    # ---------------------------------------------------------------- one training

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of `fit`."""
        return (self.x, self.y), self.fit

    def split(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices of the samples to train on and of those that are split off."""
        share = self.fit.get("validation_split")
        if share is None:
            return np.arange(N), np.arange(0)
        labels = self.y if self.task in ("classes", "logits", "binary") else None
        return split_validation(N, share, self.fit["seed"], labels)

    def constants(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what the normalization of training inputs subtracts, and what it divides by, as (1 or C, 1, 1)."""
        kind = self.fit["normalization"]
        if kind == "scale":
            return np.array(x.min()), np.array(np.ptp(x))
        if kind == "standardize":
            return x.mean((0, 2, 3)).reshape(-1, 1, 1), x.std((0, 2, 3)).reshape(-1, 1, 1)
        return np.array(0.0), np.array(1.0)


class Computed:
    """The training that the oracle computes for a case.

    scaling         mean and deviation of the targets of each head; None: they are not standardized
    class_weights   weight of each class in the loss; None: all are 1, or those of labels belong to the head
    """

    def __init__(self, case: Case, weights: oracle.Arrays) -> None:
        self.case, fit = case, case.fit
        own, held = case.split()
        self.x, self.y = case.x[own], _take(case.y, own)
        self.origin, self.spread = case.constants(self.x)
        self.recorded = iter(case.recorded)
        all_weights = fit.get("sample_weight", np.ones(N))
        self.sample_weights = all_weights[own]
        self.scaling = [self._scaling(*pair) for pair in zip(case.heads, case.targets(self.y), strict=True)]
        self.class_weights, heads = self._class_weights(), case.heads
        if case.task == "labels":
            self.class_weights, heads = None, [replace(case.heads[0], positives=self._label_weights())]
        steps = fit["epochs"] * math.ceil(len(own) / fit["batch_size"])
        rest = fit["optimizer"], self.rate, self.frozen(weights)
        self.training = Training(weights, heads, self.batches, fit["epochs"], steps, *rest)
        self.training.parts = fit.get("gradient_accumulation_steps", 1)
        self.training.clip, self.training.average = fit.get("clip_norm"), fit.get("ema_decay")
        self.training.patience = fit.get("patience")
        self.training.metric = "monitor" in fit
        self.training.thresholds = case.thresholds or 0.5
        if self.scaling[0] is not None and self.scaling[0][1].size == 1:
            self.training.units = float(self.scaling[0][1][0])
        if "validation_data" in fit:
            self.training.validation = self._held(case.held_x, case.held_y, case.held_weights)
        elif len(held):
            self.training.validation = self._held(case.x[held], _take(case.y, held), all_weights[held])

    def _held(self, x: np.ndarray, y: Any, weights: np.ndarray) -> Batch:
        """Return validation samples, whose labels are not smoothed."""
        return self.batch(self.normalized(x), self.case.targets(y), self.valid(y), weights, 0.0)

    def valid(self, y: Any) -> np.ndarray | None:
        """Return which rows count, (N, P); None: all."""
        return None if self.case.ignored is None else y.reshape(len(y), -1) != self.case.ignored

    def normalized(self, x: np.ndarray) -> np.ndarray:
        return (x - self.origin) / self.spread

    def _scaling(self, head: Head, t: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the mean and the deviation of the targets (N, P, K) of a head; None: they are not standardized."""
        if not self.case.fit["standardize_targets"] or head.task != "regression":
            return None
        weights = self.sample_weights
        shares = np.broadcast_to((weights / weights.sum())[:, None, None] / t.shape[1], t.shape)
        mean = (shares * t).sum((0, 1))
        return mean, np.sqrt((shares * (t - mean) ** 2).sum((0, 1)))

    def _class_weights(self) -> np.ndarray | None:
        weights, (targets, *_) = self.case.fit.get("class_weight"), self.case.targets(self.y)
        if weights is None:
            return None
        classes, count = _classes(targets), max(targets.shape[2], 2)
        if weights != "balanced":
            return np.array([weights.get(k, 1.0) for k in range(count)])
        valid = self.valid(self.y)
        counted = self.sample_weights[:, None] * (np.ones(classes.shape) if valid is None else valid)
        counts = np.bincount(classes.ravel(), counted.ravel(), count)
        return np.divide(counts.sum() / (counts > 0).sum(), counts, out=np.ones(count), where=counts > 0)

    def _label_weights(self) -> np.ndarray:
        """Return the weight of each label in the samples that have it."""
        weights, result = self.case.fit.get("class_weight", {}), np.ones(CLASSES)
        for k in range(CLASSES):
            if weights != "balanced":
                result[k] = weights.get(k, 1.0)
                continue
            has, has_not = (self.sample_weights[self.y[:, k] == value].sum() for value in (1, 0))
            result[k] = has_not / has if has and has_not else 1.0
        return result

    def batch(
        self, x: np.ndarray, targets: list[np.ndarray], valid: np.ndarray | None, weights: np.ndarray, smoothing: float
    ) -> Batch:
        """Return prepared samples.

        x         normalized images
        targets   targets (N, P, K) of each head
        valid     which rows count, (N, P); None: all
        weights   weight of each sample
        """
        metric = np.ones(targets[0].shape[:2])
        if valid is not None:
            metric = valid / np.maximum(valid.mean(1, keepdims=True), 1e-300)
        loss = metric * weights[:, None]
        if self.class_weights is not None:
            loss = loss * self.class_weights[_classes(targets[0])]
        prepared = list[np.ndarray]()
        for t, scaling in zip(targets, self.scaling, strict=True):
            standardized = t if scaling is None else (t - scaling[0]) / scaling[1]
            prepared.append((1 - smoothing) * standardized + smoothing / t.shape[2])
        return Batch(self.case.rows(x), prepared, loss, metric)

    def batches(self, epoch: int) -> Iterator[Batch]:
        case, size = self.case, self.case.fit["batch_size"]
        numbers = order(len(self.x), case.fit["seed"], epoch)
        for first in range(0, len(numbers), size):
            part = numbers[first : first + size]
            x, y = self.normalized(self.x[part]), _take(self.y, part)
            targets, valid = case.targets(y), self.valid(y)
            x, targets, valid = case.augment(self, x, targets, valid)
            smoothing = case.fit.get("label_smoothing", 0.0)
            yield self.batch(x, targets, valid, self.sample_weights[part], smoothing)

    def rate(self, step: int, better: list[bool]) -> float:
        base = self.case.fit["learning_rate"]
        return base * self.case.schedule(step, self.training.steps, self.case.fit["epochs"], better)

    def frozen(self, weights: oracle.Arrays) -> set[str]:
        """Return the names of the frozen parameters."""
        parts = {name: {name, *name.split(".")} for name in weights}
        return {name for name in weights if parts[name] & {*self.case.frozen}}

    # ---------------------------------------------------------------- one evaluation

    def outputs(self, x: np.ndarray) -> list[np.ndarray]:
        """Return the outputs (N, P, K) of each head for normalized images."""
        case, results = self.case, list[np.ndarray]()
        for number, head in enumerate(case.heads):
            z, _ = oracle.scores(self.training.final, case.heads, case.rows(x), batch=False)
            results.append(oracle.activated(head, z[number]))
        return results

    def evaluated_losses(
        self, head: Head, p: np.ndarray, t: np.ndarray, scaling: Any, counted: np.ndarray
    ) -> np.ndarray:
        """Return the loss of each sample for outputs p, (N, P, K): the mean of the rows that count."""
        z = {"softmax": np.log(p), "sigmoid": np.log(p) - np.log1p(-p)}[head.ending] if head.ending else p
        standardized = t if scaling is None else (t - scaling[0]) / scaling[1]
        rows = oracle.losses(head, z, standardized)
        return (rows * counted / counted.mean(1, keepdims=True)).mean(1)


def _classes(t: np.ndarray) -> np.ndarray:
    """Return the class of each row of targets (N, P, K), (N, P)."""
    return (t[..., 0] if t.shape[2] == 1 else t.argmax(2)).astype(int)


def _take(y: Any, numbers: np.ndarray) -> Any:
    return {name: values[numbers] for name, values in y.items()} if isinstance(y, dict) else y[numbers]
