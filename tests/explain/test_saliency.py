"""Saliency and Grad-CAM, compared with differences of the scores."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numerical import assert_close, central_difference
from PIL import Image

import chainrule as cr

Array = np.ndarray
IMAGES = (2, 9, 7)
BODY = [cr.Conv2D(4, (3, 2)), cr.BatchNorm2D(), cr.Tanh(), cr.Dropout(0.5), cr.Conv2D(3, 2, stride=2)]
POOLED = [cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(4), cr.SiLU(), cr.Dense(3), cr.Softmax()]
NETWORKS: dict[str, tuple[list[Any], tuple[int, ...]]] = {
    "softmax": ([*BODY, cr.Flatten(), cr.Dense(3), cr.Softmax()], IMAGES),
    "pooled": ([*BODY, *POOLED], IMAGES),
    "pixels": ([*BODY, cr.Softmax()], IMAGES),
    "yes or no": ([cr.Dense(5), cr.Tanh(), cr.Dense(1), cr.Sigmoid()], (6,)),
}


def network(name: str, **options: Any) -> cr.Sequential:
    """Build a network whose batch normalization has seen data; its dropout must not matter."""
    layers, shape = NETWORKS[name]
    model = cr.Sequential(layers, shape, engine="numpy", dtype="float64", **options)
    generator = np.random.default_rng(0)
    for weight, values in model.weights.items():
        values[...] += 0.2 * np.abs(generator.normal(size=values.shape)) if "variance" in weight else 0.1
    return model


def images(model: cr.Sequential, count: int = 2) -> Array:
    return np.random.default_rng(1).normal(size=(count, *model.input_shape))


def part(model: cr.Sequential, first: int, last: int | None, shape: tuple[int, ...]) -> cr.Sequential:
    """Return some layers of a network, by default up to the scores: without a softmax or sigmoid at the end."""
    last = len(model.layers) - isinstance(model.layers[-1], cr.Softmax | cr.Sigmoid) if last is None else last
    result = cr.Sequential(model.layers[first:last], shape, engine="numpy", dtype="float64")
    names = [name for name in model.weights if name.partition(".")[0] in model.names[first:last]]
    for own, name in zip(result.weights.values(), names, strict=True):
        own[...] = model.weights[name]
    return result


def scores(model: Any, values: Array) -> Array:
    """Return the scores of the classes, added up over the positions; a single one is that of yes."""
    outputs = model.predict(values)
    outputs = outputs.reshape(*outputs.shape[:2], -1).sum(2)
    return np.concatenate([-outputs, outputs], 1) if outputs.shape[1] == 1 else outputs


def differences(score: Callable[[Array], Array], x: Array) -> Array:
    """Return the gradients of scores (N,) with respect to x, each of which depends on its own sample."""
    return central_difference(lambda values: score(values).sum(), x, 1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_saliency_is_the_derivative_of_the_score(name: str) -> None:
    model = network(name)
    x, inner = images(model), part(model, 0, None, model.input_shape)
    for label in range(scores(inner, x).shape[1]):
        expected = np.abs(differences(lambda values, label=label: scores(inner, values)[:, label], x))
        assert_close(model.saliency(x, label), expected.max(1) if x.ndim > 2 else expected, error=1e-8)
    np.testing.assert_array_equal(model.saliency(x), model.saliency(x, scores(inner, x).argmax(1)))
    assert_close(model.saliency(x, [0, 1])[1:], model.saliency(x[1:], 1))


def test_branches_add_their_gradients() -> None:
    x = cr.Input((2, 5, 4))
    inner = cr.Tanh()(cr.Conv2D(2, 3, padding="same")(x))
    both = cr.Add()(inner, cr.Conv2D(2, 1)(inner))
    model = cr.Graph(x, cr.Dense(3)(cr.Flatten()(both)), engine="numpy", dtype="float64")
    values = np.random.default_rng(2).normal(size=(2, 2, 5, 4))
    expected = np.abs(differences(lambda v: model.predict(v)[:, 1], values)).max(1)
    assert_close(model.saliency(values, 1), expected, error=1e-9)


@pytest.mark.parametrize(
    ("name", "layer"),
    [("softmax", "conv1"), ("softmax", None), ("pooled", "relu1"), ("pixels", "norm1")],
)
def test_grad_cam_weights_maps_by_their_mean_gradient(name: str, layer: str | None) -> None:
    """Without a layer, take the last one whose output has positions."""
    model = network(name)
    x, count = images(model), model.names.index(layer or "conv2") + 1
    maps = part(model, 0, count, model.input_shape).predict(x)
    rest = part(model, count, None, maps.shape[1:])
    for label in range(3):
        gradient = differences(lambda values, label=label: scores(rest, values)[:, label], maps)
        expected = np.maximum((gradient.mean((2, 3), keepdims=True) * maps).sum(1), 0)
        assert_close(model.grad_cam(x, label, layer), expected, error=1e-7)


def test_unknown_labels_and_layers_are_refused() -> None:
    model = network("softmax", classes=("ant", "bee", "cat"))
    x = images(model, 1)
    np.testing.assert_array_equal(model.saliency(x, "bee"), model.saliency(x, 1))
    refused = [
        (lambda: model.saliency(x, "dog"), "dog"),
        (lambda: model.saliency(x, 3), "unknown class 3"),
        (lambda: model.saliency(x, [0, 1]), "2 labels for 1 samples"),
        (lambda: model.saliency(x, 1.5), "unknown class 1.5"),
        (lambda: model.grad_cam(x, 0, "conv9"), "conv9"),
        (lambda: model.grad_cam(x, 0, "dense1"), "no feature maps"),
        (lambda: cr.Sequential([cr.Dense(2)], (3,), engine="numpy").grad_cam(np.ones(3)), "feature maps"),
    ]
    for call, words in refused:
        with pytest.raises(cr.OptionError, match=words):
            call()


def test_the_network_is_unchanged_and_the_figure_is_saved(tmp_path) -> None:
    model = cr.Sequential([cr.Conv2D(2, 3), cr.ReLU(), cr.Flatten(), cr.Dense(3), cr.Softmax()], (3, 12, 10))
    before = model.get_weights()
    picture = np.random.default_rng(0).integers(0, 255, (24, 20, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "photo.png")
    model.plot_heat(tmp_path / "photo.png", 1).savefig(tmp_path / "heat.png")
    assert (tmp_path / "heat.png").read_bytes().startswith(b"\x89PNG")
    assert all((values == before[name]).all() for name, values in model.weights.items())
