"""Draws values of options of `fit`, `evaluate` and `freeze` for a case: for the library, and for the oracle."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from training.option_cases import CLASSES, HELD, SHAPE, Case, Computed, N, Schedule

import chainrule as cr

Option = Callable[[Case], None]
OPTIONS: dict[str, Option] = {}


def option(function: Option) -> Option:
    """Register a function that draws a value of the option of its name, for the library and for the oracle."""
    OPTIONS[function.__name__] = function
    return function


def pick(case: Case, *values: Any) -> Any:
    return values[int(case.random.integers(len(values)))]


@option
def epochs(case: Case) -> None:
    case.fit["epochs"] = pick(case, 2, 3)


@option
def batch_size(case: Case) -> None:
    case.fit["batch_size"] = pick(case, 2, 4, 9)


@option
def earlier_training(case: Case) -> None:
    case.continued = True


@option
def learning_rate(case: Case) -> None:
    case.fit["learning_rate"] = float(case.random.uniform(0.01, 0.5))


@option
def seed(case: Case) -> None:
    case.fit["seed"] = pick(case, 1, 2, 3)


@option
def optimizer(case: Case) -> None:
    kind = pick(case, "sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw")
    names = {"sgd": ["weight_decay"], "adam": ["beta1"], "adamw": ["beta1", "weight_decay"]}
    values = {"weight_decay": pick(case, 0.0, 0.3), "momentum": 0.8, "beta1": 0.7}
    options = {name: values[name] for name in names.get(kind, ["momentum", "weight_decay"])}
    case.fit["optimizer"] = cr.optimizers.find({"name": kind, **options})


@option
def loss(case: Case) -> None:
    losses = {
        "categorical_cross_entropy": ("categorical_focal_cross_entropy", "mean_squared_error"),
        "softmax_cross_entropy": ("softmax_cross_entropy",),
        "binary_cross_entropy": ("binary_focal_cross_entropy",),
        "mean_squared_error": ("huber", "mean_absolute_error", "half_squared_error"),
    }
    names = [pick(case, *losses[head.loss]) for head in case.heads]
    if case.task in ("map", "binary map"):
        names = [pick(case, names[0], "dice")]
    case.heads = [replace(head, loss=name) for head, name in zip(case.heads, names, strict=True)]
    case.fit["loss"] = names if len(names) > 1 else names[0]


@option
def loss_weights(case: Case) -> None:
    weights = case.random.uniform(0.2, 2, len(case.heads)).tolist()
    case.heads = [replace(head, weight=weight) for head, weight in zip(case.heads, weights, strict=True)]
    case.fit["loss_weights"] = weights


@option
def schedule(case: Case) -> None:
    def plateau(step: int, steps: int, epochs: int, better: list[bool]) -> float:
        return 0.5 ** (better.count(False))

    forms: list[tuple[Any, Schedule]] = [
        ("plateau,gamma=0.5,patience=0", plateau), (lambda step: 1 / (1 + step), lambda step, *_: 1 / (1 + step)),
    ]  # fmt: skip
    case.fit["schedule"], case.schedule = pick(case, *forms)
    case.fit["epochs"] = max(case.fit["epochs"], 2)


@option
def normalization(case: Case) -> None:
    case.fit["normalization"] = pick(case, "scale", "standardize")


@option
def augmentation(case: Case) -> None:
    pick(case, mirrored, moved)(case)


def mirrored(case: Case) -> None:
    """Mirror each image and its targets by a function. Numbers for a whole image increase by 1."""
    add = 0.0 if case.dense or case.heads[-1].task != "regression" else 1.0

    def function(image: Any, target: Any, generator: Any) -> Any:
        target = target[..., ::-1] if case.dense else target + add
        return image[..., ::-1], target

    def augment(case: Computed, x: Any, targets: Any, valid: Any) -> Any:
        width = SHAPE[2]
        if case.case.dense:
            targets = [t.reshape(len(t), -1, width, t.shape[2])[:, :, ::-1].reshape(t.shape) for t in targets]
            valid = None if valid is None else valid.reshape(len(x), -1, width)[..., ::-1].reshape(len(x), -1)
        else:
            targets = [t + add for t in targets]
        return x[..., ::-1], targets, valid

    case.fit["augmentation"], case.augment = cr.Augmentation(function=function), augment


def moved(case: Case) -> None:
    """Shift and mirror images at random. A function records them, so that the oracle finds how they moved."""
    reflect, flip = bool(pick(case, True, False)), pick(case, False, True, "alternate")

    def function(image: Any, target: Any, generator: Any) -> Any:
        case.recorded.append(image.copy())
        return image, target

    def augment(computed: Computed, x: Any, targets: Any, valid: Any) -> Any:
        fill = -computed.origin / computed.spread * np.ones((SHAPE[0], 1, 1))
        inside = np.ones((len(x), x.shape[2] * x.shape[3])) if valid is None else valid
        results = [np.zeros_like(x), [t.copy() for t in targets], inside.astype(float)]
        for n in range(len(x)):
            image = next(computed.recorded)
            for row, column, mirror in itertools.product((-1, 0, 1), (-1, 0, 1), (False, True)):
                places = _places(row, column, mirror, reflect)
                flat = np.concatenate([x[n].reshape(SHAPE[0], -1), fill.reshape(-1, 1)], axis=1)
                if np.allclose(flat[:, places].reshape(SHAPE), image):
                    break
            else:
                raise AssertionError("the image is neither shifted nor mirrored")
            results[0][n] = image
            if case.dense:
                for t in results[1]:
                    t[n] = np.concatenate([t[n], 0 * t[n][:1]])[places]
                results[2][n] = np.append(results[2][n], 0.0)[places]
        counts = valid is not None or (case.dense and not reflect)
        return results[0], results[1], results[2] if counts else None

    options = {"shift": 1, "flip": flip, "reflect": reflect, "keep_targets": True}
    case.fit["augmentation"], case.augment = cr.Augmentation(function=function, **options), augment


def _places(row: int, column: int, mirror: bool, reflect: bool) -> np.ndarray:
    """Return the place that each pixel of a moved image has in the original; the number of pixels: it is outside."""
    height, width = SHAPE[1:]
    places = np.full((height, width), height * width)
    for i, j in np.ndindex(height, width):
        y, x = i - row, j - column
        x = width - 1 - x if mirror else x
        if reflect:
            y, x = (abs(value) if value < size else 2 * (size - 1) - value for value, size in ((y, height), (x, width)))
        if 0 <= y < height and 0 <= x < width:
            places[i, j] = y * width + x
    return places.ravel()


@option
def label_smoothing(case: Case) -> None:
    case.fit["label_smoothing"] = float(case.random.uniform(0.05, 0.5))


@option
def class_weight(case: Case) -> None:
    case.fit["class_weight"] = pick(case, "balanced", {0: 2.5}, {1: 0.0, 0: 0.7})


@option
def sample_weight(case: Case) -> None:
    case.fit["sample_weight"] = case.random.uniform(0, 3, N)


@option
def standardize_targets(case: Case) -> None:
    case.fit["standardize_targets"] = True


@option
def ignore_label(case: Case) -> None:
    case.ignored = case.fit["ignore_label"] = case.evaluation["ignore_label"] = pick(case, 1, 99)
    if case.dense:
        for y in (case.y, case.held_y):
            places = case.random.random(y.shape) < 0.3
            places[:, 0, 0] = False
            y[places] = case.ignored
            y[:, 0, 0] = 0


@option
def gradient_accumulation_steps(case: Case) -> None:
    case.fit["gradient_accumulation_steps"] = pick(case, 2, 3)


@option
def shards(case: Case) -> None:
    case.fit["shards"] = pick(case, 2, 3)


@option
def ema_decay(case: Case) -> None:
    case.fit["ema_decay"] = float(case.random.uniform(0.2, 0.9))


@option
def clip_norm(case: Case) -> None:
    case.fit["clip_norm"] = float(case.random.uniform(0.01, 0.3))


@option
def validation_data(case: Case) -> None:
    case.fit["validation_data"] = case.held_x, case.held_y
    if pick(case, True, False):
        case.held_weights = case.random.uniform(0.1, 3, HELD)
        case.fit["validation_data"] = case.held_x, case.held_y, case.held_weights


@option
def validation_split(case: Case) -> None:
    case.fit["validation_split"] = pick(case, 0.3, 0.4)


@option
def patience(case: Case) -> None:
    case.fit["patience"] = pick(case, 1, 2)
    case.fit["epochs"] = 4


@option
def monitor(case: Case) -> None:
    names = {"regression": "mean_absolute_error"}
    case.fit["monitor"] = names.get(case.heads[0].task, "accuracy")


@option
def freeze(case: Case) -> None:
    kind = "conv" if case.dense else "dense"
    library = {"first": f"{kind}1", "second": f"{kind}2", "second.w": f"{kind}2.w", "w": "w", "norm": "norm1"}
    names = pick(case, *([] if case.has_norm else [("first",)]), ("second",), ("second.w",), ("w",))
    if case.has_norm:
        names = pick(case, names, ("first", "norm"), ("norm",))
    case.frozen, case.freezing = names, [library[name] for name in names]


@option
def thresholds(case: Case) -> None:
    case.thresholds = tuple(case.random.uniform(0.3, 0.7, CLASSES if case.task == "labels" else 1))


@option
def metrics(case: Case) -> None:
    def agreement(true: Any, predicted: Any, sample_weight: Any = None) -> float:
        equal = np.asarray(true) == np.asarray(predicted)
        return float(np.average(equal.reshape(len(equal), -1).mean(1), weights=sample_weight))

    case.evaluation["metrics"] = {"agreement": agreement}


@option
def evaluated_weight(case: Case) -> None:
    case.evaluation["sample_weight"] = case.random.uniform(0.1, 3, HELD)


@option
def evaluated_loss(case: Case) -> None:
    names = {"categorical_cross_entropy": "mean_squared_error", "binary_cross_entropy": "mean_absolute_error"}
    others = [names.get(head.loss, "huber") for head in case.heads]
    case.evaluation["loss"] = others if len(others) > 1 else others[0]
