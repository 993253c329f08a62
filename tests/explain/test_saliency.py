"""Saliency and Grad-CAM, compared with differences of the outputs, class activation maps and PyTorch."""

import numpy as np
import pytest
from numerical import assert_close
from PIL import Image

import chainrule as cr

SHAPE = (2, 9, 7)


def network(*ending, seed=0, **options) -> cr.Sequential:
    """Build a network whose batch normalization has seen data; its dropout must not matter."""
    layers = [cr.Conv2D(4, (3, 2)), cr.BatchNorm2D(), cr.Tanh(), cr.Dropout(0.5), cr.Conv2D(3, 2, stride=2)]
    model = cr.Sequential([*layers, *ending], SHAPE, engine="numpy", seed=seed, dtype="float64", **options)
    generator = np.random.default_rng(seed)
    for name, values in model.weights.items():
        values[...] += 0.2 * np.abs(generator.normal(size=values.shape)) if "variance" in name else 0.1
    return model


def images(count=2, seed=1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, *SHAPE))


def numerical(score, x: np.ndarray, h=1e-5) -> np.ndarray:
    """Return the gradients of scores (N,) with respect to x, by central differences."""
    result = np.zeros_like(x)
    for place in np.ndindex(x.shape[1:]):
        step = np.zeros_like(x)
        step[(slice(None), *place)] = h
        result[(slice(None), *place)] = (score(x + step) - score(x - step)) / (2 * h)
    return result


ENDINGS = {
    "softmax": (cr.Flatten(), cr.Dense(3), cr.Softmax()),
    "logits": (cr.Flatten(), cr.Dense(3)),
    "pooled": (cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(4), cr.SiLU(), cr.Dense(3), cr.Softmax()),
    "pixels": (cr.Softmax(),),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_saliency_is_the_derivative_of_the_score(ending: str) -> None:
    """The scores are the outputs of the network without its last softmax, summed over the positions."""
    model, x = network(*ENDINGS[ending]), images()
    layers = model.layers[: len(model.layers) - isinstance(model.layers[-1], cr.Softmax)]
    inner = cr.Sequential(layers, SHAPE, engine="numpy", dtype="float64")
    inner.set_weights(model.weights)

    def scores(values: np.ndarray) -> np.ndarray:
        return inner.predict(values).reshape(len(values), 3, -1).sum(2)

    for label in range(3):
        expected = np.abs(numerical(lambda values, label=label: scores(values)[:, label], x)).max(1)
        assert_close(model.saliency(x, label), expected, error=1e-8)
    np.testing.assert_array_equal(model.saliency(x), model.saliency(x, scores(x).argmax(1)))
    assert_close(model.saliency(x, [2, 1])[1:], model.saliency(x[1:], 1))


def test_one_output_has_two_labels_and_vectors_have_a_saliency() -> None:
    model = cr.Sequential([cr.Dense(5), cr.Tanh(), cr.Dense(1), cr.Sigmoid()], (6,), engine="numpy", dtype="float64")
    x = np.random.default_rng(0).normal(size=(3, 6))

    def score(values: np.ndarray) -> np.ndarray:
        p = model.predict(values)[:, 0]
        return np.log(p / (1 - p))

    expected = np.abs(numerical(score, x))
    for label in (None, 0, 1):
        assert_close(model.saliency(x, label), expected, error=1e-9)


def test_grad_cam_of_a_pooled_network_is_its_class_activation_map() -> None:
    """After a global mean, score = Σ w[k] mean(A[k]) + b, so that α = w / (H W): Zhou's class activation map."""
    model, x = network(cr.ReLU(), cr.GlobalAveragePool2D(), cr.Dense(4), cr.Softmax()), images(3)
    maps = cr.Sequential(model.layers[:6], SHAPE, engine="numpy", dtype="float64")
    maps.set_weights({name: model.weights[name] for name in maps.weights})
    features = maps.predict(x)
    for label in range(4):
        expected = np.einsum("k,nkij->nij", model.weights["dense1.w"][label], features) / features[0, 0].size
        assert_close(model.grad_cam(x, label), np.maximum(expected, 0))
        np.testing.assert_array_equal(model.grad_cam(x, label, "relu1"), model.grad_cam(x, label))
    assert model.grad_cam(x, 0, "conv1").shape == (3, 7, 6)
    assert model.grad_cam(x, 0, "conv1").any()


def test_branches_add_their_gradients() -> None:
    x = cr.Input((2, 5, 4))
    inner = cr.Tanh()(cr.Conv2D(2, 3, padding="same")(x))
    both = cr.Add()(inner, cr.Conv2D(2, 1)(inner))
    model = cr.Graph(x, cr.Dense(3)(cr.Flatten()(both)), engine="numpy", dtype="float64")
    values = np.random.default_rng(2).normal(size=(2, 2, 5, 4))
    expected = np.abs(numerical(lambda v: model.predict(v)[:, 1], values)).max(1)
    assert_close(model.saliency(values, 1), expected, error=1e-9)


def test_the_same_as_pytorch_with_hooks() -> None:
    """Copy a network of convolutions, batch normalization and pooling, and record a layer's maps and gradients."""
    torch = pytest.importorskip("torch")
    model, x = network(cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(3), cr.Softmax(), seed=3), images(2, seed=4)
    weights = {name: torch.tensor(values) for name, values in model.weights.items()}
    conv1, norm, conv2 = (
        torch.nn.Conv2d(2, 4, (3, 2)),
        torch.nn.BatchNorm2d(4),
        torch.nn.Conv2d(4, 3, 2, stride=2),
    )
    dense = torch.nn.Linear(weights["dense1.w"].shape[1], 3)
    for layer, name in ((conv1, "conv1"), (conv2, "conv2"), (dense, "dense1")):
        layer.load_state_dict({"weight": weights[f"{name}.w"], "bias": weights[f"{name}.b"]}, assign=True)
    statistics = {"weight": "gamma", "bias": "beta", "running_mean": "running_mean", "running_var": "running_variance"}
    norm.load_state_dict({key: weights[f"norm1.{name}"] for key, name in statistics.items()}, strict=False, assign=True)
    parts = [conv1, norm, torch.nn.Tanh(), torch.nn.Dropout(0.5), conv2, torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
    theirs = torch.nn.Sequential(*parts, torch.nn.Flatten(), dense).double().eval()
    kept: dict[str, np.ndarray] = {}
    conv2.register_forward_hook(lambda _, __, output: kept.update(maps=output.detach().numpy()))
    conv2.register_full_backward_hook(lambda _, __, gradients: kept.update(gradient=gradients[0].numpy()))
    inputs = torch.tensor(x, requires_grad=True)
    theirs(inputs)[:, 2].sum().backward()
    assert_close(model.saliency(x, 2), inputs.grad.abs().amax(1).numpy())
    expected = np.maximum((kept["gradient"].mean((2, 3), keepdims=True) * kept["maps"]).sum(1), 0)
    assert_close(model.grad_cam(x, 2, "conv2"), expected)


def test_what_cannot_be_shown() -> None:
    model, x = network(*ENDINGS["softmax"], classes=("ant", "bee", "cat")), images(1)
    np.testing.assert_array_equal(model.saliency(x, "bee"), model.saliency(x, 1))
    refused = [
        (lambda: model.saliency(x, "dog"), "dog"),
        (lambda: model.saliency(x, 3), "from 0 to 2"),
        (lambda: model.saliency(x, [0, 1]), "2 labels for 1 samples"),
        (lambda: model.saliency(x, 1.5), "index or the name"),
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
