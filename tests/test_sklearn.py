"""The estimators for scikit-learn: its own checks, its tools, and what they add to `Sequential`."""

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from sklearn.datasets import load_diabetes, load_digits, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import chainrule as cr
from chainrule.errors import ChainruleError, OptionError
from chainrule.sklearn import EXPECTED_FAILED_CHECKS, ChainruleClassifier, ChainruleRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # of few epochs
RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 5))
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
NUMBERS = X @ [1.0, -2.0, 0.5, 0.0, 1.0]


OPTIONS: dict[str, Any] = {"epochs": 5, "engine": "numpy", "threads": 1, "random_state": 4, "learning_rate": 0.01}


LAYERS = [cr.Dense(8), cr.Tanh()]
classifier, regressor = (partial(kind, LAYERS, **OPTIONS) for kind in (ChainruleClassifier, ChainruleRegressor))
CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{getattr(check, 'func', check).__name__}")
    for kind in (ChainruleClassifier, ChainruleRegressor)
    for estimator, check in estimator_checks_generator(kind(engine="numpy", threads=1), mark="skip")
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learn_finds_nothing(estimator: Any, check: Any) -> None:
    check(estimator)


def test_the_expected_failure_is_a_check_that_both_estimators_run() -> None:
    for name, reason in EXPECTED_FAILED_CHECKS.items():
        assert reason
        assert sum(name in check.id for check in CHECKS) == 2


def test_a_search_over_a_pipeline_in_two_processes(tmp_path: Path) -> None:
    pipeline, y, name = make_pipeline(StandardScaler(), classifier()), LABELS, "chainruleclassifier"
    grid = {f"{name}__learning_rate": [1e-7, 0.05], f"{name}__epochs": [15]}
    both = [GridSearchCV(pipeline, grid, cv=3, n_jobs=jobs, error_score="raise").fit(X, y) for jobs in (2, 1)]
    assert both[0].best_params_[f"{name}__learning_rate"] == 0.05
    assert_array_equal(*(search.cv_results_["mean_test_score"] for search in both))
    joblib.dump(both[0], tmp_path / "search")
    assert_array_equal(joblib.load(tmp_path / "search").predict(X), both[1].predict(X))
    scores = cross_val_score(pipeline.set_params(**both[0].best_params_), X, y, cv=3)
    assert_close(scores.mean(), both[0].best_score_)


@pytest.mark.parametrize("make", [ChainruleClassifier, ChainruleRegressor])
def test_frames_with_other_columns_are_refused(make: Any) -> None:
    """Scikit-learn records the names of the columns: another order, or another name, never predicts."""
    pandas: Any = pytest.importorskip("pandas")
    x, y = X[:, :3] * [1, 10, 100], LABELS
    estimator = make(epochs=2, random_state=0).fit(pandas.DataFrame(x, columns=["a", "b", "c"]), y)
    expected = make(epochs=2, random_state=0).fit(x, y).predict(x)
    for order in itertools.permutations(range(3)):
        names = ["abc"[place] for place in order]
        frame = pandas.DataFrame(x[:, order], columns=names)
        if names == ["a", "b", "c"]:
            assert_close(estimator.predict(frame), expected)
            continue
        with pytest.raises(ValueError, match="same order"):
            estimator.predict(frame)
    with pytest.raises(ValueError, match="feature names"):
        estimator.predict(pandas.DataFrame(x, columns=["a", "b", "d"]))


def test_images_flat_or_not() -> None:
    """Classify scikit-learn's digits with a convolution, as rows of 64 numbers, as images, and as bytes."""
    data, labels = (array[:900] for array in load_digits(return_X_y=True))
    images, layers = data.reshape(-1, 1, 8, 8), [cr.Conv2D(6, 3), cr.ReLU(), cr.Flatten()]
    options: dict[str, Any] = {"batch_size": 32, "dtype": "float32", "normalization": "standardize"}
    outputs = list[np.ndarray]()
    for x, shape, ending in (
        (data, (1, 8, 8), layers),
        (images, None, layers),
        (data.astype(np.uint8), (1, 8, 8), layers),
        (images, None, layers[:2]),  # not flat at the end
    ):
        estimator = classifier(input_shape=shape, **options).set_params(layers=ending)
        outputs.append(estimator.fit(x[:600], labels[:600]).predict_proba(x[600:]))
        assert estimator.score(x[600:], labels[600:]) > 0.9
    assert_array_equal(outputs[0], outputs[1])
    assert_close(outputs[0], outputs[2], error=1e-3)
    with pytest.raises(ValueError, match="cannot be reshaped"):
        classifier(input_shape=(1, 8, 9)).fit(data, labels)


def test_weights_of_classes_are_those_of_their_samples() -> None:
    weights = np.array([3.0, 1.0, 0.5])[LABELS]
    by_class = classifier(optimizer="sgd", class_weight={0: 3.0, 2: 0.5, 9: 2.0}).fit(X, LABELS)  # 9: in other folds
    rate = 0.01 * weights.mean()  # weights of samples are divided by their mean
    by_sample = classifier(optimizer="sgd", learning_rate=rate).fit(X, LABELS, sample_weight=weights)
    assert_close(by_class.predict_proba(X), by_sample.predict_proba(X))


@pytest.mark.parametrize(("make", "y"), [(classifier, LABELS), (regressor, NUMBERS)])
def test_a_warm_start_goes_on(make: Any, y: np.ndarray) -> None:
    twice = make(optimizer="sgd", warm_start=True).fit(X, y).fit(X, y)
    once = make(optimizer="sgd", epochs=10).fit(X, y)
    assert_close(twice.model_.parameters, once.model_.parameters)
    if make is classifier:
        with pytest.raises(ValueError, match="warm_start"):
            twice.fit(X, y + 1)


def test_early_stopping() -> None:
    options = {"validation_fraction": 0.25, "n_iter_no_change": 2, "epochs": 500, "learning_rate": 0.3}
    estimator = regressor(early_stopping=True, **options).fit(X, RNG.normal(size=60))
    assert 2 < estimator.n_iter_ < 500
    assert estimator.history_.epochs[0].validation_loss is not None


def test_the_defaults_suit_targets_of_any_size() -> None:
    x, y = load_diabetes(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), ChainruleRegressor(random_state=0, engine="numpy"))
    assert cross_val_score(pipeline, x, y, cv=3).mean() > 0.4  # 0 is the mean
    with pytest.warns(ConvergenceWarning, match="standardize_targets"):
        pipeline.set_params(chainruleregressor__standardize_targets=False, chainruleregressor__epochs=100).fit(x, y)


def test_several_targets_and_other_losses() -> None:
    y = np.c_[NUMBERS, -NUMBERS]
    assert regressor(epochs=200, loss="half_squared_error", learning_rate=0.03).fit(X, y).score(X, y) > 0.9
    assert regressor().fit(X, y[:, :1]).predict(X[:7]).shape == (7, 1)


@pytest.mark.parametrize("kind", [ChainruleClassifier, ChainruleRegressor])
@pytest.mark.parametrize(
    "option",
    [{"batch_size": "all"}, {"dtype": "int8"}, {"augmentation": "flip"}, {"input_shape": (2, 2)}, {"layers": 5}],
    ids=str,
)
def test_options_that_do_not_fit_are_refused_in_the_terms_of_the_library(kind: Any, option: dict[str, Any]) -> None:
    estimator = kind(epochs=1, **option)
    with pytest.raises(ChainruleError):
        estimator.fit(np.ones((9, 6)), np.arange(9) % 3)
    assert not hasattr(estimator, "model_")
    with pytest.raises(OptionError, match="use epochs"):
        kind(max_iter=3)


def test_several_labels_per_sample_beside_a_network_of_scikit_learn() -> None:
    x, y = make_multilabel_classification(600, 12, n_classes=4, random_state=0)
    peer = MLPClassifier((32,), max_iter=60, learning_rate_init=0.01, random_state=0).fit(x[:400], y[:400])
    model = ChainruleClassifier([cr.Dense(32), cr.ReLU()], **OPTIONS | {"epochs": 60}).fit(x[:400], y[:400])
    scores = [f1_score(y[400:], fitted.predict(x[400:]), average="macro") for fitted in (model, peer)]
    assert scores[0] > scores[1] - 0.03
    p = model.predict_proba(x[400:])
    assert p.shape == (200, 4)
    assert_array_equal(model.predict(x[400:]), (p >= 0.5).astype(int))
    assert model.score(x[400:], y[400:]) == (model.predict(x[400:]) == y[400:]).all(1).mean()


def test_weights_of_several_labels_count_relative_to_their_mean() -> None:
    several = np.stack([X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 1], 1).astype(int)
    weights = RNG.uniform(0.5, 2, len(X))
    plain, weighted, doubled = (
        classifier().fit(X, several, sample_weight=w).model_.parameters for w in (None, weights, 2 * weights)
    )
    assert not np.allclose(weighted, plain)
    assert_close(weighted, doubled, dtype=np.float32)


def test_balanced_classes_have_equal_weights() -> None:
    y = (X[:, 0] > 1).astype(int)
    counts = np.bincount(y)
    balanced = classifier(class_weight="balanced").fit(X, y)
    mapped = classifier(class_weight={k: len(y) / (2 * count) for k, count in enumerate(counts)}).fit(X, y)
    unweighted = classifier().fit(X, y)
    assert_close(balanced.model_.parameters, mapped.model_.parameters, dtype=np.float32)
    assert not np.allclose(balanced.model_.parameters, unweighted.model_.parameters)


def test_bytes_in_rows_are_numbers() -> None:
    rows = RNG.integers(0, 256, (60, 5)).astype(np.uint8)
    by_dtype = [classifier(normalization="standardize").fit(x, LABELS) for x in (rows, rows.astype(np.float32))]
    assert_array_equal(*(estimator.predict_proba(rows) for estimator in by_dtype))
