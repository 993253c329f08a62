"""Graphs of ONNX that drop the batch axis, keep it, or mix the samples of a batch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop.onnx_models import agree, made, theirs
from numerical import assert_close


def weights(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


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
