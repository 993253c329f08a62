"""Multiply-adds, bytes and layers of the operations of a plan, counted by loops over the layers."""

import math

import pytest

import chainrule as cr
from chainrule.core.costs import bytes_moved, multiply_adds

LAYERS = [
    cr.Conv2D(4, (3, 2)),
    cr.BatchNorm2D(),
    cr.ReLU(),
    cr.Conv2D(6, 1, groups=2),
    cr.MaxPool2D(2),
    cr.Flatten(),
    cr.Dense(5),
    cr.Tanh(),
    cr.Dense(3),
    cr.Softmax(),
]
# multiply-adds of a sample: outputs times the weights of a filter, for images of 2×8×7
SUMS = {"conv1": 4 * 6 * 6 * 2 * 6, "conv2": 6 * 6 * 6 * 2, "dense1": 5 * 54, "dense2": 3 * 5}
MODEL = cr.Sequential(LAYERS, (2, 8, 7), engine="numpy")
PLAN = MODEL.plan("categorical_cross_entropy")


def test_every_product_is_counted_once_forward_and_once_for_each_gradient() -> None:
    for operations, times in ((PLAN.forward, 1), (PLAN.backward, 2)):
        counts = dict.fromkeys(SUMS, 0)
        for operation in operations:
            count = multiply_adds(operation)
            assert count == 0 or operation.name.split("_d")[0] in ("cross_correlate", "dense")
            if count:
                counts[operation.layer] += count
        if times == 2:  # the gradient of the images is not computed
            counts["conv1"] += SUMS["conv1"]
        assert counts == {name: times * count for name, count in SUMS.items()}


def test_operations_belong_to_their_layers_and_the_loss() -> None:
    for operations in (PLAN.forward, PLAN.backward[::-1], PLAN.deferred):
        layers = [operation.layer for operation in operations]
        assert {*layers} <= {*MODEL.names, "loss"}
        places = [[*MODEL.names, "loss"].index(layer) for layer in layers if layer != "loss"]
        if operations is not PLAN.deferred:
            assert places == sorted(places)
    assert {operation.layer for operation in PLAN.deferred} == {"norm1"}
    trained = {operation.layer for operation in PLAN.forward}
    assert {*SUMS, "norm1", "relu1", "pool1", "tanh1"} <= trained


def test_the_gradients_of_shared_weights_belong_to_the_layers_that_use_them() -> None:
    x = cr.Input((3, 6, 6))
    shared = cr.Conv2D(3, 3, padding="same")
    scores = cr.Dense(2)(cr.Flatten()(shared(shared(x))))
    plan = cr.Graph(x, cr.Softmax()(scores), engine="numpy").plan("categorical_cross_entropy")
    layers = [operation.layer for operation in plan.backward if operation.name == "cross_correlate_dw"]
    assert layers == ["conv2", "conv1"]
    assert [operation.layer for operation in plan.backward if operation.name == "add"] == ["conv1", "conv1"]  # w, b


@pytest.mark.parametrize("samples", [1, 7])
@pytest.mark.parametrize("itemsize", [4, 8])
def test_bytes_are_those_of_the_arrays_of_a_batch(samples: int, itemsize: int) -> None:
    for operation in (*PLAN.operations, *PLAN.deferred):
        elements = 0
        for tensor in (*operation.reads, *operation.writes):
            if tensor is not None:
                is_shared = tensor.kind in ("parameter", "gradient", "state", "statistic")
                elements += math.prod(tensor.shape) * (1 if is_shared else samples)
        assert bytes_moved(operation, samples, itemsize) == elements * itemsize
