"""What users of PyTorch and Keras expect of a model: calls, single samples, weights, histories and custom loops."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from training.made import classifier, stripes

import chainrule as cr
from chainrule.errors import ChannelOrderWarning

X, Y = stripes(48)


USES: list[Callable[[Any, Any, Any], Any]] = [
    lambda model, x, y: model.fit(x, y, epochs=2, validation_data=(x, y), progress=False)["val_loss"],
    lambda model, x, y: model.evaluate(x, y).outputs,
    lambda model, x, y: [model.train_step(x, y).loss for _ in range(3)],
    lambda model, x, y: model.gradients({"image": x}, {"class": y}).flat,
    lambda model, x, y: str(model.trace(x[:2], y[:2]).explain("dense1.dw", [0, 1])),
    lambda model, x, y: model(x),
    lambda model, x, y: model.predict(x[0]),
]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("shape", [(3, 8, 9), (1, 8, 9), (2, 7), (1, 7)])
def test_arrays_may_have_the_channels_last_or_no_axis_for_one_channel(use: Any, shape: tuple[int, ...]) -> None:
    x, y = np.random.default_rng(1).normal(size=(12, *shape)).astype("f4"), np.arange(12) % 3
    layers = [cr.Flatten(), cr.Dense(3), cr.Softmax()]
    for layout in (np.moveaxis(x, 1, -1), x[:, None], x[..., None], *([x[:, 0]] if shape[0] == 1 else [])):
        results = [use(cr.Sequential(layers, shape, engine="numpy"), inputs, y) for inputs in (x, layout)]
        assert_array_equal(*results)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("shape", [(32, 32, 3), (28, 28, 1), (48, 64, 3), (20, 30, 4)])
def test_an_input_shape_with_the_channels_last_is_reported(shape: tuple[int, ...], padding: str) -> None:
    height, width, channels = shape
    layers = [cr.Conv2D(4, 3, padding=padding), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    advice = rf"{height} channels of {width}×{channels}.*input_shape=\({channels}, {height}, {width}\).*moveaxis"
    with pytest.raises((cr.ShapeError, ChannelOrderWarning), match=advice):
        cr.Sequential(layers, shape)
    cr.Sequential(layers, (channels, height, width))
    with pytest.raises(cr.ShapeError, match=rf"{height} channels of {channels};.*\({channels}, {height}\)"):
        cr.Sequential([cr.Conv1D(4, 5)], (height, channels))


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("optimizer", [cr.Adam(0.01), cr.Momentum(0.1), cr.AdamW(0.01, weight_decay=0.1)])
@pytest.mark.parametrize(("y", "weights"), [(0.7 * np.eye(3)[Y] + 0.1, None), (Y, 0.5 + np.arange(48) % 3)])
@pytest.mark.parametrize("frozen", [(), ("norm1",), ("conv1", "dense1.w")])
def test_custom_loops_train_as_fit(engine: str, optimizer: Any, y: Any, weights: Any, frozen: tuple[str, ...]) -> None:
    layers = [cr.Conv2D(3, 3, bias=False), cr.BatchNorm2D(), cr.Tanh(), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    models = [cr.Sequential(layers, X.shape[1:], engine=engine, dtype="float64") for _ in range(3)]
    for each in models:
        each.freeze(*frozen)
    rate, factors, options = optimizer.learning_rate, (1.0, 0.2, 0.7, 0.03, 0.5), dict[str, Any](sample_weight=weights)
    fit = {"epochs": 5, "batch_size": len(X), "optimizer": optimizer, "schedule": lambda step: factors[step]}
    models[0].fit(X, y, **fit, **options, progress=False)
    moments = optimizer.init(models[2].parameters)
    for step, factor in enumerate(factors, 1):
        outcome = models[1].train_step(X, y, optimizer=optimizer, learning_rate=rate * factor, **options)
        gradients = models[2].gradients(X, y, **options)
        moments = optimizer.step(models[2], gradients, moments, step=step, learning_rate=rate * factor)
        assert_close(outcome.loss, gradients.loss)
        assert_close(outcome.norm, np.sqrt(sum(np.square(g).sum() for g in gradients.named.values())))
    for trained in models[1:]:
        assert_close(trained.parameters, models[0].parameters)
        assert_close(trained.statistics, models[0].statistics)


def test_weights_of_classes_may_be_a_list() -> None:
    weights: list[Any] = [[1, 2, 3], {"0": 1, "1": 2, "2": 3}]
    results = [classifier().fit(X, Y, progress=False, class_weight=weight).losses for weight in weights]
    assert results[0] == results[1]
    with pytest.raises(cr.OptionError, match="3 classes"):
        classifier().fit(X, Y, class_weight=[1, 2])


def test_a_history_is_a_mapping_and_stays_after_an_interruption() -> None:
    def interrupt(trainer: Any, epoch: Any) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    model = classifier()
    assert model.history is None
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=5, callbacks=interrupt, progress=False)
    twin = classifier().fit(X, Y, epochs=2, progress=False)
    assert model.history is not None
    assert model.history["loss"] == dict(twin)["loss"]
    assert "loss" in twin
    assert "accuracy_of_nothing" not in twin
