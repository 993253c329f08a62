"""Every layer with drawn options, and drawn networks of them, as ONNX Runtime computes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_networks import LAYERS, OF_POSITIVE, draw_network, fitting
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from interop.onnx_files import agree, check, difference, exported, newest_opset
from interop.onnx_models import ours
from selection import draws

import chainrule as cr
from chainrule.interop.onnx.graph_writer import MIN_OPSET
from chainrule.interop.onnx.messages import MAX_OPSET
from chainrule.interop.onnx.operators import OPERATORS, READERS
from chainrule.layers import Add, Layer, Maximum, Minimum, Multiply
from chainrule.layers.merging import Merge
from chainrule.network.network import Network

COUNT = 12
UNCHANGED = {"Identity", "Reshape", "Flatten", "Transpose"}
Seed = int | np.random.Generator


def network_of(layer: Layer, shape: tuple[int, ...], draw: np.random.Generator) -> Network:
    """Return a network of one layer, with parameters and running statistics different from 0 and 1."""
    network = Network([layer], shape, engine="numpy", threads=1)
    network.parameters += draw.normal(scale=0.5, size=network.parameters.shape).astype(np.float32)
    network.statistics += draw.uniform(0, 0.5, network.statistics.shape).astype(np.float32)
    return network


def batch(seed: Seed, shape: tuple[int, ...], count: int = 3) -> Any:
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


def comes_back(network: Network, x: Any, folder: Path) -> None:
    expected = network.apply(x)
    assert difference(ours(folder, exported(network)).apply(x).reshape(expected.shape), expected) <= 1e-5


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer(name: str, tmp_path: Path) -> None:
    """It is computed alike, written with the operators that the table lists for its operations, and read again."""
    for number in range(COUNT):
        draw = np.random.default_rng([number, len(name)])
        layer, shape = fitting(draw, name)
        network, x = network_of(layer, shape, draw), batch(draw, shape)
        x = np.abs(x) + np.float32(0.1) if name in OF_POSITIVE else x
        agree(network, x)
        comes_back(network, x, tmp_path)
        start = cr.Input((2,))
        y = cr.Flatten()(layer(cr.Softplus()(cr.FixedValue(shape)(start))))
        branched = cr.Graph(start, cr.Concatenate()(cr.Dense(3)(start), y), engine="numpy")
        branched.parameters += draw.normal(size=branched.parameters.shape).astype(np.float32)
        comes_back(branched, batch(draw, (2,)), tmp_path)
        written = {node.op_type for node in check(exported(network)).graph.node}
        assert written <= READERS.keys() | {"Shape"}
        if name == "FakeQuantize" or written == {"Identity"}:  # written as its formula; a crop of nothing
            continue
        for operation in network.plan().forward:
            assert written & {operator.name for operator in OPERATORS.values() if operation.name in operator.write}


@pytest.mark.filterwarnings("ignore::chainrule.errors.ChannelOrderWarning")  # of a drawn shape
@settings(max_examples=draws(20))
@given(st.integers(0, 2**32), st.integers(MIN_OPSET, MAX_OPSET))
def test_a_drawn_network_in_a_drawn_opset(number: int, opset: int) -> None:
    drawn = draw_network(3, number, ("float32",))
    network, x = drawn.build("numpy"), drawn.x[:3].astype(np.float32)
    try:
        with np.errstate(over="raise", invalid="raise"):
            assume(np.isfinite(network.apply(x)).all())
    except FloatingPointError:  # exponentials of exponentials, and their squares, may overflow
        reject()
    agree(network, x, min(max(opset, lowest(network)), newest_opset()))


@settings(max_examples=draws(8))
@given(number=st.integers(0, 2**32))
def test_every_opset_has_the_same_nodes(number: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """So what ONNX Runtime computes in one opset stands for those that it does not know yet. They are read again."""
    drawn = draw_network(4, number, ("float32", "float64"))
    network = drawn.build("numpy")
    graphs = [check(exported(network, opset=opset)).graph for opset in range(lowest(network), MAX_OPSET + 1)]
    assert all(graph == graphs[0] for graph in graphs)
    assume({node.op_type for node in graphs[0].node} - UNCHANGED)  # else there would be no layer
    comes_back(network, drawn.x[:3].astype(drawn.dtype), tmp_path_factory.mktemp("back"))


def lowest(network: Network) -> int:
    return check(exported(network)).opset_import[0].version


MERGING = (Add, Multiply, Maximum, Minimum, lambda: cr.Compare("greater"), lambda: cr.Compare("equal"), cr.Where)


@pytest.mark.parametrize("kind", MERGING)
@pytest.mark.parametrize("small", [(4, 1, 1), (1, 5, 3)], ids=str)
def test_inputs_that_are_repeated(kind: Callable[[], Merge], small: tuple[int, ...], tmp_path: Path) -> None:
    """Several small inputs come before the large one, and are joined among themselves first; one may be constant."""
    x = cr.Input((4, 5, 3))
    pooled = cr.AveragePool2D((5, 3))(x) if small[0] == 4 else cr.Conv2D(1, 1)(x)
    assert pooled.shape == small
    fixed = cr.FixedValue(small)(x)
    for inputs in ((pooled, x), (x, fixed), (fixed, x), (pooled, cr.Tanh()(pooled), x), (pooled, fixed, x)):
        if kind().count in (0, len(inputs)):
            network = cr.Graph(x, kind()(*inputs), engine="numpy")
            agree(network, batch(0, (4, 5, 3)))
            comes_back(network, batch(0, (4, 5, 3)), tmp_path)


def test_weights_that_layers_share_are_written_once() -> None:
    x, shared = cr.Input((3, 6)), cr.Conv1D(3, 3, padding="same")
    y = cr.Flatten()(shared(cr.Reshape((3, 6))(cr.Reshape((6, 3))(shared(x)))))
    model = cr.Graph(x, y, engine="numpy")
    graph = check(exported(model)).graph
    assert sorted(each.name for each in graph.initializer if each.name.startswith("conv")) == ["conv1.b", "conv1.w"]
    agree(model, batch(1, (3, 6)))


def test_one_axis_is_written_as_one() -> None:
    layers = [cr.Conv1D(4, 3, convolution=True), cr.BatchNorm1D(), cr.PReLU(), cr.MaxPool1D(2), cr.AveragePool1D(2)]
    model = cr.Sequential(layers, (2, 20), engine="numpy")
    assert "Reshape" not in [node.op_type for node in check(exported(model)).graph.node]
    agree(model, batch(1, (2, 20)))


POOLS = (cr.MaxPool2D(2), cr.MaxPool2D(3, stride=1, padding=1), cr.AveragePool2D(3, stride=2, padding=1))
ROWS = (
    *(cr.Conv2D(2, (3, 2), padding=((1, 1), (0, 0))), cr.Conv2D(2, (1, 2), stride=2, padding=((1, 0), (0, 0)))),
    *(cr.ConvTranspose2D(2, (3, 2)), cr.ConvTranspose2D(2, (1, 2), stride=2, output_padding=1)),
    cr.MaxPool2D((2, 2), stride=1, padding=((0, 1), (0, 0))),
    cr.AveragePool2D((2, 3), stride=2, padding=((1, 0), (1, 0))),
)
SPECIAL: list[tuple[tuple[Layer, ...], tuple[int, ...]]] = [
    *(((cr.Pad2D(zeros), pool), (1, 8, 8)) for pool in POOLS for zeros in (1, 3)),  # ONNX Runtime fuses them
    *(((cr.Tanh(), cr.Reshape((3, 1, 8)), layer), (3, 8)) for layer in ROWS),  # one axis becomes an image
    *(((kind(3, stride=1, padding=1),), (2, 3, 3)) for kind in (cr.MaxPool2D, cr.AveragePool2D)),  # as large as it
]


@pytest.mark.parametrize(("layers", "shape"), SPECIAL, ids=lambda value: " ".join(map(str, value)))
def test_windows_at_the_ends_of_images(layers: tuple[Layer, ...], shape: tuple[int, ...]) -> None:
    """A maximum of negative numbers shows whether the zeros that a layer adds are those of the pooling behind it."""
    x = -1 - np.random.default_rng(0).random((3, *shape), np.float32)
    agree(cr.Sequential(layers, shape, engine="numpy"), x)


@pytest.mark.parametrize(
    ("layer", "since"), [(cr.HardSwish(), 14), (cr.LayerNorm(), 17), (cr.GELU(), 20), (cr.ExactGELU(), 20)], ids=str
)
def test_the_lowest_opset_that_has_all_operators(layer: Layer, since: int) -> None:
    assert lowest(cr.Sequential([cr.Dense(3), layer], (4,), engine="numpy")) == since
