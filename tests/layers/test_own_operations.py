"""The two operations that a custom layer emits, called as in a plan: values, dtypes, and number of calls."""

from typing import Any

import numpy as np
from numerical import assert_close, normals

from chainrule.core.plan import Builder, Tensor
from chainrule.layers import CustomLayer


class Scale:
    """y = w x with a scalar w, in float64 for any x; counts its forward passes."""

    def __init__(self):
        self.w, self.times = np.array(3.0), 0

    def forward(self, x):
        self.times += 1
        self.x = x
        return np.multiply(self.w, x, dtype=np.result_type(x, np.float64))

    def backward(self, dy):
        self.dw = np.array((dy * self.x).sum())
        return np.multiply(self.w, dy, dtype=np.result_type(dy, np.float64))


def calls(layer: CustomLayer, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Return the forward and the backward operation of a layer named own1."""
    known = {one.name: Tensor(f"own1.{one.name}", one.shape, "parameter") for one in layer.parameters(shape, "own1")}
    builder = Builder({f"own1.{name}": tensor for name, tensor in known.items()}, training=True)
    builder.begin("own1")
    x = Tensor("x", shape, "parameter")
    plan = builder.plan(x, layer.emit(builder, x))
    return plan.forward[0].call, plan.backward[0].call


def test_complex_numbers_pass() -> None:
    x = normals(1, (2, 4))[0].astype(complex)
    (y,) = calls(CustomLayer(Scale()), (4,))[0](x, np.array(3.0))
    np.testing.assert_array_equal(y, 3 * x)


def test_backward_goes_forward_again_only_for_other_numbers() -> None:
    thing = Scale()
    forward, backward = calls(CustomLayer(thing), (4,))
    x, other = normals(1, (2, 4), (2, 4))
    w, dy = np.array(3.0), np.ones((2, 4))
    forward(x, w)
    before = thing.times
    backward(dy, x, w)
    assert thing.times == before
    assert_close(backward(dy, other, w)[1], other.sum())
    assert thing.times == before + 1
