"""Series of different lengths, compared with steps on arrays of one length, and with masked batches of PyTorch."""

from typing import Any

import numpy as np
import pytest
from numerical import assert_close

import chainrule as cr
from chainrule.data.containers import Data
from chainrule.errors import ChainruleError
from chainrule.models.record import Record
from chainrule.training.recipe import Recipe

DRAW = np.random.default_rng(0)
LENGTHS = [7, 12, 9, 7, 12, 12, 30, 9, 7, 12]
SERIES = [DRAW.normal(size=(2, length)) for length in LENGTHS]
LABELS = DRAW.integers(0, 3, 10)
WEIGHTS = DRAW.random(10) + 0.5


def network(engine: str = "numpy", **options: Any) -> cr.Sequential:
    layers = [cr.Conv1D(4, 3), cr.Tanh(), cr.GlobalAveragePool1D(), cr.Dense(3), cr.Softmax()]
    return cr.Sequential(layers, (2, 12), engine=engine, dtype="float64", **options)


def batches(model: cr.Sequential, steps: int) -> list[Any]:
    data = Record.of(model).read(Data.of(SERIES, LABELS, weights=WEIGHTS))
    loader = model.trainer(Recipe(batch_size=3, epochs=9, seed=4, normalization="none"), data).loader
    return [loader.batch(step) for step in reversed(range(steps))][::-1]


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_training_is_steps_on_batches_of_one_length(engine: str) -> None:
    """The loss of a batch is the mean over its series, each with its weight."""
    model, stepped = network(engine), network()
    options: dict[str, Any] = {"batch_size": 3, "seed": 4, "learning_rate": 0.05, "sample_weight": WEIGHTS}
    losses = model.fit(SERIES, LABELS, epochs=2, normalization="none", progress=False, **options).losses
    expected, optimizer = list[float](), cr.Adam(0.05)
    moments = optimizer.init(stepped.parameters)
    for step, (x, t, weights) in enumerate(batches(network(), len(losses)), 1):
        expected.append(float(np.mean(weights * stepped.evaluate([*x], t.argmax(1)).losses)))
        gradients = stepped.gradients(x, t.argmax(1), sample_weight=weights)
        moments = optimizer.step(stepped, gradients, moments, step=step)
    assert_close([*losses], expected, dtype=float)
    assert_close(model.parameters, stepped.parameters)


def test_every_epoch_has_all_series_in_another_order() -> None:
    steps = [x[:, 0, 0] for x, *_ in batches(network(), 10)]
    first, second = np.concatenate(steps[:5]), np.concatenate(steps[5:])
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal([np.sort(first), np.sort(second)], [np.sort([s[0, 0] for s in SERIES])] * 2)


def test_evaluations_and_predictions_are_those_of_each_series() -> None:
    model = network()
    model.fit(SERIES, LABELS, batch_size=4, validation_split=0.3, progress=False)
    evaluation, outputs = model.evaluate(SERIES, LABELS), model.predict(SERIES)
    assert_close(outputs, np.concatenate([model.predict(s) for s in SERIES]))
    assert_close(evaluation.outputs, outputs)
    assert_close(evaluation.losses, [model.evaluate(s[None], [y]).loss for s, y in zip(SERIES, LABELS, strict=True)])
    model.fit(SERIES, LABELS, normalization="standardize", progress=False)
    assert_close(model.normalization.apply(np.concatenate(SERIES, 1)[None], np.float64).std(2), 1)


def test_unusable_series_are_refused(tmp_path) -> None:
    flat = cr.Sequential([cr.Flatten(), cr.Dense(3), cr.Softmax()], (2, 12), engine="numpy")
    along = cr.Sequential([cr.Conv1D(3, 3), cr.Softmax()], (2, 12), engine="numpy")
    last, model = SERIES[9], network()
    calls: dict[str, Any] = {
        "such as 2×7 and 2×12": lambda: model.fit(np.array([*SERIES, None], object)[:-1], LABELS),
        "must not depend on the size": lambda: flat.fit(SERIES, LABELS),
        "requires series of one length": lambda: along.fit(SERIES, LABELS),
        "expected series of shape": lambda: model.fit([*SERIES[:9], last[:1]], LABELS),
        "conv1": lambda: model.fit([*SERIES[:9], last[:, :2]], LABELS),
        "not finite": lambda: model.fit([*SERIES[:9], last * np.nan], LABELS),
        "cannot be resumed": lambda: model.fit(SERIES, LABELS, run=cr.Run(tmp_path / "run")),
        "different lengths cannot": lambda: model.fit(
            SERIES[1][None], [0], run=cr.Run(tmp_path / "other", test_data=(SERIES, LABELS))
        ),
        "predict each length alone": lambda: along.predict(SERIES),
        "typical": lambda: cr.Sequential([cr.GlobalAveragePool1D()], (2, None)),  # pyright: ignore
    }
    for message, call in calls.items():
        with pytest.raises(ChainruleError, match=message):
            call()


def test_many_lengths_make_small_batches_and_a_note() -> None:
    draw = np.random.default_rng(0)
    layers = [cr.Conv1D(3, 3), cr.GlobalAveragePool1D(), cr.Dense(2), cr.Softmax()]
    for lengths, is_noted in ((draw.integers(20, 90, 50), True), (np.repeat([20, 30], 25), False)):
        series = [draw.normal(size=(2, int(length))) for length in lengths]
        model = cr.Sequential(layers, (2, 20), engine="numpy")
        history = model.fit(series, np.arange(50) % 2, batch_size=16, progress=False)
        assert any(f"{len(history)} batches" in note for note in history.notes) == is_noted
