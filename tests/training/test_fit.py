"""`fit`: loss, normalization, inputs and targets, and its final messages."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import assert_close
from numpy.testing import assert_array_equal
from selection import draws
from training.made import classifier, dense, points, stripes

import chainrule as cr
from chainrule.data.input_statistics import InputStatistics
from chainrule.data.normalization import Normalization

QUIET = {"progress": False, "learning_rate": 0.02}


def test_a_trained_model_keeps_its_normalization_when_it_is_trained_on() -> None:
    x, y = stripes()
    model = classifier()
    model.fit(x, y, normalization="standardize", **QUIET)
    kept = model.normalization
    model.fit(x[y == 1], y[y == 1], **QUIET)
    assert model.normalization == kept
    model.fit(x, y, normalization="scale", **QUIET)
    assert model.normalization.kind == "scale"


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_learning_rates_of_single_steps_are_a_schedule(optimizer: str) -> None:
    x, rates = np.random.default_rng(0).normal(size=(20, 6)).astype("f4"), [0.1, 0.02, 0.07, 0.003]
    y = (x[:, 0] > 0).astype(int)
    whole, single = (cr.Sequential([cr.Dense(2), cr.Softmax()], (6,), engine="numpy") for _ in range(2))
    options: Any = {"epochs": len(rates), "batch_size": len(x), "normalization": "none", "progress": False}
    whole.fit(x, y, optimizer=optimizer, learning_rate=1.0, schedule=lambda step: rates[step], **options)
    for rate in rates:
        single.train_step(x, y, optimizer=optimizer, learning_rate=rate)
    assert_close(single.parameters, whole.parameters)


@pytest.mark.parametrize("dtype", ["int64", "int16", "uint16", "float32", "float64"])
def test_pixels_of_any_type_are_scaled_as_bytes_are(dtype: str) -> None:
    x, y = stripes()
    x[0, 0, 0, :2] = 0, 255
    of_bytes, other = (classifier() for _ in range(2))
    of_bytes.fit(x, y, **QUIET)
    history = other.fit(x.astype(dtype), y, **QUIET)
    assert_close(other.parameters, of_bytes.parameters)
    assert_close(other.predict(x.astype(dtype)), of_bytes.predict(x))
    assert_close(other.predict(x), of_bytes.predict(x))
    assert (
        history.notes[0]
        == f"inputs are {dtype} from 0 to 255 and are scaled to 0 … 1; normalization='none' leaves them"
    )


@settings(max_examples=draws(20))
@given(st.integers(0, 2**32 - 1), st.sampled_from(("bytes", "shares", "signed", "levels", "wide")))
def test_what_is_scaled_is_decided_by_the_range(seed: int, what: str) -> None:
    generator = np.random.default_rng(seed)
    shares = generator.random((5, 2, 4, 3))
    drawn = {
        "bytes": np.round(shares * 255), "shares": shares, "signed": generator.normal(size=shares.shape),
        "levels": np.round(shares * 16) + 2, "wide": np.round(shares * 4000).astype(np.uint16) + 2,
    }[what]  # fmt: skip
    kind = InputStatistics(drawn).default_kind
    assert kind == ("none" if what in ("shares", "signed") else "scale")
    found = Normalization.fit(kind, drawn).apply(drawn, np.float64)
    if kind == "scale":
        assert found.min() >= -1e-12
        assert_close(found.max(), 1)
    else:
        assert_array_equal(found, drawn)


def test_a_table_of_numbers_is_no_picture() -> None:
    ages = np.random.default_rng(0).integers(0, 200, (50, 6))
    assert InputStatistics(ages).default_kind == "none"
    assert InputStatistics(ages * [1, 1, 1, 1, 1, 11.5]).default_kind == "standardize"
    assert InputStatistics(ages[:30] * [1, 1, 1, 1, 1, 11.5]).default_kind == "none"  # too few
    assert InputStatistics(ages / 200 * [1, 1, 1, 1, 1, 0.01]).default_kind == "none"  # within 0 … 1
    assert InputStatistics(np.where(np.arange(6) == 3, 0.1, ages)).default_kind == "none"  # a constant column
    units = np.random.default_rng(0).random((20, 2, 4, 4)) * np.reshape([40, 1], (2, 1, 1))
    kinds = [InputStatistics(x).default_kind for x in (units, np.round(units), units[:, 0])]
    assert kinds == ["standardize", "scale", "none"]
    assert InputStatistics(np.random.default_rng(0).integers(0, 256, (50, 784))).default_kind == "scale"


BAD_INPUTS = [
    (lambda x, y: (np.where(np.arange(400).reshape(-1, 1, 1, 1) == 7, np.nan, x), y), "finite, the first in sample 7"),
    (lambda x, y: (x.astype(str), y), "expected numbers"),
    (lambda x, y: (x, y + 1), "is outside the classes 0 … 2"),
    (lambda x, y: (x, -y - 1), "label -"),
    (lambda x, y: (x, y[:-1]), "400 inputs but 399 targets"),
    (lambda x, y: (x, 3), "400 inputs but a single targets"),
    (lambda x, y: (x, [[1, 2], [3]]), "expected an array: the samples have different shapes"),
    (lambda x, y: (x, [{"a": 1}] * 400), "found object: .*'a'"),
    (lambda x, y: (x, [None] * 400), r"found object: \[None"),
    (lambda x, y: (x, y.astype(complex)), "found complex128"),
    (lambda x, y: (x, np.eye(2)[y % 2]), "for a network with 3 outputs"),
    (lambda x, y: (x, np.array(["cat"] * 400)), "label 'cat' of sample 0 is not a class of the model: 0"),
    (lambda x, y: (x, np.where(np.eye(3)[y] > 0, np.inf, 0.0)), "targets must be finite; the target of sample 0"),
    (lambda x, y: (x[:, :, :0], y), "expected a batch of shape"),
    (lambda x, y: (x[:0], y[:0]), "the data is empty"),
    (lambda x, y: (x, y + 0.5), "labels must be whole numbers"),
    (lambda x, y: (x, None), "labels are missing"),
    (lambda x, y: (x, np.eye(3)[y] - 0.5), "expects labels, or probabilities that sum to 1 in every row"),
]  # fmt: skip


BAD_OPTIONS = [
    (
        {"validation_data": (np.full((4, 1, 8, 8), np.nan), np.zeros(4, int))},
        "inputs are not finite, the first in sample 0",
    ),
    ({"validation_data": (np.zeros((4, 1, 8, 8)),)}, "expected .x, y. or a Dataset, found tuple"),
    ({"validation_data": (np.zeros((4, 1, 8, 8)), np.full(4, 3))}, "label 3 of sample 0 is outside the classes"),
    ({"optimizer": {"name": "adam", "rat": 1}}, "optimizer adam has no option rat; known: learning_rate, beta1"),
    ({"schedule": {"name": "step", "foo": 1}}, "schedule step has no option foo; known: epochs, gamma"),
    ({"patience": 2}, "patience requires a validation loss"),
    ({"loss": "softmax_cross_entropy"}, "expects logits: leave out Softmax"),
    ({"validation_split": 0.5, "validation_data": stripes(9)}, "cannot both be given"),
]


BAD = [*((spoil, {}, words) for spoil, words in BAD_INPUTS), *((lambda x, y: (x, y), *case) for case in BAD_OPTIONS)]


@pytest.mark.parametrize(("spoil", "options", "words"), BAD, ids=[words for *_, words in BAD])
def test_bad_inputs_and_options_are_refused_in_one_line(spoil: Any, options: dict[str, Any], words: str) -> None:
    model = classifier()
    for use in (lambda *data: model.fit(*data, **{**QUIET, **options}), *([] if options else [model.evaluate])):
        with pytest.raises(cr.ChainruleError, match=words) as caught:
            use(*spoil(*stripes()))
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 300


def test_a_training_that_learns_nothing_says_so() -> None:
    x, y = stripes(300)
    model = classifier()
    random = np.random.default_rng(5).permutation(y)
    history = model.fit(np.zeros_like(x), random, normalization="none", epochs=3, **QUIET)
    assert "not clearly better than a constant prediction" in history.notes[-1]
    for factor in (1e-4, 1e4):
        notes = model.fit(x * np.float32(factor), random, normalization="none", epochs=1, **QUIET).notes
        assert "normalization='standardize'" in notes[-1]
    x, y = points(600)
    y = np.random.default_rng(5).permutation(y)
    numbers = dense(1, loss="mean_squared_error").fit(x, y, epochs=2, learning_rate=1e-5, progress=False)
    assert "the mean absolute error in training was" in numbers.notes[-1]


@pytest.mark.parametrize(("count", "batch_size"), [(33, 32), (40, 7), (20, 64)])
def test_the_metric_at_the_end_is_that_of_half_the_samples(count: int, batch_size: int) -> None:
    """A last batch of one sample has the weight of one sample."""
    x, y = np.random.default_rng(0).normal(size=(count, 2)), np.arange(count) % 2
    model = cr.Sequential([cr.Dense(2), cr.Softmax()], (2,), engine="numpy")
    history = model.fit(0 * x, y, epochs=2, batch_size=batch_size, progress=False)
    sizes = [min(batch_size, count - first) for first in range(0, count, batch_size)]
    used = next(k for k in range(1, len(sizes) + 1) if sum(sizes[-k:]) >= count / 2)
    expected = np.average(history.measured[-used:], weights=sizes[-used:])
    assert f"accuracy in training was {100 * expected:.2f} %" in history.warnings[-1]


def test_a_batch_normalization_needs_two_values() -> None:
    x, y = points(8)
    layers: list[cr.Layer] = [cr.Dense(3), cr.BatchNorm1D(), cr.Dense(1)]
    options: dict[str, Any] = {"batch_size": 4, "progress": False, "gradient_accumulation_steps": 4}
    model = cr.Sequential(layers, (6,), loss="mean_squared_error", engine="numpy")
    assert "norm1 normalized one value" in model.fit(x, y, **options).warnings[0]
    assert "norm1" not in str(model.fit(x, y, batch_size=4, progress=False).warnings)
    model.frozen = ("norm1",)
    assert "norm1" not in str(model.fit(x, y, **options).warnings)


def test_a_callback_that_sets_the_learning_rate_is_told_why_not() -> None:
    def lower(trainer: Any, epoch: Any) -> None:
        rates.append(trainer.learning_rate)
        if epoch.epoch == 2:
            trainer.learning_rate *= 0.5

    rates = list[float]()
    with pytest.raises(cr.OptionError, match="pass schedule="):
        dense(1, loss="mean_squared_error").fit(*points(40), epochs=3, schedule="step", progress=False, callbacks=lower)
    assert rates == [0.001, 0.001]


def test_a_training_that_diverges_says_so() -> None:
    line = cr.Sequential([cr.Dense(1)], (6,), loss="mean_squared_error", engine="numpy")
    history = line.fit(*points(), optimizer="sgd", learning_rate=1.2, progress=False)
    assert history.loss[-1] > 2 * history.loss[0]
    assert "training diverged; try a smaller learning rate than 1.2" in history.notes[-1]
    x, y = stripes()
    body = [cr.Flatten(), cr.Dense(12), cr.ReLU(), cr.Dense(3), cr.Softmax()]
    model = cr.Sequential(body, (1, 8, 8), engine="numpy", seed=1)
    at_once = model.fit(x, np.random.default_rng(1).permutation(y), optimizer="sgd", learning_rate=30.0, progress=False)
    assert "training diverged" in at_once.notes[-1]


def test_the_notes_are_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = stripes()
    classifier().fit(x.astype(int), y, epochs=2, learning_rate=0.02)
    err = capsys.readouterr().err
    assert err.count("inputs are int64 from 0 to 254 and are scaled to 0 … 1") == 1
    assert "accuracy" in err
    dense(1, loss="mean_squared_error").fit(*points(), epochs=2, learning_rate=0.02)
    err = capsys.readouterr().err
    assert "mean absolute error" in err
    assert " accuracy" not in err


@pytest.mark.parametrize("as_run", [False, True])
@pytest.mark.parametrize("patience", [1, 2, 4])
def test_early_stopping_says_what_it_did(
    patience: int, as_run: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(patience)
    x, y = rng.normal(size=(80, 6)).astype("f4"), rng.integers(0, 2, 80)
    model = cr.Sequential([cr.Dense(20), cr.ReLU(), cr.Dense(2), cr.Softmax()], (6,), engine="numpy")
    options: dict[str, Any] = {"run": cr.Run(tmp_path / "run", plots=False)} if as_run else {}
    held = x[:30], y[:30]
    history = model.fit(
        x[30:], y[30:], epochs=60, patience=patience, learning_rate=0.02, validation_data=held, **options
    )
    best, sentence = int(np.argmin(history["validation_loss"])), f"after epoch {len(history.epochs)} of 60"
    assert (history.restored, len(history.epochs)) == (best + 1, best + 1 + patience)
    (note,) = (note for note in history.notes if sentence in note)
    assert f"epoch {best + 1}," in note
    assert sentence in capsys.readouterr().err
    assert f"epoch {best + 1}, loss {history['loss'][best]:.4f}" in repr(history)


def test_labels_in_every_form_train_alike() -> None:
    x, y = stripes(60)
    names = np.array(["ant", "bee", "cat"])
    forms = [
        y,
        y.astype(object),
        y.astype(float),
        y[:, None].astype("f4"),
        names[y],
        names[y].astype(object),
        names[y].tolist(),
    ]
    models = [classifier() for _ in (*forms, 0)]
    for model, labels in zip(models, [*forms, {"kind": y}], strict=True):
        model.fit(x, labels, validation_split=0.2, progress=False)
        np.testing.assert_array_equal(model.parameters, models[0].parameters)
    for model, labels in zip(models[4:7], forms[4:], strict=True):
        assert model.classes == tuple(names)
        assert model.evaluate(x, labels).loss == models[0].evaluate(x, y).loss
    for labels in (names[y % 2], [*names[y][:-1], "dog"]):  # two or four names for three outputs
        with pytest.raises(cr.DataError, match="classes="):
            classifier().fit(x, labels)


def test_damaged_images_of_a_folder_can_be_skipped(tmp_path: Path) -> None:
    for kind in "ab":
        (tmp_path / kind).mkdir()
        for number in range(4):
            (tmp_path / kind / f"{number}.pgm").write_bytes(b"P5 4 4 255 " + bytes(16 if number else 3))
    with pytest.raises(cr.ChainruleError, match="skip_damaged"):
        cr.Sequential([cr.Flatten(), cr.Dense(2)], (1, 4, 4), engine="numpy").fit(tmp_path, readers=0)
