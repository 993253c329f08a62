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
