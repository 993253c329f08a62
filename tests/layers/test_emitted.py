"""The operations that each family of layers emits, and the initial values of their parameters."""

from typing import Any

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
