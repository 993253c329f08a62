"""Layers: shapes, parameters, errors, and that they emit the reference's operations with the right attributes."""

import numpy as np
import pytest
from scipy.signal import convolve2d, correlate2d

import chainrule as cr
from chainrule import layers
from chainrule.layers.activations import EXAMPLES
from chainrule.models.network import Network
from chainrule.operations import reference


def applied(layer: layers.Layer, x: np.ndarray, engine: str = "reference") -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Apply a layer alone, as a network in float64, to a batch; return its output and its weights."""
    network = Network([layer], x.shape[1:], dtype="float64", seed=3, engine=engine)
    rng = np.random.default_rng(5)
    network.parameters[:] = rng.standard_normal(network.parameters.size)
    return network.apply(x), network.weights


@pytest.mark.parametrize("mode", ["valid", "same", "full"])
@pytest.mark.parametrize("rotated", [False, True])
def test_padding_modes_are_scipys(mode: str, rotated: bool) -> None:
    x = np.random.default_rng(0).standard_normal((2, 1, 7, 6))
    y, weights = applied(layers.Conv2D(1, (3, 5), padding=mode, bias=False, convolution=rotated), x)
    slide = convolve2d if rotated else correlate2d
    for picture, result in zip(x[:, 0], y[:, 0], strict=True):
        np.testing.assert_allclose(result, slide(picture, weights["conv1.w"][0, 0], mode), atol=1e-12)


def test_the_tutorials_worked_example() -> None:
    """The Independent Code: 3×3 by 2×2 → 8 7 / 4 5; rotated, the first cell is 7."""
    x = np.array([[1.0, 6, 2], [5, 3, 1], [7, 0, 4]]).reshape(1, 1, 3, 3)
    for rotated, expected in ((False, [[8.0, 7], [4, 5]]), (True, None)):
        network = Network([layers.Conv2D(1, 2, bias=False, convolution=rotated)], (1, 3, 3), dtype="float64")
        network.parameters[:] = [1, 2, -1, 0]
        y = network.apply(x)[0, 0]
        assert y[0, 0] == 7 if rotated else (y == expected).all()


@pytest.mark.parametrize(
    ("layer", "shape", "gives"),
    [
        (layers.Conv2D(8, 5), (1, 28, 28), (8, 24, 24)),
        (layers.Conv2D(4, 3, stride=2, padding="same"), (3, 7, 8), (4, 4, 4)),
        (layers.Conv2D(4, 3, padding=((1, 0), (2, 1)), dilation=2), (2, 9, 9), (4, 6, 8)),
        (layers.Conv2D(4, (3, 2), padding="full"), (2, 5, 5), (4, 7, 6)),
        (layers.Conv1D(4, 3, stride=2), (2, 9), (4, 4)),
        (layers.ConvTranspose2D(4, 3, stride=2), (2, 5, 5), (4, 11, 11)),
        (layers.ConvTranspose2D(4, 3, stride=2, padding="same"), (2, 5, 5), (4, 10, 10)),
        (layers.ConvTranspose2D(4, 3, stride=2, padding=1, output_padding=1), (2, 5, 5), (4, 10, 10)),
        (layers.MaxPool2D(3, stride=2), (2, 9, 8), (2, 4, 3)),
        (layers.AveragePool2D((2, 3)), (2, 9, 9), (2, 4, 3)),
        (layers.SumPool1D(3, stride=1, padding=1), (2, 9), (2, 9)),
        (layers.MaxPool2D((3, 2), stride=2, ceil_mode=True), (2, 8, 5), (2, 4, 3)),
        (layers.AveragePool2D(3, stride=2, padding=1, ceil_mode=True, count_padding=True), (2, 4, 6), (2, 3, 4)),
        (layers.GlobalAveragePool2D(), (5, 4, 3), (5,)),
        (layers.GlobalAveragePool1D(), (5, 7), (5,)),
        (layers.GlobalMaxPool2D(), (5, 4, 3), (5,)),
        (layers.GlobalMaxPool1D(), (5, 7), (5,)),
        (layers.Pad2D(((1, 0), (2, 3))), (5, 4, 3), (5, 5, 8)),
        (layers.Pad2D((1, 2)), (5, 4, 3), (5, 6, 7)),
        (layers.Crop2D(((1, 0), (0, 1))), (5, 4, 3), (5, 3, 2)),
        (layers.Crop2D(1), (5, 4, 3), (5, 2, 1)),
        (layers.AdaptiveAveragePool2D((2, 5)), (5, 3, 4), (5, 2, 5)),
        (layers.UpSample2D((2, 3)), (5, 4, 3), (5, 8, 9)),
        (layers.UpSample2D(2, mode="bilinear"), (5, 4, 3), (5, 8, 6)),
        (layers.Permute((1, 2, 0)), (5, 4, 3), (4, 3, 5)),
        (layers.Permute((1, 0)), (5, 4), (4, 5)),
        (layers.Flatten(), (5, 4, 3), (60,)),
        (layers.Reshape((3, 20)), (5, 4, 3), (3, 20)),
        (layers.BatchNorm2D(), (5, 4, 3), (5, 4, 3)),
        (layers.BatchNorm1D(), (5, 7), (5, 7)),
        (layers.BatchNorm1D(), (5,), (5,)),
        (layers.GroupNorm(2), (6, 4, 3), (6, 4, 3)),
        (layers.GroupNorm(3), (6, 4), (6, 4)),
        (layers.InstanceNorm2D(), (5, 4, 3), (5, 4, 3)),
        (layers.LayerNorm(), (5, 4, 3), (5, 4, 3)),
        (layers.LayerNorm(), (5,), (5,)),
        (layers.PReLU(), (5, 4, 3), (5, 4, 3)),
        (layers.PReLU(), (5,), (5,)),
        (layers.LocalResponseNorm(3), (5, 4, 3), (5, 4, 3)),
        (layers.Dense(7), (9,), (7,)),
    ],
    ids=lambda value: value.describe() if isinstance(value, layers.Layer) else None,
)
def test_output_shapes_are_those_of_the_numbers(layer: layers.Layer, shape: tuple, gives: tuple) -> None:
    assert layer.output_shape(shape, "layer") == gives
    y, _ = applied(layer, np.random.default_rng(1).standard_normal((2, *shape)))
    assert y.shape == (2, *gives)


@pytest.mark.parametrize("layer", [layers.ConvTranspose2D(4, (3, 2), stride=(2, 3), padding=(1, 0), groups=2)])
def test_transposed_convolution_is_the_adjoint_of_the_convolution(layer: layers.ConvTranspose2D) -> None:
    """⟨C x, y⟩ = ⟨x, Cᵀ y⟩ with the same kernel, biases aside."""
    rng = np.random.default_rng(2)
    up = rng.standard_normal((2, 2, 4, 5))
    spread, weights = applied(layer, up)
    spread = spread - weights["convt1.b"][:, None, None]
    down = rng.standard_normal(spread.shape)
    options = {"stride": (2, 3), "padding": ((1, 1), (0, 0)), "groups": 2}
    back = reference.cross_correlate(down, weights["convt1.w"], **options)
    np.testing.assert_allclose(np.vdot(spread, down), np.vdot(up, back), rtol=1e-12)


def test_one_dimension_is_a_picture_of_height_one() -> None:
    x = np.random.default_rng(3).standard_normal((2, 3, 11))
    y, weights = applied(layers.Conv1D(4, 3, stride=2, padding="same", dilation=2), x)
    w = weights["conv1.w"]
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2)))
    for n, o, i in np.ndindex(*y.shape):
        taps = padded[n, :, 2 * i : 2 * i + 5 : 2]
        np.testing.assert_allclose(y[n, o, i], (taps * w[o]).sum() + weights["conv1.b"][o], atol=1e-12)


LINES = [layers.Conv1D(4, 3), layers.BatchNorm1D(momentum=1.0), layers.Tanh(), layers.Conv1D(3, 2, padding="same")]


@pytest.mark.parametrize("engine", ["compiled", "numpy", "reference"])
@pytest.mark.parametrize(("last", "numpy"), [(layers.GlobalAveragePool1D, np.mean), (layers.GlobalMaxPool1D, np.max)])
def test_a_network_over_lines_normalizes_and_pools_like_numpy(engine: str, last, numpy) -> None:
    """Use the batch in training and the running statistics in inference; with momentum 1 they are the batch's."""
    x = np.random.default_rng(4).standard_normal((6, 2, 11))
    network = Network([*LINES, last()], (2, 11), dtype="float64", engine=engine, seed=2)
    weights = network.weights
    weights["norm1.gamma"][:], weights["norm1.beta"][:] = [1.5, -2, 0.5, 3], [0.1, -0.2, 0.3, 0]

    def lines(given: np.ndarray, layer: layers.Layer, name: str) -> np.ndarray:
        alone = Network([layer], given.shape[1:], dtype="float64", engine="reference")
        alone.set_weights({f"conv1.{part}": weights[f"{name}.{part}"] for part in ("w", "b")})
        return alone.apply(given)

    made = lines(x, LINES[0], "conv1")
    mean, variance = made.mean((0, 2)), made.var((0, 2), ddof=1)
    scale = weights["norm1.gamma"] / np.sqrt(made.var((0, 2)) + 1e-5)
    normal = (made - mean[:, None]) * scale[:, None] + weights["norm1.beta"][:, None]
    expected = numpy(lines(np.tanh(normal), LINES[3], "conv2"), axis=2)

    run = network.compile(network.plan("half_squared_error"))
    t = np.random.default_rng(5).standard_normal((6, 3))
    losses, _, _ = run.gradients(x, t, seed=0, step=1)
    np.testing.assert_allclose(losses, ((expected - t) ** 2).sum(1) / 2, rtol=1e-10)
    run.commit_statistics()
    np.testing.assert_allclose(weights["norm1.running_mean"], mean, rtol=1e-10)
    np.testing.assert_allclose(weights["norm1.running_variance"], variance, rtol=1e-10)

    scale = weights["norm1.gamma"] / np.sqrt(variance + 1e-5)
    normal = (made - mean[:, None]) * scale[:, None] + weights["norm1.beta"][:, None]
    expected = numpy(lines(np.tanh(normal), LINES[3], "conv2"), axis=2)
    np.testing.assert_allclose(network.apply(x), expected, rtol=1e-10)


def test_untied_bias_has_one_number_an_output_position() -> None:
    x = np.random.default_rng(3).standard_normal((2, 1, 6, 5))
    y, weights = applied(layers.Conv2D(3, 3, bias="untied"), x)
    assert weights["conv1.b"].shape == (3, 4, 3)
    plain = reference.cross_correlate(x, weights["conv1.w"])
    np.testing.assert_allclose(y, plain + weights["conv1.b"], atol=1e-12)


EVERY = [
    layers.Conv2D(4, (3, 2), stride=(1, 2), padding=((1, 0), (2, 1)), dilation=(2, 1), groups=2, bias="untied"),
    layers.Conv2D(2, 3, padding="same", convolution=True, initializer="normal:0.1"),
    layers.Conv1D(2, 3, padding=1),
    layers.ConvTranspose2D(2, 3, stride=2, output_padding=1),
    layers.MaxPool2D((3, 2), stride=1, padding=1),
    layers.AveragePool2D(2, count_padding=True),
    layers.AveragePool2D(3, stride=2, padding=1, ceil_mode=True, count_padding=True),
    layers.MaxPool1D(3, stride=2, padding=1, ceil_mode=True),
    layers.Reshape((2, 3)),
    layers.Pad2D(((1, 0), (2, 3))),
    layers.Crop2D((1, 2)),
    layers.Permute((2, 0, 1)),
    layers.AdaptiveAveragePool2D((7, 6)),
    layers.UpSample2D(3),
    layers.UpSample2D((2, 1), mode="bilinear"),
    layers.BatchNorm2D(momentum=0.2),
    *(layer for examples in EXAMPLES.values() for layer in examples),
    layers.Dropout(0.25),
    layers.Dense(3, bias=False),
    layers.GlobalAveragePool2D(),
    layers.GlobalAveragePool1D(),
    layers.GlobalMaxPool2D(),
    layers.GlobalMaxPool1D(),
    layers.BatchNorm1D(momentum=0.3, epsilon=0.01),
    layers.GroupNorm(2, epsilon=0.01),
    layers.InstanceNorm2D(epsilon=0.01),
    layers.LayerNorm(epsilon=0.01),
    layers.PReLU(),
    layers.LocalResponseNorm(5, alpha=2e-4, beta=0.5, k=2.0),
]


@pytest.mark.parametrize("layer", EVERY, ids=lambda layer: layer.describe())
def test_config_round_trip_through_json(layer: layers.Layer) -> None:
    import json

    assert layers.from_config(json.loads(json.dumps(layer.to_config()))) == layer
    assert eval(layer.describe(), vars(layers)) == layer  # summary() shows what one would write


def test_unknown_layers_and_options_in_a_file_are_named() -> None:
    with pytest.raises(cr.ChainruleError, match="unknown layer 'Conv9D'"):
        layers.from_config({"layer": "Conv9D"})
    with pytest.raises(cr.ChainruleError, match="unknown layer None"):
        layers.from_config({"features": 3})
    with pytest.raises(cr.ChainruleError, match="Dense"):
        layers.from_config({"layer": "Dense", "features": 3, "colour": "red"})


def test_numbers_of_numpy_and_lists_are_taken_as_pythons() -> None:
    layer = layers.Conv2D(np.int64(8), [np.int32(3), 5], padding=[[1, 0], [2, 1]], bias=np.True_)
    assert layer == layers.Conv2D(8, (3, 5), padding=((1, 0), (2, 1)))
    assert type(layer.filters) is int
