"""The losses by name, and the final operations of a plan."""

import pytest

from chainrule.core.plan import Builder, Operation, Tensor
from chainrule.errors import OptionError
from chainrule.operations import reference
from chainrule.training import loss_plan, losses
from chainrule.training.tasks import CLASSIFICATION


@pytest.mark.parametrize("name", losses.NAMES)
def test_every_name_is_an_operation_with_a_gradient(name: str) -> None:
    assert {name, f"{name}_dp"} <= set(reference.__all__)
    assert losses.find(name) == losses.find(name.replace("_", "-")) == name


def test_an_unknown_loss_is_quoted_as_it_was_given() -> None:
    with pytest.raises(OptionError) as caught:
        losses.find("hinge-loss")
    known = "half_squared_error, mean_squared_error, mean_absolute_error, huber, binary_cross_entropy"
    known += ", categorical_cross_entropy, softmax_cross_entropy, binary_focal_cross_entropy"
    known += ", categorical_focal_cross_entropy, dice"
    assert str(caught.value) == f"unknown loss 'hinge-loss'; known: {known}"


def test_a_plan_ends_with_loss_hits_and_gradient() -> None:
    builder, p = Builder({}, training=True), Tensor("dense1.y", (3,))
    ends = loss_plan.emit(builder, "mean_squared_error", p, CLASSIFICATION)
    target, loss, correct = Tensor("t", (3,), "target"), Tensor("loss.y", ()), Tensor("loss.correct", ())
    assert ends == {"target": target, "loss": loss, "correct": correct}
    plan = builder.plan(p, p, **ends)
    assert plan.forward == (
        Operation("mean_squared_error", (p, target), (loss,)),
        Operation("correct", (p, target), (correct,)),
    )


def test_the_gradient_is_that_of_the_mean_over_the_batch() -> None:
    """Use a parameter as prediction: operations that lead to no parameter are left out of the plan."""
    builder = Builder({"dense1.y": Tensor("dense1.y", (3,), "parameter")}, training=True)
    builder.begin("dense1")
    p = builder.parameter("y")
    ends = loss_plan.emit(builder, "mean_squared_error", p, CLASSIFICATION)
    (gradient,) = builder.plan(p, p, **ends).backward
    expected = Tensor("dense1.dy", (3,), "gradient")
    assert gradient == Operation(
        "mean_squared_error_dp", (p, ends["target"]), (expected,), runtime={"batch": ("batch", 1)}
    )
    assert gradient.arguments({"batch": 7}) == {"batch": 7}
