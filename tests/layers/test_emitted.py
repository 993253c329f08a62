"""The operations that each family of layers emits, and the initial values of their parameters."""

from typing import Any

import numpy as np
import pytest

from chainrule import layers
from chainrule.core.plan import Builder, Operation, Plan, Tensor
from chainrule.errors import ShapeError
from chainrule.layers import Layer, Parameter
from chainrule.layers.initializers import Fans

Shape = tuple[int, ...]
X = "parameter"  # treat the input as a parameter, so that its gradient is computed


def emitted(layer: Layer, shape: Shape, *, training: bool = True) -> tuple[Tensor, Plan]:
    """Return the output and the plan of a layer named l on an input x."""
    known = {f"l.{one.name}": Tensor(f"l.{one.name}", one.shape, "parameter") for one in layer.parameters(shape, "l")}
    builder = Builder(known, training=training)
    builder.begin("l")
    x = Tensor("x", shape, X)
    y = layer.emit(builder, x)
    return y, builder.plan(x, y)


def learnt(name: str, *shape: int, view: Shape = ()) -> tuple[Tensor, Tensor]:
    """Return a parameter of the layer and its gradient, or a view of each."""
    whole = Tensor(f"l.{name}", view or shape, "parameter")
    return whole, Tensor(f"l.d{name}", view or shape, "gradient")


def result(name: str, *shape: int, kind: Any = "activation", integer: bool = False) -> Tensor:
    return Tensor(f"l.{name}", shape, kind, integer=integer)


def test_conv2d() -> None:
    layer = layers.Conv2D(4, (3, 2), stride=(2, 1), padding=((1, 0), (2, 1)), dilation=(1, 2), groups=2)
    y, plan = emitted(layer, (2, 7, 6))
    sliding = {"stride": (2, 1), "padding": ((1, 0), (2, 1)), "dilation": (1, 2), "groups": 2, "flip": False}
    x, dx, (w, dw), (b, db) = Tensor("x", (2, 7, 6), X), Tensor("dx", (2, 7, 6), "gradient"), *pairs((4, 1, 3, 2), (4,))
    dy = result("dy", 4, 3, 7)
    assert y == result("y", 4, 3, 7)
    assert plan.forward == (Operation("cross_correlate", (x, w, b), (y,), sliding),)
    assert plan.backward == (
        Operation("bias_gradient", (dy,), (db,), {"untied": False}),
        Operation("cross_correlate_dw", (x, dy), (dw,), {**sliding, "kernel": (3, 2)}),
        Operation("cross_correlate_dx", (dy, w), (dx,), {**sliding, "size": (7, 6)}),
    )


def pairs(w: Shape, b: Shape) -> list[tuple[Tensor, Tensor]]:
    return [learnt("w", *w), learnt("b", *b)]


def test_conv1d_is_lifted_to_a_picture() -> None:
    layer = layers.Conv1D(4, 3, stride=2, padding=((1, 2),), dilation=2, bias="untied", convolution=True)
    y, plan = emitted(layer, (2, 9))
    sliding = {
        "stride": (1, 2),
        "padding": ((0, 0), (1, 2)),
        "dilation": (1, 2),
        "groups": 1,
        "flip": True,
    }
    x, dx = Tensor("x", (2, 1, 9), X), Tensor("dx", (2, 1, 9), "gradient")
    w, dw = learnt("w", view=(4, 2, 1, 3))
    b, db = learnt("b", view=(4, 1, 4))
    dy = result("dy", 4, 1, 4)
    assert y == result("y", 4, 4)
    assert plan.forward == (Operation("cross_correlate", (x, w, b), (result("y", 4, 1, 4),), sliding),)
    assert plan.backward == (
        Operation("bias_gradient", (dy,), (db,), {"untied": True}),
        Operation("cross_correlate_dw", (x, dy), (dw,), {**sliding, "kernel": (1, 3)}),
        Operation("cross_correlate_dx", (dy, w), (dx,), {**sliding, "size": (1, 9)}),
    )


@pytest.mark.parametrize("bias", [True, False, "untied"])
def test_transposed_convolution(bias: bool | str) -> None:
    layer = layers.ConvTranspose2D(4, (3, 2), stride=2, padding=((1, 0), (0, 1)), output_padding=1, groups=2, bias=bias)
    y, plan = emitted(layer, (2, 2, 3))
    size = (5, 6)  # 2·1 + 3 − 1 + 1 and 2·2 + 2 − 1 + 1
    sliding = {"stride": (2, 2), "padding": ((1, 0), (0, 1)), "dilation": (1, 1), "groups": 2, "flip": False}
    x, dx = Tensor("x", (2, 2, 3), X), Tensor("dx", (2, 2, 3), "gradient")
    w, dw = learnt("w", 2, 2, 3, 2)
    b, db = learnt("b", *((4, *size) if bias == "untied" else (4,)))
    dy = result("dy", 4, *size)
    spread = result("spread" if bias else "y", 4, *size)
    assert y == result("y", 4, *size)
    assert plan.forward == (
        Operation("cross_correlate_dx", (x, w), (spread,), {**sliding, "size": size}),
        *([Operation("add_bias", (spread, b), (y,))] if bias else []),
    )
    assert plan.backward == (
        *([Operation("bias_gradient", (dy,), (db,), {"untied": bias == "untied"})] if bias else []),
        Operation("cross_correlate_dw", (dy, x), (dw,), {**sliding, "kernel": (3, 2)}),
        Operation("cross_correlate", (dy, w, None), (dx,), sliding),
    )


def test_max_pool_in_one_dimension_keeps_whole_numbers() -> None:
    y, plan = emitted(layers.MaxPool1D(3, stride=2, padding=((1, 0),)), (2, 8))
    window = {"window": (1, 3), "stride": (1, 2), "padding": ((0, 0), (1, 0))}
    x, dx = Tensor("x", (2, 1, 8), X), Tensor("dx", (2, 1, 8), "gradient")
    winner = result("winner", 2, 1, 4, integer=True)
    assert y == result("y", 2, 4)
    assert plan.forward == (Operation("max_pool", (x,), (result("y", 2, 1, 4), winner), window),)
    assert plan.backward == (Operation("max_pool_dx", (result("dy", 2, 1, 4), winner), (dx,), {"size": (1, 8)}),)


@pytest.mark.parametrize(
    ("layer", "divisor"),
    [
        (layers.AveragePool2D((3, 2), stride=(2, 1)), "cells"),
        (layers.AveragePool2D((3, 2), stride=(2, 1), count_padding=True), "window"),
        (layers.SumPool2D((3, 2), stride=(2, 1)), "one"),
    ],
)
def test_mean_pools(layer: Layer, divisor: str) -> None:
    y, plan = emitted(layer, (2, 7, 6))
    x, dx = Tensor("x", (2, 7, 6), X), Tensor("dx", (2, 7, 6), "gradient")
    window = {"window": (3, 2), "stride": (2, 1), "padding": ((0, 0), (0, 0)), "divisor": divisor}
    assert y == result("y", 2, 3, 5)
    assert plan.forward == (Operation("average_pool", (x,), (y,), window),)
    assert plan.backward == (Operation("average_pool_dx", (result("dy", 2, 3, 5),), (dx,), {**window, "size": (7, 6)}),)


def test_ceil_mode_is_padding_at_the_end() -> None:
    _, plan = emitted(layers.MaxPool2D(3, stride=2, padding=((1, 0), (0, 0)), ceil_mode=True), (2, 6, 7))
    assert plan.forward[0].attributes == {"window": (3, 3), "stride": (2, 2), "padding": ((1, 0), (0, 0))}
    _, plan = emitted(layers.MaxPool2D(3, stride=2, padding=((0, 0), (1, 1)), ceil_mode=True), (2, 6, 6))
    assert plan.forward[0].attributes == {"window": (3, 3), "stride": (2, 2), "padding": ((0, 1), (1, 2))}


def test_what_lies_behind_counted_padding_is_not_counted() -> None:
    layer = layers.AveragePool1D(3, stride=2, padding=1, ceil_mode=True, count_padding=True)
    y, plan = emitted(layer, (2, 4))
    x, dx = Tensor("x", (2, 1, 4), X), Tensor("dx", (2, 1, 4), "gradient")
    padded, dpadded = result("padded", 2, 1, 6), result("dpadded", 2, 1, 6)
    ends = {"before": (0, 0, 1), "after": (0, 0, 1)}
    window = {"window": (1, 3), "stride": (1, 2), "padding": ((0, 0), (0, 1)), "divisor": "cells"}
    assert y == result("y", 2, 3)
    assert plan.forward == (
        Operation("pad", (x,), (padded,), ends),
        Operation("average_pool", (padded,), (result("y", 2, 1, 3),), window),
    )
    assert plan.backward == (
        Operation("average_pool_dx", (result("dy", 2, 1, 3),), (dpadded,), {**window, "size": (1, 6)}),
        Operation("crop", (dpadded,), (dx,), ends),
    )


def test_global_average() -> None:
    y, plan = emitted(layers.GlobalAveragePool2D(), (2, 7, 6))
    x, dx = Tensor("x", (2, 7, 6), X), Tensor("dx", (2, 7, 6), "gradient")
    window = {"window": (7, 6), "stride": (7, 6), "padding": ((0, 0), (0, 0)), "divisor": "cells"}
    assert y == result("y", 2)
    assert plan.forward == (Operation("average_pool", (x,), (result("y", 2, 1, 1),), window),)
    backward = Operation("average_pool_dx", (result("dy", 2, 1, 1),), (dx,), {**window, "size": (7, 6)})
    assert plan.backward == (backward,)


@pytest.mark.parametrize(
    ("layer", "forward", "backward", "size"),
    [
        (layers.Pad2D(((1, 0), (2, 3))), "pad", "crop", (2, 8, 11)),
        (layers.Crop2D(((1, 0), (2, 3))), "crop", "pad", (2, 6, 1)),
    ],
)
def test_padding_and_cropping_are_the_gradients_of_each_other(
    layer: Layer, forward: str, backward: str, size: Shape
) -> None:
    y, plan = emitted(layer, (2, 7, 6))
    x, dx = Tensor("x", (2, 7, 6), X), Tensor("dx", (2, 7, 6), "gradient")
    ends = {"before": (0, 1, 2), "after": (0, 0, 3)}
    assert y == result("y", *size)
    assert plan.forward == (Operation(forward, (x,), (y,), ends),)
    assert plan.backward == (Operation(backward, (result("dy", *size),), (dx,), ends),)


@pytest.mark.parametrize(
    ("layer", "mode", "size"),
    [
        (layers.AdaptiveAveragePool2D((7, 4)), "average", (2, 7, 4)),
        (layers.UpSample2D((2, 1)), "nearest", (2, 14, 6)),
        (layers.UpSample2D(3, mode="bilinear"), "bilinear", (2, 21, 18)),
    ],
)
def test_resampling(layer: Layer, mode: str, size: Shape) -> None:
    y, plan = emitted(layer, (2, 7, 6))
    x, dx = Tensor("x", (2, 7, 6), X), Tensor("dx", (2, 7, 6), "gradient")
    assert y == result("y", *size)
    assert plan.forward == (Operation("resample", (x,), (y,), {"outputs": size[1:], "mode": mode}),)
    backward = Operation("resample_dx", (result("dy", *size),), (dx,), {"size": (7, 6), "mode": mode})
    assert plan.backward == (backward,)


def test_adaptive_windows_of_one_size_are_ordinary_average_pooling() -> None:
    _, plan = emitted(layers.AdaptiveAveragePool2D((2, 3)), (2, 4, 6))
    window = {"window": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)), "divisor": "cells"}
    x, dx = Tensor("x", (2, 4, 6), X), Tensor("dx", (2, 4, 6), "gradient")
    assert plan.forward == (Operation("average_pool", (x,), (result("y", 2, 2, 3),), window),)
    assert plan.backward == (Operation("average_pool_dx", (result("dy", 2, 2, 3),), (dx,), {**window, "size": (4, 6)}),)


def test_the_gradient_of_a_permutation_is_the_inverse_one() -> None:
    y, plan = emitted(layers.Permute((1, 2, 0)), (2, 7, 6))
    x, dx = Tensor("x", (2, 7, 6), X), Tensor("dx", (2, 7, 6), "gradient")
    assert y == result("y", 7, 6, 2)
    assert plan.forward == (Operation("permute", (x,), (y,), {"axes": (1, 2, 0)}),)
    assert plan.backward == (Operation("permute", (result("dy", 7, 6, 2),), (dx,), {"axes": (2, 0, 1)}),)


@pytest.mark.parametrize("bias", [True, False])
def test_dense(bias: bool) -> None:
    y, plan = emitted(layers.Dense(3, bias=bias), (5,))
    x, dx, (w, dw), (b, db) = Tensor("x", (5,), X), Tensor("dx", (5,), "gradient"), *pairs((3, 5), (3,))
    dy = result("dy", 3)
    assert y == result("y", 3)
    assert plan.forward == (Operation("dense", (x, w, b if bias else None), (y,)),)
    assert plan.backward == (
        *([Operation("bias_gradient", (dy,), (db,), {"untied": False})] if bias else []),
        Operation("dense_dw", (x, dy), (dw,)),
        Operation("dense_dx", (dy, w), (dx,)),
    )


@pytest.mark.parametrize(
    ("layer", "name", "kept", "attributes"),
    [
        (layers.Sigmoid(), "sigmoid", "y", {}),
        (layers.Arctan(), "arctan", "x", {}),
        (layers.LeakyReLU(0.25), "leaky_relu", "x", {"slope": 0.25}),
    ],
)
def test_activations(layer: Layer, name: str, kept: str, attributes: dict[str, Any]) -> None:
    y, plan = emitted(layer, (5,))
    x, dx = Tensor("x", (5,), X), Tensor("dx", (5,), "gradient")
    assert y == result("y", 5)
    assert plan.forward == (Operation(name, (x,), (y,), attributes),)
    assert plan.backward == (Operation(f"{name}_dx", (result("dy", 5), x if kept == "x" else y), (dx,), attributes),)


def test_batch_norm_needs_the_whole_batch_in_training() -> None:
    y, plan = emitted(layers.BatchNorm2D(momentum=0.25, epsilon=0.5), (2, 3, 4))
    x, dx = Tensor("x", (2, 3, 4), X), Tensor("dx", (2, 3, 4), "gradient")
    (gamma, dgamma), (beta, dbeta) = learnt("gamma", 2), learnt("beta", 2)
    mean, variance = (result(name, 2, kind="statistic") for name in ("mean", "variance"))
    running = (learnt("running_mean", 2)[0], learnt("running_variance", 2)[0])
    dy, whole = result("dy", 2, 3, 4), {"attributes": {"epsilon": 0.5}, "scope": "batch"}
    assert y == result("y", 2, 3, 4)
    assert plan.forward == (Operation("batch_norm", (x, gamma, beta), (y, mean, variance), **whole),)
    assert plan.backward == (
        Operation("batch_norm_dw", (dy, x, mean, variance), (dgamma, dbeta), **whole),
        Operation("batch_norm_dx", (dy, x, gamma, mean, variance), (dx,), **whole),
    )
    share = {"attributes": {"momentum": 0.25}, "runtime": {"count": ("batch", 12)}, "scope": "batch"}
    assert plan.deferred == (Operation("running_statistics", (mean, variance, *running), running, **share),)
    y, plan = emitted(layers.BatchNorm2D(epsilon=0.5), (2, 3, 4), training=False)
    read = (x, gamma, beta, *running)
    assert plan.forward == (Operation("batch_norm_inference", read, (y,), {"epsilon": 0.5}),)
    assert plan.deferred == ()


@pytest.mark.parametrize(
    ("layer", "shape", "seen", "groups", "shared", "count"),
    [
        (layers.GroupNorm(2, epsilon=0.5), (4, 3), (4, 1, 3), 2, False, 4),
        (layers.GroupNorm(1, epsilon=0.5), (4,), (4,), 1, False, 4),
        (layers.InstanceNorm2D(epsilon=0.5), (4, 2, 3), (4, 2, 3), 4, False, 4),
        (layers.LayerNorm(epsilon=0.5), (4, 2, 3), (24,), 8, True, 3),
    ],
)
def test_normalization_of_a_sample_keeps_its_statistics(
    layer: Layer, shape: Shape, seen: Shape, groups: int, shared: bool, count: int
) -> None:
    y, plan = emitted(layer, shape)
    x, dx = Tensor("x", shape, X).viewed(seen), Tensor("dx", shape, "gradient").viewed(seen)
    (gamma, dgamma), (beta, dbeta) = learnt("gamma", count), learnt("beta", count)
    mean, variance, dy = result("mean", groups), result("variance", groups), result("dy", *seen)
    options = {"groups": groups, "shared": shared, "epsilon": 0.5}
    assert y == result("y", *shape)
    assert plan.forward == (Operation("group_norm", (x, gamma, beta), (y.viewed(seen), mean, variance), options),)
    assert plan.backward == (
        Operation("group_norm_dw", (dy, x, mean, variance), (dgamma, dbeta), options),
        Operation("group_norm_dx", (dy, x, gamma, mean, variance), (dx,), options),
    )
    assert emitted(layer, shape, training=False)[1].forward == plan.forward


def test_parametric_relu_learns_a_slope_for_each_channel() -> None:
    y, plan = emitted(layers.PReLU(), (4, 3))
    x, dx = Tensor("x", (4, 3), X).viewed((4, 1, 3)), Tensor("dx", (4, 3), "gradient").viewed((4, 1, 3))
    slope, dslope = learnt("slope", 4)
    dy = result("dy", 4, 1, 3)
    assert y == result("y", 4, 3)
    assert plan.forward == (Operation("prelu", (x, slope), (y.viewed((4, 1, 3)),)),)
    assert plan.backward == (Operation("prelu_dw", (dy, x), (dslope,)), Operation("prelu_dx", (dy, x, slope), (dx,)))
    (parameter,) = layers.PReLU().parameters((4, 3), "l")
    assert parameter.begin(np.random.default_rng(0), np.float32).tolist() == [0.25] * 4


def test_local_response_normalization_reads_its_input_again() -> None:
    y, plan = emitted(layers.LocalResponseNorm(3, alpha=0.5, k=2.0), (4, 3))
    x, dx = Tensor("x", (4, 3), X).viewed((4, 1, 3)), Tensor("dx", (4, 3), "gradient").viewed((4, 1, 3))
    options = {"size": 3, "alpha": 0.5, "beta": 0.75, "k": 2.0}
    assert y == result("y", 4, 3)
    assert plan.forward == (Operation("local_response_norm", (x,), (y.viewed((4, 1, 3)),), options),)
    assert plan.backward == (Operation("local_response_norm_dx", (result("dy", 4, 1, 3), x), (dx,), options),)


def test_dropout_tells_its_stream_and_what_the_run_must_give() -> None:
    y, plan = emitted(layers.Dropout(0.25), (5,))
    x, dx = Tensor("x", (5,), X), Tensor("dx", (5,), "gradient")
    stream, other = emitted_stream("l"), emitted_stream("m")
    given = {
        "attributes": {"rate": 0.25, "stream": stream},
        "runtime": {"seed": ("seed", 1), "step": ("step", 1), "first": ("first", 1)},
    }
    assert plan.forward == (Operation("dropout", (x,), (y,), **given),)
    assert plan.backward == (Operation("dropout", (result("dy", 5),), (dx,), **given),)
    assert stream != other
    for silent in (emitted(layers.Dropout(0.25), (5,), training=False), emitted(layers.Dropout(0), (5,))):
        assert silent[0] == x
        assert silent[1].operations == ()


def emitted_stream(name: str) -> int:
    """Return the stream of dropout in a layer of that name."""
    builder, x = Builder({}, training=True), Tensor("x", (5,), X)
    builder.begin(name)
    layers.Dropout(0.25).emit(builder, x)
    return builder.plan(x, x).forward[0].attributes["stream"]


def scale_and_shift(count: int) -> list[tuple[Any, ...]]:
    return [(name, (count,), initial, Fans(1, 1), True) for name, initial in (("gamma", "ones"), ("beta", "zeros"))]


PARAMETERS: list[tuple[Layer, Shape, list[tuple[Any, ...]]]] = [
    (
        layers.Conv2D(6, (3, 2), groups=2, initializer="he_normal"),
        (4, 7, 6),
        [("w", (6, 2, 3, 2), "he_normal", Fans(12, 36), True), ("b", (6,), "zeros", Fans(12, 36), True)],
    ),
    (
        layers.Conv2D(6, 3, bias="untied"),
        (2, 4, 5),
        [
            ("w", (6, 2, 3, 3), "glorot_uniform", Fans(18, 54), True),
            ("b", (6, 2, 3), "zeros", Fans(18, 54), True),
        ],
    ),
    (layers.Conv1D(6, 3, bias=False), (2, 5), [("w", (6, 2, 3), "glorot_uniform", Fans(6, 18), True)]),
    (
        layers.ConvTranspose2D(6, (3, 2), groups=2),
        (4, 2, 2),
        [("w", (4, 3, 3, 2), "glorot_uniform", Fans(24, 18), True), ("b", (6,), "zeros", Fans(24, 18), True)],
    ),
    (
        layers.Dense(3, initializer="he_uniform"),
        (5,),
        [("w", (3, 5), "he_uniform", Fans(5, 3), True), ("b", (3,), "zeros", Fans(5, 3), True)],
    ),
    (layers.Dense(3, bias=False), (5,), [("w", (3, 5), "glorot_uniform", Fans(5, 3), True)]),
    (
        layers.BatchNorm2D(),
        (2, 3, 4),
        [
            ("gamma", (2,), "ones", Fans(1, 1), True),
            ("beta", (2,), "zeros", Fans(1, 1), True),
            ("running_mean", (2,), "zeros", Fans(1, 1), False),
            ("running_variance", (2,), "ones", Fans(1, 1), False),
        ],
    ),
    (layers.GroupNorm(1), (2,), scale_and_shift(2)),
    (layers.InstanceNorm2D(), (2, 3, 4), scale_and_shift(2)),
    (layers.LayerNorm(), (2, 3), scale_and_shift(3)),
    (layers.MaxPool2D(), (2, 3, 4), []),
]


@pytest.mark.parametrize(("layer", "shape", "expected"), PARAMETERS, ids=[str(layer) for layer, *_ in PARAMETERS])
def test_parameters(layer: Layer, shape: Shape, expected: list[tuple[Any, ...]]) -> None:
    def told(parameter: Parameter) -> tuple[Any, ...]:
        return parameter.name, parameter.shape, parameter.initializer, parameter.fans, parameter.trained

    assert [told(parameter) for parameter in layer.parameters(shape, "l")] == expected


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Conv2D(1, 5, bias=False), (1, 4, 4)),
        (layers.ConvTranspose2D(1, 2, padding=3, bias=False), (1, 4, 4)),
        (layers.MaxPool2D(5), (1, 4, 4)),
        (layers.AveragePool2D(5), (1, 4, 4)),
        (layers.Pad2D(1), (4,)),
        (layers.Permute((1, 0)), (4, 5, 6)),
        (layers.AdaptiveAveragePool2D(1), (4, 5)),
        (layers.UpSample2D(), (4, 5)),
        (layers.Crop2D((0, 2)), (1, 5, 4)),
        (layers.Reshape((3,)), (2,)),
    ],
)
def test_what_cannot_be_emitted_names_the_layer(layer: Layer, shape: Shape) -> None:
    with pytest.raises(ShapeError, match=f"^{type(layer).__name__} 'l': "):
        emitted(layer, shape)


@pytest.mark.parametrize("layer", [layers.Conv2D(1, 5), layers.ConvTranspose2D(1, 2, padding=3), layers.Dense(3)])
def test_parameters_of_what_does_not_fit_name_the_layer(layer: Layer) -> None:
    with pytest.raises(ShapeError, match=f"^{type(layer).__name__} 'l': "):
        layer.parameters((1, 4, 4), "l")
