"""Graphs of ONNX that drop the batch axis, keep it, or mix the samples of a batch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop.onnx_models import agree, made, ours, theirs
from numerical import assert_close

from chainrule.errors import FormatError

SHAPE = ("n", 4, 6, 6)


def weights(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


TWO_SAMPLES = {"s": np.array([0]), "e": np.array([2]), "a": np.array([0])}
MIXED: dict[str, tuple[str, dict[str, Any]]] = {
    "the first samples": ("y = Slice(t, s, e, a)", TWO_SAMPLES),
    "the last samples": (
        "y = Slice(t, s, e, a)",
        TWO_SAMPLES | {"s": np.array([-9]), "e": np.array([2**40])},
    ),
    "one sample": ("y = Gather(t, s)", TWO_SAMPLES),
    "all samples as one": ("y = Flatten<axis = 0>(t)", {}),
    "entries as samples": ("y = Flatten<axis = 4>(t)", {}),
    "all entries in a row": ("y = Reshape(t, s)", {"s": np.array([1, -1])}),
    "an axis that is there for one sample alone": (
        """
            s = Squeeze(t)
            y = Softmax<axis = 1>(s)
        """,
        {},
    ),
    "parts of an axis that is the first for one sample alone": (
        """
            s = Squeeze(t)
            y, z = Split<axis = 0>(s, p)
        """,
        {"p": np.array([1, 3])},  # valid for 1 sample, whose first axis is the one of 4, and for 4
    ),
    "slopes with more axes": ("y = PRelu(t, p)", {"p": np.full((1,) * 5, 2, np.float32)}),
    "a mean over the samples": ("y = ReduceMean(t, s)", TWO_SAMPLES),
    "twice the samples": ("y = Concat<axis = 0>(t, t)", {}),
    "a power with more axes": ("y = Pow(t, p)", {"p": np.full((1,) * 5, 2, np.float32)}),
    "a bound with more axes": ("y = Max(t, p)", {"p": np.full((1,) * 5, 2, np.float32)}),
    "a factor that is the batch size": (
        """
            n = Shape<end = 1>(t)
            f = Cast<to = 1>(n)
            y = Div(t, f)
        """,
        {},
    ),
}


@pytest.mark.parametrize("what", MIXED)
def test_samples_that_are_mixed_are_refused(what: str, tmp_path: Path) -> None:
    nodes, constants = MIXED[what]
    with pytest.raises(FormatError):
        ours(tmp_path, made(f"t = Tanh(x) {nodes}", constants, SHAPE, 18))


ONE = (1, 3, 4, 1)
DROPPED: dict[str, tuple[str, dict[str, Any], tuple[Any, ...]]] = {
    "dense": (
        """
            s = Squeeze(x)
            y = MatMul(s, w)
        """,
        {"w": weights(4, 2)},
        ONE,
    ),
    "constant that brings it back": (
        """
            s = Squeeze(x)
            a = Add(s, w)
            y = Softmax<axis = 1>(a)
        """,
        {"w": weights(1, 1, 4)},
        ONE,
    ),
    "constant that brings it back before two axes": (
        """
            s = Squeeze(x)
            a = Add(s, w)
            y = BatchNormalization(a, b, c, d, e)
        """,
        {"w": weights(1, 4), **{name: abs(weights(4)) for name in "bcde"}},
        (1, 4, 1),
    ),
    "mean with the input": (
        """
            s = Squeeze(x)
            y = Mean(s, x)
        """,
        {},
        (1, 3, 4),
    ),
    "itself": (
        """
            r = Relu(x)
            s = Squeeze(x)
            y = Add(s, r)
        """,
        {},
        (1, 3, 4),
    ),
    "axis that comes back": (
        """
            s = Squeeze(x)
            u = Unsqueeze(s, a)
            y = Softmax<axis = 1>(u)
        """,
        {"a": np.array([0])},
        ONE,
    ),
    "shape without it": (
        """
            s = Reshape(x, t)
            y = Softmax<axis = 0>(s)
        """,
        {"t": np.array([4, 3])},
        ONE,
    ),
}


@pytest.mark.parametrize("what", DROPPED)
def test_a_batch_axis_of_one_may_be_dropped(what: str, tmp_path: Path) -> None:
    nodes, constants, shape = DROPPED[what]
    x = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    agree(tmp_path, made(nodes, constants, shape, 18), x)


OPEN: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "Squeeze where axes count from the end": (
        """
            s = Squeeze(x)
            y = Softmax<axis = -1>(s)
        """,
        {},
        (3, 4, 1),
    ),
    "a Slice to the number of Shape, and to the two numbers that exporters write for the end": (
        """
            n = Shape<end = 1>(x)
            a = Slice(x, z, n, z)
            b = Slice(a, z, short, z)
            c = Slice(b, z, long, z)
            y = Tanh(c)
        """,
        {"z": np.array([0]), "short": np.array([2**31 - 1]), "long": np.array([2**63 - 1])},
        (3,),
    ),
    "a number for each sample, without axes for one sample alone": (
        """
            g = Gemm<transB = 1>(x, w)
            s = Squeeze(g)
            m = Mul(s, c)
            y = Sigmoid(m)
        """,
        {"w": weights(1, 3), "c": np.array(2, np.float32)},
        (3,),
    ),
    "a constant repeated for every sample": (
        """
            n = Shape<end = 1>(x)
            t = Concat<axis = 0>(n, k)
            e = Expand(c, t)
            m = MatMul(x, w)
            y = Add(m, e)
        """,
        {"k": np.array([4]), "c": weights(4), "w": weights(3, 4)},
        (3,),
    ),
    "rows of all samples in one axis": (
        """
            t = Transpose<perm = [0, 2, 1]>(x)
            r = Reshape(t, rows)
            g = Gemm<transB = 1>(r, w, c)
            a = Relu(g)
            m = MatMul(a, v)
            s = Softmax<axis = 1>(m)
            y = Reshape(s, back)
        """,
        {
            "rows": np.array([-1, 3]),
            "back": np.array([-1, 4, 2]),
            "w": weights(5, 3),
            "c": weights(5),
            "v": weights(5, 2),
        },
        (3, 4),
    ),
}


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("what", OPEN)
def test_graphs_for_any_number_of_samples(what: str, size: int, tmp_path: Path) -> None:
    nodes, constants, shape = OPEN[what]
    x = np.random.default_rng(3).standard_normal((size, *shape)).astype(np.float32)
    loaded = agree(tmp_path, made(nodes, constants, ("n", *shape)), x)
    assert what != "a constant repeated for every sample" or loaded.names == ["dense1"]


def test_a_file_for_one_sample_that_leaves_the_batch_size_open(tmp_path: Path) -> None:
    """ONNX Runtime refuses more samples; here each of them is computed as it would be alone."""
    nodes = """
        r = Reshape(x, t)
        y = Softmax(r)
    """
    model = made(nodes, {"t": np.array([1, 12])}, ("n", 3, 4))
    x = np.random.default_rng(6).standard_normal((2, 3, 4)).astype(np.float32)
    loaded = agree(tmp_path, model, x[:1])
    assert_close(loaded.predict(x)[1:], theirs(model, x[1:]))


@pytest.mark.parametrize("last", [1, 4])
def test_slopes_are_aligned_with_the_last_axis(last: int, tmp_path: Path) -> None:
    x = np.random.default_rng(7).standard_normal((2, 4, 4)).astype(np.float32)
    model = made("y = PRelu(x, s)", {"s": weights(*(4, last)[: 2 if last == 1 else 1])}, ("n", 4, 4))
    agree(tmp_path, model, x)
