"""Operations that are joined with a batch normalization, forward and backward, and those that must not be."""

from typing import Any

import numpy as np
import pytest

from chainrule import layers
from chainrule.core.plan import Plan
from chainrule.engines.compiled.passes.batch_norm import divide_norms
from chainrule.engines.compiled.passes.rewriting import kernels_of, rewrite
from chainrule.engines.compiled.passes.steps import PlanStep
from chainrule.engines.compiled.passes.verification import check_plan
from chainrule.models.model import Graph
from chainrule.models.network import Network

LOSS = "softmax_cross_entropy"


def network(*after: Any, loss: str | None = LOSS) -> Plan:
    made = [layers.Conv2D(3, 3), layers.BatchNorm2D(), *after, layers.Flatten(), layers.Dense(3)]
    return Network(made, (2, 8, 7), engine="numpy").plan(loss)


def norms(plan: Plan) -> list[PlanStep]:
    """Return the operations of the normalization, and those of activations that are left, in the rewritten plan."""
    rewritten = rewrite(plan, 4)
    check_plan(rewritten, 4)
    return [each for each in rewritten.operations if "norm" in each.name or "relu" in each.name]


@pytest.mark.parametrize(("activation", "step"), [(layers.ReLU(), ("rectify", True))])
def test_the_activation_and_the_gradients_join(activation: Any, step: tuple[str, Any]) -> None:
    forward, *_, backward = norms(network(activation))
    assert forward.name == "batch_norm"
    assert step in forward.epilogue.items()
    assert [tensor.name for tensor in forward.writes] == [f"{activation.kind}1.y", "norm1.mean", "norm1.variance"]
    assert backward.name == "batch_norm_backward"
    assert backward.scope == "batch"
    assert [tensor.name for tensor in backward.writes] == ["norm1.dgamma", "norm1.dbeta", "conv1.dy"]


def computed(plan: Plan) -> list[str]:
    """Return the names of the operations that the kernels of a rewritten plan compute."""
    return [each.name for each in plan.operations]


def inference(*made: Any) -> list[str]:
    """Return the names of the operations of a rewritten plan for inference, without the layers at its end."""
    x = layers.Input((2, 8, 7))
    y = x
    for layer in made:
        y = layer(y)
    plan = rewrite(Graph(x, layers.Dense(3)(layers.Flatten()(y)), engine="numpy").plan(None), 4)
    check_plan(plan, 4)
    return computed(plan)[:-1]


def test_in_inference_the_activation_joins() -> None:
    assert inference(layers.BatchNorm2D(), layers.ReLU()) == ["batch_norm_inference"]
    assert inference(layers.Conv2D(3, 3), layers.ReLU()) == ["cross_correlate"]
    scaled = layers.Conv2D(3, 3), layers.BatchNorm2D(), layers.ReLU()
    assert inference(*scaled) == ["batch_norm_scale", "cross_correlate"]


@pytest.mark.parametrize(("channels", "groups"), [(4, 1), (16, 16)])
def test_of_two_normalizations_a_convolution_does_the_first(channels: int, groups: int) -> None:
    x = layers.Input((channels, 8, 7))
    twice = layers.BatchNorm2D()(layers.BatchNorm2D()(layers.Conv2D(channels, 3, groups=groups)(x)))
    found = []
    for engine in ("compiled", "reference"):
        model = Graph(x, twice, engine=engine, dtype="float64", seed=1)
        found.append(model.predict(np.random.default_rng(1).standard_normal((3, channels, 8, 7))))
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)
    plan = rewrite(Graph(x, twice, engine="numpy").plan(None), 4)
    assert computed(plan) == ["batch_norm_scale", "cross_correlate", "batch_norm_inference"]
    assert (plan.forward[1].kernel == "correlate_few") == (groups > 1)


def test_in_inference_a_convolution_with_a_bias_for_every_position_does_not() -> None:
    assert inference(layers.Conv2D(3, 3, bias="untied"), layers.BatchNorm2D())[1:] == ["batch_norm_inference"]


def test_in_inference_a_convolution_that_is_read_twice_does_not() -> None:
    x = layers.Input((2, 8, 7))
    sums = layers.Conv2D(3, 3)(x)
    plan = rewrite(Graph(x, layers.Add()(sums, layers.BatchNorm2D()(sums)), engine="numpy").plan(None), 4)
    assert [each.name for each in plan.operations][1:] == ["batch_norm_inference", "add"]


def test_long_channels_are_divided_and_short_ones_are_not() -> None:
    for size, whole in (((2, 12, 12), False), ((2, 8, 7), True)):
        made = [layers.Conv2D(3, 3), layers.BatchNorm2D(), layers.Flatten(), layers.Dense(3)]
        plan = divide_norms(rewrite(Network(made, size, engine="numpy").plan(LOSS), 4))
        check_plan(plan, 4)
        scopes = {each.scope for each in plan.operations if "norm" in each.name and each.writes[0].per_sample}
        assert scopes == ({"batch"} if whole else {"sample"})


def test_other_activations_stay() -> None:
    forward, backward = norms(network(layers.GELU()))
    assert (forward.name, backward.name) == ("batch_norm", "batch_norm_backward")
    assert [each.name for each in norms(network(layers.LeakyReLU(0.0)))] == [
        "batch_norm",
        "leaky_relu",
        "leaky_relu_dx",
        "batch_norm_backward",
    ]


def test_the_kernel_of_each_tensor() -> None:
    names = {storage: name for storage, (_, name) in kernels_of(network(layers.ReLU()), 4).items()}
    assert names["norm1.y"] == names["relu1.y"] == "batch_norm"
    assert names["conv1.dy"] == names["norm1.dgamma"] == "batch_norm_backward"
    assert names["norm1.dy"] == "relu_dx"
    assert names["relu1.dy"] == "dense_dx"


def test_the_gradient_of_a_sum_is_copied_for_both_terms() -> None:
    x = layers.Input((1, 3, 3))
    branching = Graph(x, layers.Flatten()(layers.Add()(x, layers.Conv2D(1, 3, padding=1)(x))), engine="numpy")
    plan = branching.trace(np.ones((1, 3, 3)), np.ones(9), loss="half_squared_error").plan
    names = {storage: name for storage, (_, name) in kernels_of(plan, 4).items()}
    assert names["conv1.dy"] == "add_dx"
    assert names["add1.dy"] == "half_squared_error_dp"
    assert names["dx"] == "add"
