"""The plan: emitted operations, omitted ones, names and scopes."""

import pytest

from chainrule import layers
from chainrule.core.plan import Operation, Plan, Tensor, gradient_name, gradient_part
from chainrule.errors import OptionError
from chainrule.network.network import Network


def network() -> Network:
    return Network(
        [
            layers.Conv2D(4, 3),
            layers.BatchNorm2D(),
            layers.ReLU(),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3),
            layers.Softmax(),
        ],
        (2, 8, 8),
        engine="numpy",
    )


def names(plan: Plan) -> list[str]:
    return [operation.name for operation in plan.operations]


def test_training_plan_runs_forward_then_backward_in_reverse() -> None:
    assert names(network().plan("categorical_cross_entropy")) == [
        "cross_correlate",
        "batch_norm",
        "relu",
        "max_pool",
        "dropout",
        "dense",
        "softmax_cross_entropy",  # softmax and categorical cross-entropy fused, on the logits
        "correct",
        "softmax_cross_entropy_dp",
        "bias_gradient",
        "dense_dw",
        "dense_dx",
        "dropout",
        "max_pool_dx",
        "relu_dx",
        "batch_norm_dw",
        "batch_norm_dx",
        "bias_gradient",
        "cross_correlate_dw",  # and no cross_correlate_dx: the gradient of the images is not used
    ]


def test_inference_plan_has_no_dropout_and_takes_running_statistics() -> None:
    plan = network().plan()
    assert names(plan) == ["cross_correlate", "batch_norm_inference", "relu", "max_pool", "dense", "softmax"]
    assert not plan.backward
    assert not plan.deferred
    with pytest.raises(OptionError, match="inference"):
        _ = plan.loss_tensors


def test_losses_other_than_categorical_leave_softmax_apart() -> None:
    plan = network().plan("mean_squared_error")
    assert names(plan)[6:10] == ["softmax", "mean_squared_error", "correct", "mean_squared_error_dp"]
    assert "softmax_dx" in names(plan)


def test_tensors_have_the_names_of_their_gradients_and_parts() -> None:
    weight, value = Tensor("conv1.w", (4, 2, 3, 3), "parameter"), Tensor("relu1.y", (4, 6, 6))
    assert (weight.size, weight.per_sample, weight.storage) == (72, False, "conv1.w")
    assert (value.size, value.per_sample) == (144, True)
    for tensor, name, kind in ((weight, "conv1.dw", "gradient"), (value, "relu1.dy", "activation")):
        gradient = tensor.gradient()
        assert (gradient.name, gradient.storage, gradient.kind, gradient.shape) == (name, name, kind, tensor.shape)
        assert gradient.differentiated == tensor.name
        view = gradient.viewed((tensor.size,))
        assert (view.name, view.storage, view.shape, view.size) == (name, name, (tensor.size,), tensor.size)
        for number, end in ((0, ""), (1, "_2"), (4, "_5")):
            part = gradient.part("pool1", number)
            assert part.name == part.storage == f"{name}_pool1{end}"
            assert part.kind == ("statistic" if kind == "gradient" else kind)
        assert gradient.part("pool1").name == gradient_part(tensor.name, "pool1")
    source = Tensor("x", (3,), "input")
    assert source.gradient().name == gradient_name("x") == "dx"
    assert source.gradient().differentiated == "x"


def test_arguments_that_are_known_at_run_time_are_multiplied() -> None:
    runtime = {"count": ("batch", 64), "first": ("first", 1)}
    operation = Operation("some", (None,), (), {"rate": 0.5, "count": 0}, runtime)
    assert operation.arguments({"batch": 3, "first": 7, "step": 1}) == {"rate": 0.5, "count": 192, "first": 7}
    assert operation.attributes["count"] == 0
    with pytest.raises(AssertionError):
        operation.operand()
