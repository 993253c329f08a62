"""Gradients of whole networks: by finite differences, and equal on every engine, thread count and batch size."""

import numpy as np
import pytest
from training.networks import NETWORKS, Array, batch, build

from chainrule import layers as cr
from chainrule.engines.interpreter import Interpreter
from chainrule.layers import Layer
from chainrule.layers.activations import ELEMENTWISE, EXAMPLES, PARTIAL
from chainrule.models.network import Network
from chainrule.training import losses

SEED, STEP = 9, 4  # of dropout

SMALL: dict[str, tuple[list[Layer], tuple[int, ...]]] = {
    "valid": ([cr.Conv2D(3, (3, 2)), cr.Tanh()], (2, 5, 4)),
    "same": ([cr.Conv2D(3, (2, 3), padding="same"), cr.Tanh()], (2, 4, 3)),
    "full": ([cr.Conv2D(2, (2, 3), padding="full"), cr.Tanh()], (3, 3, 4)),
    "strided": ([cr.Conv2D(3, (2, 3), stride=(2, 3), padding=((1, 0), (0, 2))), cr.Tanh()], (2, 6, 7)),
    "strided same": ([cr.Conv2D(3, 3, stride=2, padding="same"), cr.Tanh()], (2, 5, 6)),
    "dilated": ([cr.Conv2D(2, (2, 3), dilation=(3, 2)), cr.Tanh()], (3, 5, 6)),
    "grouped": ([cr.Conv2D(6, (2, 3), groups=2, stride=(1, 2)), cr.Tanh()], (4, 4, 5)),
    "depthwise": ([cr.Conv2D(4, 2, groups=4, padding=1), cr.Tanh()], (4, 3, 4)),
    "untied": ([cr.Conv2D(3, (3, 2), bias="untied"), cr.Tanh()], (2, 4, 5)),
    "without bias": ([cr.Conv2D(3, (3, 2), bias=False), cr.Tanh()], (2, 4, 5)),
    "convolution": ([cr.Conv2D(3, (3, 2), convolution=True, padding=(1, 0), stride=(2, 1)), cr.Tanh()], (2, 4, 5)),
    "line": ([cr.Conv1D(3, 3, stride=2, padding=1, dilation=2), cr.Tanh()], (2, 9)),
    "line untied": ([cr.Conv1D(3, 2, bias="untied", convolution=True, padding="same"), cr.Tanh()], (2, 5)),
    "transposed": ([cr.ConvTranspose2D(2, (3, 2), stride=(2, 3)), cr.Tanh()], (3, 3, 2)),
    "transposed same": ([cr.ConvTranspose2D(2, 3, stride=(2, 1), padding="same"), cr.Tanh()], (3, 3, 2)),
    "transposed, output padded": (
        [cr.ConvTranspose2D(4, (3, 2), stride=2, padding=((1, 0), (0, 1)), output_padding=1, groups=2), cr.Tanh()],
        (2, 2, 3),
    ),
    "transposed untied": ([cr.ConvTranspose2D(2, 2, dilation=(2, 1), bias="untied"), cr.Tanh()], (2, 2, 3)),
    "transposed without bias": ([cr.ConvTranspose2D(2, 2, bias=False), cr.Tanh()], (2, 2, 3)),
    "max pool": ([cr.Conv2D(2, 2), cr.MaxPool2D(3, stride=2, padding=1), cr.Tanh()], (2, 6, 5)),
    "max pool line": ([cr.Conv1D(2, 2), cr.MaxPool1D(3, stride=2), cr.Tanh()], (2, 10)),
    "average pool": ([cr.Conv2D(2, 2), cr.AveragePool2D((3, 2), stride=(2, 1), padding=1), cr.Tanh()], (2, 6, 5)),
    "average pool, counted": (
        [cr.Conv2D(2, 2), cr.AveragePool2D(2, padding=1, count_padding=True), cr.Tanh()],
        (2, 6, 5),
    ),
    "average pool line": ([cr.Conv1D(2, 2), cr.AveragePool1D(3, stride=2, padding=1), cr.Tanh()], (2, 10)),
    "max pool, rounded up": ([cr.Conv2D(2, 2), cr.MaxPool2D(2, ceil_mode=True), cr.Tanh()], (2, 6, 4)),
    "average pool, rounded up": (
        [cr.Conv2D(2, 2), cr.AveragePool2D(3, stride=2, padding=1, ceil_mode=True, count_padding=True), cr.Tanh()],
        (2, 5, 7),
    ),
    "sum pool": ([cr.Conv2D(2, 2), cr.SumPool2D(2, stride=1), cr.Tanh()], (2, 5, 4)),
    "sum pool line": ([cr.Conv1D(2, 2), cr.SumPool1D(2), cr.Tanh()], (2, 8)),
    "global pool": ([cr.Conv2D(3, 2), cr.Sigmoid(), cr.GlobalAveragePool2D()], (2, 5, 4)),
    "global pool line": ([cr.Conv1D(3, 2), cr.Sigmoid(), cr.GlobalAveragePool1D()], (2, 6)),
    "global max": ([cr.Conv2D(3, 2), cr.Sigmoid(), cr.GlobalMaxPool2D()], (2, 5, 4)),
    "global max line": ([cr.Conv1D(3, 2), cr.Sigmoid(), cr.GlobalMaxPool1D()], (2, 6)),
    "batch norm line": ([cr.Conv1D(3, 2), cr.BatchNorm1D(), cr.Tanh()], (2, 6)),
    "batch norm": ([cr.Conv2D(3, 2), cr.BatchNorm2D(), cr.Tanh()], (2, 4, 5)),
    "batch norm of a vector": ([cr.Flatten(), cr.Dense(4), cr.BatchNorm2D(epsilon=1e-3), cr.Tanh()], (2, 2, 3)),
    "group norm": ([cr.Conv2D(4, 2), cr.GroupNorm(2), cr.Tanh()], (2, 4, 5)),
    "group norm of a vector": ([cr.Flatten(), cr.Dense(6), cr.GroupNorm(2, epsilon=1e-3), cr.Tanh()], (2, 2, 3)),
    "instance norm": ([cr.Conv2D(3, 2), cr.InstanceNorm2D(), cr.Tanh()], (2, 4, 5)),
    "layer norm": ([cr.Conv2D(3, 2), cr.LayerNorm(), cr.Tanh()], (2, 4, 5)),
    "layer norm of a vector": ([cr.Flatten(), cr.Dense(6), cr.LayerNorm(), cr.Tanh()], (2, 2, 3)),
    "parametric relu": ([cr.Conv2D(3, 2), cr.PReLU(), cr.Dropout(0.2), cr.PReLU()], (2, 4, 5)),
    "parametric relu of a vector": ([cr.Flatten(), cr.Dense(5), cr.PReLU()], (2, 2, 3)),
    "response norm": ([cr.Conv2D(4, 2), cr.LocalResponseNorm(3, alpha=0.5), cr.Tanh()], (2, 4, 5)),
    "response norm line": ([cr.Conv1D(4, 2), cr.LocalResponseNorm(3, alpha=0.5, beta=0.6, k=2.0), cr.Tanh()], (2, 6)),
    "dropout": ([cr.Conv2D(3, 2), cr.Dropout(0.4), cr.Tanh(), cr.Dropout(0.2)], (2, 4, 5)),
    "padded": ([cr.Conv2D(2, 2), cr.Pad2D(((1, 0), (2, 1))), cr.Conv2D(2, 2), cr.Tanh()], (2, 4, 5)),
    "a part": ([cr.Conv2D(4, 2), cr.Slice(0, 1, 3), cr.Slice(1, 1), cr.Tanh()], (2, 5, 5)),
    "cropped": ([cr.Conv2D(2, 2), cr.Crop2D(((1, 0), (0, 2))), cr.Tanh()], (2, 5, 5)),
    "adaptive pool": ([cr.Conv2D(2, 2), cr.AdaptiveAveragePool2D((3, 2)), cr.Tanh()], (2, 5, 6)),
    "upsampled": (
        [cr.Conv2D(2, 2), cr.UpSample2D((1, 2)), cr.UpSample2D((2, 1), mode="bilinear"), cr.Conv2D(2, 2), cr.Tanh()],
        (2, 3, 4),
    ),
    "resampled": (
        [
            cr.Conv2D(2, 2),
            cr.Resample2D((4, 3), (-1, 3, 1), (2, 0, 3)),
            cr.Resample2D((3, 5), (2, 0, 3), (1, 1, 2), mode="bilinear"),
            cr.Tanh(),
        ],
        (2, 5, 4),
    ),
    "constants": ([cr.FixedAffine("element"), cr.Conv2D(3, 2), cr.FixedAffine(), cr.Tanh()], (2, 4, 5)),
    "shuffled": (
        [
            cr.Conv2D(4, 2),
            cr.Reshape((2, 2, 12)),
            cr.Permute((1, 0, 2)),
            cr.Reshape((4, 3, 4)),
            cr.Conv2D(2, 2),
            cr.Tanh(),
        ],
        (2, 4, 5),
    ),
    "dense": ([cr.Flatten(), cr.Dense(5), cr.Tanh(), cr.Dense(4, bias=False), cr.Sigmoid()], (2, 2, 3)),
    "reshape": ([cr.Reshape((3, 8)), cr.Conv1D(2, 3), cr.Reshape((2, 2, 3)), cr.Conv2D(2, 2), cr.Tanh()], (2, 3, 4)),
    **{name: ([cr.Conv2D(3, 2), layers[-1]], (2, 3, 4)) for name, layers in EXAMPLES.items()},
    **{name: ([cr.Conv2D(3, 2), cr.Softplus(), ELEMENTWISE[name]()], (2, 3, 4)) for name in PARTIAL},
    "softmax inside": ([cr.Flatten(), cr.Dense(5), cr.Softmax()], (2, 3, 4)),
    "logarithm of softmax inside": ([cr.Flatten(), cr.Dense(5), cr.LogSoftmax()], (2, 3, 4)),
}
ENDINGS: dict[str, list[Layer]] = {
    "half_squared_error": [],
    "mean_squared_error": [cr.Tanh()],
    "mean_absolute_error": [],
    "huber": [],
    "binary_cross_entropy": [cr.Sigmoid()],
    "categorical_cross_entropy": [cr.Softmax()],
    "softmax_cross_entropy": [],
    "binary_focal_cross_entropy": [cr.Sigmoid()],
    "categorical_focal_cross_entropy": [cr.Softmax()],
    "dice": [cr.Sigmoid()],
    "categorical_cross_entropy on a sigmoid": [cr.Sigmoid()],
    "half_squared_error on a softmax": [cr.Softmax()],
    "dice on a softmax": [cr.Softmax()],
}


def small(parts: list[Layer], shape: tuple[int, ...], engine: str) -> Network:
    network = Network([*parts, cr.Flatten(), cr.Dense(3)], shape, dtype="float64", seed=1, engine=engine)
    network.parameters += np.random.default_rng(2).normal(scale=0.3, size=network.parameters.shape)
    network.statistics += np.random.default_rng(4).normal(scale=0.3, size=network.statistics.shape)  # and constants
    return network


def data(shape: tuple[int, ...], count: int) -> tuple[Array, Array]:
    generator = np.random.default_rng(3)
    return generator.normal(size=(count, *shape)), np.eye(3)[generator.integers(0, 3, count)]


def by_numbers(network: Network, loss: str, x: Array, t: Array, h: float = 1e-6) -> Array:
    """Compute central differences of the mean loss for every parameter."""
    walk = network.compile(network.plan(loss))
    gradient = np.empty_like(network.parameters)
    for place in range(gradient.size):
        before, ends = network.parameters[place], []
        for value in (before + h, before - h):
            network.parameters[place] = value
            ends.append(walk.gradients(x, t, seed=SEED, step=STEP)[0].mean())
        network.parameters[place] = before
        gradient[place] = (ends[0] - ends[1]) / (2 * h)
    return gradient


def check(network: Network, loss: str, x: Array, t: Array) -> None:
    found = network.compile(network.plan(loss)).gradients(x, t, seed=SEED, step=STEP)[2].copy()
    expected = by_numbers(network, loss, x, t)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=2e-9 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("name", SMALL)
def test_every_layer_by_numbers(name: str) -> None:
    parts, shape = SMALL[name]
    check(small(parts, shape, "numpy"), "half_squared_error", *data(shape, 3))


@pytest.mark.parametrize("name", ENDINGS)
def test_every_loss_by_numbers(name: str) -> None:
    network = Network([cr.Dense(4), cr.Tanh(), cr.Dense(3), *ENDINGS[name]], (5,), dtype="float64", engine="numpy")
    check(network, name.split(" ")[0], *data((5,), 4))


def test_nothing_is_left_out() -> None:
    kinds = {type(part).__name__ for parts, _ in SMALL.values() for part in parts}
    assert kinds == set(cr.IN_A_ROW)
    assert {name.split(" ")[0] for name in ENDINGS} == set(losses.NAMES)


@pytest.mark.parametrize("name", SMALL)
def test_numpy_gives_the_gradients_of_the_reference(name: str) -> None:
    parts, shape = SMALL[name]
    x, t = data(shape, 3)
    results = []
    for engine in ("reference", "numpy"):
        network = small(parts, shape, engine)
        found = network.compile(network.plan("half_squared_error")).gradients(x, t, seed=SEED, step=STEP)
        results.append([array.copy() for array in found])
    for expected, found in zip(*results, strict=True):
        assert_close(found, expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_whole_networks_by_numbers(name: str) -> None:
    check(build(name, "numpy"), NETWORKS[name][2], *batch(name, 3))


# ---------------------------------------------------------------------- engines

COUNTS = (1, 2, 5, 33)


def assert_close(found: Array, expected: Array) -> None:
    scale = max(np.abs(expected).max(initial=0.0), 1e-300)
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-12)


def run(network: Network, name: str, count: int) -> list[Array]:
    """Return losses, hits, gradient, running statistics, and inference outputs."""
    network.statistics[:] = build(name, "numpy").statistics
    x, t = batch(name, count)
    walk = network.compile(network.plan(NETWORKS[name][2]))
    found = [array.copy() for array in walk.gradients(x, t, seed=SEED, step=STEP)]
    walk.commit_statistics()
    return [*found, network.statistics.copy()]


@pytest.fixture(scope="module")
def expected() -> dict[tuple[str, int], list[Array]]:
    """Compute the same with the reference loops. Batches of one have no unbiased variance: batch norm starts at two."""
    return {
        (name, count): run(build(name, "reference"), name, count)
        for name in NETWORKS
        for count in COUNTS
        if count > 1 or name != "pictures"
    }


@pytest.mark.parametrize(
    ("engine", "threads", "name"),
    [("numpy", 1, name) for name in NETWORKS]
    + [("compiled", threads, "pictures") for threads in (1, 2, 3)]  # serial and parallel: two programs to compile
    + [("compiled", 2, name) for name in NETWORKS if name != "pictures"],
)
def test_engines_agree_at_every_batch_size(
    engine: str, threads: int, name: str, expected: dict[tuple[str, int], list[Array]]
) -> None:
    network = build(name, engine, threads)
    for count in COUNTS:
        if (name, count) not in expected or (name != "pictures" and engine == "compiled" and count < threads):
            continue
        found = run(network, name, count)
        for ours, reference in zip(found, expected[name, count], strict=True):
            assert_close(ours, reference)
        again = run(network, name, count)
        assert [array.tobytes() for array in again] == [array.tobytes() for array in found]


@pytest.mark.parametrize("name", ["pictures", "lines"])
def test_one_pass_takes_batches_of_changing_size(name: str, expected: dict[tuple[str, int], list[Array]]) -> None:
    network = build(name, "compiled", 2)
    walk = network.compile(network.plan(NETWORKS[name][2]))
    for count in (33, 5, 2, 33, 5):
        loss, _, gradient = walk.gradients(*batch(name, count), seed=SEED, step=STEP)
        assert_close(loss, expected[name, count][0])
        assert_close(gradient, expected[name, count][2])


@pytest.mark.parametrize("name", ["pictures"])
def test_float32_is_near(name: str, expected: dict[tuple[str, int], list[Array]]) -> None:
    network = build(name, "numpy", 1, "float32")
    x, t = batch(name, 33, "float32")
    gradient = network.compile(network.plan(NETWORKS[name][2])).gradients(x, t, seed=SEED, step=STEP)[2]
    assert gradient.dtype == np.float32
    scale = np.abs(expected[name, 33][2]).max()
    np.testing.assert_allclose(gradient / scale, expected[name, 33][2] / scale, rtol=0, atol=2e-5)


def test_inputs_are_left_as_they_are() -> None:
    for engine in ("numpy", "compiled"):
        network = build("pictures", engine, 2)
        x, t = batch("pictures", 5)
        before = [array.tobytes() for array in (x, t, network.parameters, network.statistics)]
        network.compile(network.plan(NETWORKS["pictures"][2])).gradients(x, t, seed=SEED, step=STEP)
        assert [array.tobytes() for array in (x, t, network.parameters, network.statistics)] == before


def test_dropout_depends_on_seed_and_step_and_not_on_the_engine() -> None:
    network = build("lines", "numpy")
    x, t = batch("lines", 5)
    walk = Interpreter(network.engine, network.plan(NETWORKS["lines"][2]), network.layout, network)
    masks = {}
    for seed, step in [(0, 1), (0, 2), (1, 1), (0, 1)]:
        walk.gradients(x, t, seed=seed, step=step)
        mask = (walk.values["dropout1.y"] != 0).tobytes()
        assert masks.setdefault((seed, step), mask) == mask
    assert len(set(masks.values())) == 3
