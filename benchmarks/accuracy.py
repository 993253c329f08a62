"""Accuracy and processor time of trainings with default settings: this library, PyTorch and scikit-learn.

All of them train on the same samples, on one thread, and are timed in turn.
"""

import importlib
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # pyright: ignore[reportUnknownVariableType]

from benchmarks import peers, tables
from benchmarks.rounds import in_turn
from chainrule import data, zoo
from chainrule.cli import custom_data
from chainrule.layers import Dense, ReLU, Softmax
from chainrule.models.model import Model, Sequential
from chainrule.sklearn.estimator import AUTO_BATCH, HIDDEN_UNITS, NetworkEstimator
from chainrule.training.recipe import Recipe

Array = NDArray[Any]
Run = Callable[[], Array]  # trains, and returns the predictions for the test samples: labels, or numbers
CLOTHES = 15_000  # training images of Fashion-MNIST
TESTED = 1000  # samples per call of PyTorch's network, to limit its memory
datasets: Any = importlib.import_module("sklearn.datasets")  # scikit-learn has no type annotations
metrics: Any = importlib.import_module("sklearn.metrics")
selection: Any = importlib.import_module("sklearn.model_selection")


@dataclass(frozen=True)
class Split:
    """Training and test samples: images (N, 1, H, W), uint8, or features (N, F), float32; labels or numbers (N,)."""

    x: Array
    y: Array
    x_test: Array
    y_test: Array

    @property
    def has_labels(self) -> bool:
        """Whether the targets are labels."""
        return self.y.dtype.kind in "iu"

    @property
    def plain(self) -> tuple[Array, Array]:
        """Training and test inputs for other libraries, which read images as fractions of 255."""
        unit = np.float32(255 if self.x.ndim > 2 else 1)
        return self.x / unit, self.x_test / unit

    def score(self, predictions: Array) -> float:
        """Return the accuracy of predicted labels, or R² of predicted numbers."""
        metric = metrics.accuracy_score if self.has_labels else metrics.r2_score
        return float(metric(self.y_test, predictions))


def _divided(x: Array, y: Array, seed: int) -> Split:
    """Hold back a quarter of the samples, drawn by the seed, for the test."""
    classes = None
    if y.dtype.kind in "iu":
        classes = y
    x, x_test, y, y_test = selection.train_test_split(x, y, random_state=seed, stratify=classes)
    return Split(x, y, x_test, y_test)


def _features(name: str, seed: int, *, scaled: bool = False, **options: Any) -> Split:
    x, y = getattr(datasets, name)(**options)
    split = _divided(x.astype(np.float32), y, seed)
    if not scaled:
        return split
    scaler = importlib.import_module("sklearn.preprocessing").StandardScaler().fit(split.x)
    return replace(split, x=scaler.transform(split.x), x_test=scaler.transform(split.x_test))


def _clothes(seed: int) -> Split:
    training, test = data.load("fashion-mnist")
    indices = np.random.default_rng(seed).permutation(len(training))[:CLOTHES]
    return Split(np.asarray(training.x)[indices], training.y[indices], np.asarray(test.x), test.y)


UNEQUAL = ("wine", "breast_cancer")  # data with features of different units
LOADED: dict[str, Any] = {"return_X_y": True}
DRAWN: dict[str, Any] = {"n_samples": 300, "random_state": 0, "noise": 0.2}


def _data() -> dict[str, Callable[[int], Split]]:
    """Return a function for each data set that returns its samples for a seed."""
    sources = dict[str, Callable[[int], Split]]()
    sources["fashion-mnist"] = _clothes
    for name in ("digits", "iris", *UNEQUAL):
        sources[name] = partial(_features, f"load_{name}", **LOADED)
    for name in UNEQUAL:
        sources[f"{name}, scaled"] = partial(_features, f"load_{name}", scaled=True, **LOADED)
    sources["diabetes"] = partial(_features, "load_diabetes", **LOADED)
    for name in ("moons", "friedman1", "friedman2", "friedman3"):
        sources[name] = partial(_features, f"make_{name}", **DRAWN)
    return sources


DATA = _data()


def _default(split: Split, seed: int) -> tuple[Model, dict[str, Any]]:
    """Return the default network for samples, and the options of `fit`.

    Images   what `chainrule train` chooses for custom images
    others   the network and the options of `ChainruleClassifier` and `ChainruleRegressor`
    """
    if split.x.ndim > 2:
        entry = zoo.find(custom_data.MODEL)
        training = data.Dataset(split.x, split.y)
        options: dict[str, Any] = dict.fromkeys(("recipe", "validation", "epochs", "augment"))
        recipe = custom_data.adapt_recipe(entry.recipe, training, options, training.sample_shape, custom=True)
        plain = vars(Recipe())
        changed: dict[str, Any] = {"seed": seed}
        for name, option in vars(recipe).items():
            if option != plain[name]:
                changed.setdefault(name, option)
        return entry.build(training.sample_shape, training.classes, seed=seed, threads=1), changed
    layers = [Dense(HIDDEN_UNITS), ReLU(), Dense(1)]
    loss = "mean_squared_error"
    if split.has_labels:
        classes = int(split.y.max()) + 1
        layers = [Dense(HIDDEN_UNITS), ReLU(), Dense(classes), Softmax()]
        loss = "categorical_cross_entropy"
    options = {"epochs": NetworkEstimator.epochs, "batch_size": min(AUTO_BATCH, len(split.x)), "loss": loss}
    return Sequential(layers, split.x.shape[1:], seed=seed, threads=1), options | {"seed": seed}


def _decided(outputs: Array) -> Array:
    """Return the predicted labels or numbers (N,) for outputs (N, K)."""
    return outputs[:, 0] if outputs.shape[1] == 1 else outputs.argmax(1)


def _chainrule(split: Split, seed: int) -> Run:
    model, options = _default(split, seed)
    options["validation_split"] = options.pop("validation", 0.0)

    def run() -> Array:
        model.fit(split.x, split.y, progress=False, **options)
        return _decided(model.predict(split.x_test))

    return run


def _pytorch(split: Split, seed: int) -> Run:
    """Prepare a plain loop: network, optimizer, schedule, batch size and epochs as ours, without augmentation."""
    from benchmarks.peers import torch_training
    from benchmarks.peers.torch import Translation, torch

    model, options = _default(split, seed)
    recipe = Recipe(**options)
    plan = model.plan(recipe.loss)
    module = Translation(model, plan)
    ending = torch_training.ending(plan)
    x, x_test = map(torch.from_numpy, split.plain)
    t = torch.from_numpy(split.y if split.has_labels else split.y[:, None].astype(np.float32))
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    steps = -(-len(x) // recipe.batch_size)

    def factor(step: int) -> float:
        return recipe.schedule.factor(step, steps * recipe.epochs, steps)

    def run() -> Array:
        optimizer = torch_training.optimizer(recipe.optimizer, module.parameters())
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        for _ in range(recipe.epochs):
            for rows in torch.randperm(len(x)).split(recipe.batch_size):
                torch_training.step(optimizer, module, torch_training.LOSSES[ending], x[rows], t[rows])
                schedule.step()
        with torch.inference_mode():
            return _decided(torch.cat([module.eval()(part) for part in x_test.split(TESTED)]).numpy())

    return run


def _scikit_learn(module: str, name: str, split: Split, seed: int) -> Run:
    kind = f"{name}{'Classifier' if split.has_labels else 'Regressor'}"
    estimator = getattr(importlib.import_module(f"sklearn.{module}"), kind)(random_state=seed)
    x, x_test = (inputs.reshape(len(inputs), -1) for inputs in split.plain)
    return lambda: estimator.fit(x, split.y).predict(x_test)


CONTENDERS: dict[str, Callable[[Split, int], Run]] = {
    "chainrule": _chainrule,
    "PyTorch": _pytorch,
    "MLP": partial(_scikit_learn, "neural_network", "MLP"),
    "random forest": partial(_scikit_learn, "ensemble", "RandomForest"),
}
SCIKIT_LEARN = {"MLP", "random forest"}


@dataclass(frozen=True)
class Result:
    """Results of a contender on a data set: a score and the processor time in seconds for each seed.

    is_accuracy   whether the scores are accuracies, rather than R²
    """

    is_accuracy: bool
    scores: list[float]
    seconds: list[float]

    @property
    def mean(self) -> float:
        """Mean score."""
        return statistics.fmean(self.scores)

    @property
    def deviation(self) -> float:
        """Standard deviation of the scores."""
        return statistics.pstdev(self.scores)

    @property
    def time(self) -> float:
        """Median processor time in seconds."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        """Return mean and standard deviation of the scores, and the median time: "97.3 ± 0.4 %, 1.2 s"."""
        score = f"{self.mean:.2f} ± {self.deviation:.2f}"
        if self.is_accuracy:
            score = f"{100 * self.mean:.1f} ± {100 * self.deviation:.1f} %"
        return f"{score}, {tables.time(self.time)}"


def results(name: str, seeds: int, watch: Callable[[str], None]) -> dict[str, Result]:
    """Return the results of all installed contenders on a data set; ChainruleError if it cannot be loaded."""
    by_contender: dict[str, Result] = {}
    for seed in range(seeds):
        split = DATA[name](seed)
        absent = {"MLP"} if split.x.ndim > 2 else set[str]()  # which takes several minutes on images
        if peers.missing("torch"):
            absent.add("PyTorch")
        for who in in_turn([who for who in CONTENDERS if who not in absent], seed):
            watch(f"{name}, seed {seed}: {who}")
            with threadpool_limits(1), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of networks that have not converged
                run = CONTENDERS[who](split, seed)
                start = time.process_time()
                predictions = run()
                seconds = time.process_time() - start
            result = by_contender.setdefault(who, Result(split.has_labels, [], []))
            result.scores.append(split.score(predictions))
            result.seconds.append(seconds)
    return by_contender


def better(by_contender: Mapping[str, Result]) -> Iterator[str]:
    """Yield the estimators of scikit-learn that are better than this library by more than one standard deviation."""
    ours = by_contender["chainrule"]
    for who in sorted(by_contender.keys() & SCIKIT_LEARN):
        if by_contender[who].mean - ours.mean > max(by_contender[who].deviation, ours.deviation):
            yield who
