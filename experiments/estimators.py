"""The estimators for scikit-learn and scikit-learn's own networks, both with default options, on small data sets."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn.datasets
import sklearn.model_selection
import sklearn.neural_network
import sklearn.pipeline
from sklearn.preprocessing import StandardScaler

from chainrule.sklearn import ChainruleClassifier, ChainruleRegressor

FOLDS = 3
datasets: Any = sklearn.datasets  # scikit-learn has no type annotations
selection: Any = sklearn.model_selection
networks: Any = sklearn.neural_network
pipeline: Any = sklearn.pipeline


def data_sets() -> dict[str, Callable[[], tuple[Any, Any]]]:
    """Return functions that load or draw (X, y), by name: five classifications and five regressions."""
    drawn: dict[str, Any] = {"random_state": 0, "noise": 0.2}
    loaded: dict[str, Any] = {
        name: lambda name=name: getattr(datasets, f"load_{name}")(return_X_y=True)
        for name in ("iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud")
    }
    generated: dict[str, Any] = {
        name: lambda name=name: getattr(datasets, f"make_{name}")(300, **drawn)
        for name in ("moons", "friedman1", "friedman2", "friedman3")
    }
    return {name: (loaded | generated)[name] for name in sorted(loaded | generated)}


def score(estimator: Any, x: Any, y: Any) -> str:
    """Return the mean and the standard deviation of the accuracy, or of R², of an estimator in cross-validation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of networks that have not converged
        scores = selection.cross_val_score(pipeline.make_pipeline(StandardScaler(), estimator), x, y, cv=FOLDS)
    return f"{np.mean(scores):.3f} ± {np.std(scores):.3f}"


def rows() -> list[list[str]]:
    """Return the table: data set, its size, the metric, and the scores of both libraries."""
    table = [["data set", "samples × features", "metric", "chainrule", "scikit-learn"]]
    for name, load in data_sets().items():
        x, y = load()
        is_labels = y.ndim == 1 and y.dtype.kind in "iu"
        pair = (
            (ChainruleClassifier, networks.MLPClassifier) if is_labels else (ChainruleRegressor, networks.MLPRegressor)
        )
        scores = [score(estimator(random_state=0), x, y) for estimator in pair]
        table.append([name, f"{len(x)} × {x.shape[1]}", "accuracy" if is_labels else "R²", *scores])
    return table
