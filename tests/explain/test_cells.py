"""Names of cells: parsing, canonical form and refusals."""

import numpy as np
import pytest
from explain.networks import trace_of
from numerical import assert_close

from chainrule import layers as cr
from chainrule.errors import OptionError
from chainrule.explain.cataloguing import overview
from chainrule.network.network import Network

LAYERS = [cr.Conv2D(4, (3, 2)), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(5), cr.BatchNorm2D(), cr.Softmax()]


@pytest.fixture(scope="module")
def trace():
    return trace_of(Network(LAYERS, (2, 8, 7), engine="numpy"), "categorical_cross_entropy")


@pytest.fixture(scope="module")
def batch():
    return trace_of(Network(LAYERS, (2, 8, 7), engine="numpy"), "categorical_cross_entropy", samples=3)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        (" conv1.y [ 3, 5,0 ] ", "conv1.y[3,5,0]"),
        ("flatten1.y[35]", "pool1.y[3,2,2]"),
        ("dense1.dx[10]", "pool1.dy[1,0,1]"),
        ("conv1.update[3,1,2,1]", "conv1.w.update[3,1,2,1]"),
        ("conv1.update[3]", "conv1.b.update[3]"),
        ("loss.p[2]", "norm1.y[2]"),
        ("loss.y[]", "loss.y"),
        ("loss", "loss.y"),
    ],
)
def test_cells_have_one_name(trace, written, canonical):
    explanation = trace.explain(written)
    assert explanation.cell == canonical
    assert trace.explain(canonical) == explanation
    assert trace.explain(explanation.tensor, explanation.index) == explanation


def test_aliases_name_cells_of_their_arrays(trace, batch):
    """Cells of a batch have the sample first."""
    for each in (trace, batch):
        for name in (*each.names, *each.catalogue.aliases):
            last = [size - 1 for size in each[name].shape]
            assert each.explain(f"{name}{last}").value == each[name][tuple(last)]
    assert batch.explain("flatten1.y[2,35]").cell == "pool1.y[2,3,2,2]"
    with pytest.raises(OptionError, match="4 indices"):
        batch.explain("conv1.y[3,5,0]")


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("conv9.y[0,0,0]", ["'conv9.y'", "did you mean", "conv1.y", "layers: conv1, relu1"]),
        ("conv1.q[0]", ["conv1 has no 'q'", "dw", "w.update"]),
        ("conv1.y[4,0,0]", ["conv1.y[4,0,0]", "index 0 from 0 to 3", "4×6×6"]),
        ("conv1.y[0,0]", ["conv1.y[0,0]", "3 indices", "4×6×6", "found 2"]),
        ("loss.y[0]", ["loss.y[0]", "no indices", "a single number", "found 1"]),
        ("norm1.update[1]", ["norm1.update", "norm1.gamma.update", "norm1.beta.update"]),
        ("conv1.y[0,0", ["'conv1.y[0,0'", "TENSOR[i,j,…]"]),
        ("conv1.y[a,b,c]", ["whole numbers", "[a,b,c]"]),
    ],
)
def test_unknown_cells_are_refused(trace, written, parts):
    with pytest.raises(OptionError) as caught:
        trace.explain(written)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_loss_reads_scores_or_the_last_output():
    """Read the scores where softmax is fused with the loss or absent, else the last layer's output."""
    for ending, loss, name in (
        ([cr.Softmax()], "categorical_cross_entropy", "dense1.y"),
        ([], "softmax_cross_entropy", "dense1.y"),
        ([cr.Softmax()], "half_squared_error", "softmax1.y"),
    ):
        trace = trace_of(Network([cr.Dense(3), *ending], (4,), engine="numpy"), loss)
        assert trace.explain("loss.p[1]").cell == f"{name}[1]"
        assert trace.explain("loss.dp[1]").cell == f"{name.replace('y', 'dy')}[1]"
        assert trace.explain("loss.y").details.sources[0] == f"{name}[0]"


def test_arrays_have_the_shape_of_the_layer(trace, batch):
    assert trace["conv1.x"].shape == (2, 8, 7)
    assert trace["flatten1.y"].shape == (36,)
    np.testing.assert_array_equal(trace["flatten1.y"], trace["pool1.y"].reshape(-1))
    np.testing.assert_array_equal(trace["dense1.dx"], trace["pool1.dy"].reshape(-1))
    assert batch["pool1.y"].shape == (3, 4, 3, 3)
    assert batch["conv1.w"].shape == (4, 2, 3, 2)
    assert "conv1.dx" in trace
    assert "conv9.y" not in trace
    trace["conv1.w"][...] = 7
    assert (trace["conv1.w"] != 7).all()


def test_cells_have_the_shape_of_the_operation_or_that_of_the_layer():
    trace = trace_of(Network([cr.Conv1D(3, 2), cr.Flatten(), cr.Dense(2)], (2, 6), engine="numpy"))
    assert trace.explain("conv1.y[2,4]").cell == "conv1.y[2,0,4]"
    assert trace.explain("conv1.w[2,1,0]").cell == "conv1.w[2,1,0]"
    derived = trace.explain("conv1.dw[2,1,0]").details
    assert derived.instantiated == "dw[2,1,0,0] = Σ_{i,j} dy[2,i,j] · x[1,i,j]"
    assert all(part in derived.words for part in ("3×2×2", "3×2×1×2", "[2,1,0]", "[2,1,0,0]"))
    network = Network([cr.Conv2D(3, 2), cr.GlobalAveragePool2D(), cr.Dense(2)], (2, 6, 5), engine="numpy")
    assert trace_of(network).explain("pool1.y[2]").cell == "pool1.y[2,0,0]"


def test_overviews_are_those_of_numpy(trace, batch):
    for of, name in (*((trace, name) for name in ("conv1.y", "flatten1.y", "conv1.dw")), (batch, "loss")):
        values, summary = of[name], of.overview(name)
        assert (summary.shape, summary.numbers, summary.zeros) == (values.shape, values.size, int((values == 0).sum()))
        assert (summary.least, summary.greatest) == (values.min(), values.max())
        assert abs(summary.largest) == np.abs(values).max()
        assert of.explain(summary.largest_cell).value == summary.largest
        assert of.explain(summary.first_cell).value == values.reshape(-1)[0]
        assert_close(summary.to_json()["mean"], values.mean())
        assert of.is_tensor(name)
    assert not trace.is_tensor("loss")
    assert not trace.is_tensor("conv1.y[0,0,0]")
    assert not trace.is_tensor("nothing")
    for name, words in (("loss", "loss is a single number"), ("nothing", "no tensor 'nothing'")):
        with pytest.raises(OptionError, match=words):
            trace.overview(name)


def test_an_overview_counts_values_that_are_not_finite():
    summary = overview("x", "x", np.array([[1.0, np.nan], [np.inf, -3.0]]))
    assert (summary.not_finite, summary.least, summary.mean, summary.greatest) == (2, -3, -1, 1)
    assert "2 of them not finite" in str(summary)
    assert "from NaN to NaN" in str(overview("x", "x", np.array([np.nan])))
