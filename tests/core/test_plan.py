"""The plan: emitted operations, omitted ones, names and scopes."""

import pytest

from chainrule import layers
from chainrule.core.plan import Plan
from chainrule.errors import OptionError
from chainrule.network.network import Network
from chainrule.operations import reference


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


def test_every_operation_exists_and_every_gradient_is_written_once() -> None:
    plan = network().plan("categorical_cross_entropy")
    known = {*reference.__all__}
    assert {*names(plan), *(operation.name for operation in plan.deferred)} <= known
    written = [t.name for operation in plan.operations for t in operation.writes if t.kind == "gradient"]
    assert sorted(written) == ["conv1.db", "conv1.dw", "dense1.db", "dense1.dw", "norm1.dbeta", "norm1.dgamma"]
