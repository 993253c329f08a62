"""Cross-validation: folds beside scikit-learn's, results beside a loop by hand, intervals beside SciPy's."""

import re
from typing import Any

import numpy as np
import pytest
import sklearn.model_selection
from hypothesis import given, settings
from hypothesis import strategies as st
from models import several
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats as scipy_stats
from selection import draws

import chainrule as cr
from chainrule.data.splits import fold_numbers
from chainrule.training.history import formatted

theirs: Any = sklearn.model_selection  # without type annotations
stats: Any = scipy_stats
RNG = np.random.default_rng(1)
LABELS = RNG.integers(0, 3, 48)
IMAGES = RNG.normal(size=(48, 2, 6, 5)) + LABELS[:, None, None, None]
NAMES = np.array(["cat", "dog", "eel"])[LABELS]


def small(**options: Any) -> cr.Sequential:
    layers = [cr.Conv2D(3, 3), cr.ReLU(), cr.GlobalAveragePool2D(), cr.Dense(3), cr.Softmax()]
    defaults: dict[str, Any] = {"engine": "numpy", "dtype": "float64", "seed": 5}
    return cr.Sequential(layers, (2, 6, 5), **defaults | options)


@pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
@settings(max_examples=draws(40))
@given(st.data())
def test_sizes_and_class_counts_are_those_of_scikit_learn(data: st.DataObject) -> None:
    count = data.draw(st.integers(4, 60))
    folds = data.draw(st.integers(2, 4))
    labels = np.array(data.draw(st.lists(st.integers(3, 6), min_size=count, max_size=count)))
    seed = data.draw(st.integers(0, 9))

    plain = fold_numbers(count, folds, seed)
    their_sizes = [len(test) for _, test in theirs.KFold(folds).split(labels)]
    assert sorted(np.bincount(plain, minlength=folds)) == sorted(their_sizes)

    stratified = fold_numbers(count, folds, seed, labels)
    assert sorted(np.bincount(stratified, minlength=folds)) == sorted(their_sizes)
    if np.unique(labels, return_counts=True)[1].max() < folds:
        return  # scikit-learn refuses it
    their_parts = [test for _, test in theirs.StratifiedKFold(folds).split(labels, labels)]
    for label in np.unique(labels):
        own_counts = [int(np.sum(labels[stratified == fold] == label)) for fold in range(folds)]
        their_counts = [int(np.sum(labels[test] == label)) for test in their_parts]
        assert sorted(own_counts) == sorted(their_counts)


@settings(max_examples=draws(40))
@given(st.lists(st.sampled_from("abcdefgh"), min_size=4, max_size=50), st.integers(2, 4), st.integers(0, 9))
def test_groups_are_those_of_scikit_learn(groups: list[str], folds: int, seed: int) -> None:
    if len({*groups}) < folds:
        with pytest.raises(cr.OptionError, match="number of groups"):
            fold_numbers(len(groups), folds, seed, groups=groups)
        return
    fold_of = fold_numbers(len(groups), folds, seed, groups=groups)
    their_sizes = [len(test) for _, test in theirs.GroupKFold(folds).split(groups, groups=groups)]
    assert sorted(np.bincount(fold_of, minlength=folds)) == sorted(their_sizes)
    for group in {*groups}:
        assert len({*fold_of[np.array(groups) == group]}) == 1


def test_the_seed_decides_the_folds() -> None:
    folds = [fold_numbers(40, 4, seed).tolist() for seed in (0, 0, 1)]
    assert folds[0] == folds[1] != folds[2]


def test_results_are_those_of_a_loop_by_hand() -> None:
    model = small()
    before = model.get_weights()
    result = cr.cross_validate(model, IMAGES, LABELS, folds=3, seed=2, epochs=2, learning_rate=0.02)
    fold_of = fold_numbers(48, 3, 2, LABELS)
    for fold in range(3):
        by_hand = small()
        is_test = fold_of == fold
        history = by_hand.fit(IMAGES[~is_test], LABELS[~is_test], epochs=2, learning_rate=0.02, progress=False)
        assert_array_equal(result.folds[fold].model.parameters, by_hand.parameters)
        assert result.folds[fold].history["loss"] == history["loss"]
        figures = by_hand.evaluate(IMAGES[is_test], LABELS[is_test]).figures
        assert {name: column[fold] for name, column in result.figures.items()} == figures
        assert_array_equal(result.folds[fold].samples, np.flatnonzero(is_test))
    for name, values in model.get_weights().items():
        assert_array_equal(values, before[name])
    assert model.history is None
    assert result.mean("accuracy") == np.mean([fold.evaluation.accuracy for fold in result.folds])


class Table:
    """A table with named columns, as those of pandas."""

    def __init__(self, values: Any, columns: list[str]) -> None:
        self.values, self.columns, self.shape = values, columns, values.shape

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self.values, dtype)

    def to_numpy(self) -> Any:
        return self.values


def test_every_form_of_the_same_data_gives_the_same_results(tmp_path: Any) -> None:
    mapped = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", IMAGES.dtype, IMAGES.shape)
    mapped[:] = IMAGES
    options: dict[str, Any] = {"folds": 2, "epochs": 1}
    expected = cr.cross_validate(small(), IMAGES, NAMES, **options)
    assert expected.folds[0].model.classes == ("cat", "dog", "eel")
    single = IMAGES.astype(np.float32)
    rounded = cr.cross_validate(small(), single, LABELS, **options)
    data = cr.Dataset(single, LABELS, ("cat", "dog", "eel"))
    cases = [
        (expected, cr.cross_validate(small(), mapped, NAMES, **options)),
        (expected, cr.cross_validate(small(), [*IMAGES], [*NAMES], **options)),
        (rounded, cr.cross_validate(small(), data, **options)),
    ]
    for reference, other in cases:
        for one, another in zip(reference.folds, other.folds, strict=True):
            assert_allclose(one.model.parameters, another.model.parameters, rtol=1e-6)


def test_columns_of_tables_keep_their_names() -> None:
    model = cr.Sequential([cr.Dense(3), cr.Softmax()], (10,), engine="numpy")
    names = [f"column {number}" for number in range(10)]
    table = Table(IMAGES[:, 0, :2].reshape(48, 10), names)
    result = cr.cross_validate(model, table, LABELS, folds=2, epochs=1)
    assert {fold.model.columns for fold in result.folds} == {tuple(names)}


def test_series_of_different_lengths_and_several_outputs() -> None:
    series = [IMAGES[number, :, :, 0][:, : 4 + number % 3] for number in range(48)]
    layers = [cr.Conv1D(4, 3), cr.ReLU(), cr.GlobalAveragePool1D(), cr.Dense(3), cr.Softmax()]
    result = cr.cross_validate(cr.Sequential(layers, (2, 5), engine="numpy"), series, LABELS, folds=3, epochs=1)
    assert sum(fold.evaluation.samples for fold in result.folds) == 48

    x, y = several.batch(30)
    inputs = dict(zip(("image", "vector"), x, strict=True))
    joint = cr.cross_validate(several.model(loss=several.LOSSES), inputs, y, folds=3, epochs=1)
    assert {"digit_accuracy", "size_mean_absolute_error"} <= joint.figures.keys()


def test_groups_of_the_data_and_repetitions() -> None:
    groups = np.arange(48) // 4
    weights = RNG.uniform(size=48)
    data = cr.Dataset(IMAGES.astype(np.float32), LABELS, groups=groups)
    by_data = cr.cross_validate(small(), data, folds=3, repeats=2, epochs=1, sample_weight=weights)
    assert len(by_data.folds) == 6
    for fold in by_data.folds:
        others = np.setdiff1d(np.arange(48), fold.samples)
        assert not {*groups[fold.samples]} & {*groups[others]}
    assert not np.array_equal(by_data.folds[0].samples, by_data.folds[3].samples)
    second = cr.cross_validate(small(seed=6), data, folds=3, seed=1, epochs=1, sample_weight=weights)
    for one, another in zip(by_data.folds[3:], second.folds, strict=True):
        assert_array_equal(one.model.parameters, another.model.parameters)


def test_a_class_that_is_only_in_one_fold_is_known_in_all() -> None:
    names = np.where(np.arange(48) == 7, "eel", np.where(LABELS > 1, "cat", "dog"))
    result = cr.cross_validate(small(), IMAGES, names, folds=3, epochs=1)
    assert {fold.model.classes for fold in result.folds} == {("cat", "dog", "eel")}


def test_intervals_are_student_intervals_with_a_corrected_variance() -> None:
    result = cr.cross_validate(small(), IMAGES, LABELS, folds=4, epochs=2)
    values = result.figures["loss"]
    error = np.sqrt(values.var(ddof=1) * (1 / 4 + 1 / 3))  # a fold is a third of the others
    assert_allclose(result.interval("loss", 0.9), stats.t.interval(0.9, 3, values.mean(), error), rtol=1e-6)
    for level in (0, 1, 95, np.nan):
        with pytest.raises(cr.OptionError, match="level"):
            result.interval("loss", level)
    for name in result.figures:
        interval = " to ".join(formatted(name, bound) for bound in result.interval(name))
        assert interval in repr(result)
    lines = repr(result).splitlines()
    assert len(lines) == 1 + len(result.figures)
    for line, column in zip(lines[1:], result.figures.values(), strict=True):
        assert len(re.findall(r"\d+\.\d+", line)) == 3 + len(column)
    html: Any = result
    assert html._repr_html_().count("<tr") == len(lines)


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("folds 1", {"folds": 1}),
        ("folds 49", {"folds": 49}),
        ("number of groups", {"folds": 3, "groups": np.arange(48) % 2}),
        ("repeats 0", {"repeats": 0}),
        ("no_such", {"no_such": 1}),
    ],
)
def test_impossible_options_are_refused(message: str, options: dict[str, Any]) -> None:
    with pytest.raises(cr.OptionError, match=message):
        cr.cross_validate(small(), IMAGES, LABELS, **options)


def test_batches_and_unknown_metrics_are_refused() -> None:
    with pytest.raises(cr.OptionError, match="pass x and y"):
        cr.cross_validate(small(), [(IMAGES, LABELS)])
    with pytest.raises(cr.OptionError, match="expected a model"):
        cr.cross_validate("model", IMAGES, LABELS)  # pyright: ignore[reportArgumentType]
    with pytest.raises(cr.OptionError, match="accurracy"):
        cr.cross_validate(small(), IMAGES, LABELS, folds=2, epochs=1).mean("accurracy")
