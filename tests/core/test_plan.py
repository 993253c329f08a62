"""The plan: emitted operations, omitted ones, names and scopes."""

from typing import Literal

import pytest

from chainrule import layers
from chainrule.core.plan import Builder, Operation, Plan, Tensor, gradient_name, gradient_part
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


@pytest.mark.parametrize("readers", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["activation", "parameter"])
def test_the_parts_of_all_readers_are_added_in_order(readers: int, kind: Literal["activation", "parameter"]) -> None:
    """Run the emitted operations as arithmetic: the gradient is the sum of what each reader contributes."""
    shared, owned, scope = Tensor("x", (3,), "input"), dict[str, Tensor](), "sample"
    if kind == "parameter":
        shared, scope = Tensor("dense0.w", (3,), "parameter"), "batch"
        owned[shared.name] = shared
    builder, ends = Builder(owned, training=True), list[Tensor]()
    for number in range(readers):
        builder.begin(f"scale{number}", "dense0")
        source = shared
        if owned:
            source = builder.parameter("w")
        ends.append(builder.activation("y", (3,)))
        builder.forward("scale", [source], [ends[-1]], factor=number + 2)
        builder.backward("scale", [ends[-1].gradient()], [source.gradient()], factor=number + 2)
    plan = builder.plan(shared, ends[-1], [shared.gradient()])
    values = {end.gradient().storage: 10.0**number for number, end in enumerate(ends)}
    for operation in plan.backward:
        reads = [values[tensor.storage] for tensor in operation.reads if tensor is not None]
        result = sum(reads) if operation.name == "add" else operation.attributes["factor"] * reads[0]
        assert operation.name == "scale" or operation.scope == scope
        (written,) = operation.writes
        assert written.storage not in values
        values[written.storage] = result
    assert values[shared.gradient().name] == sum((number + 2) * 10.0**number for number in range(readers))
    assert len(plan.backward) == 2 * readers - 1
    assert not builder.plan(shared, ends[-1]).backward or kind == "parameter"
    frozen = Builder(owned, training=True, frozen={"dense0.w"})
    frozen.begin("scale0", "dense0")
    assert frozen.is_frozen("w")
    assert not frozen.is_frozen("w", "b")
    assert not builder.is_frozen("w")


def test_nothing_is_collected_for_gradients_that_nobody_needs() -> None:
    full = network().plan("categorical_cross_entropy")
    written, frozen = list[str](), {"conv1.w", "conv1.b", "norm1.gamma"}
    for operation in network().plan("categorical_cross_entropy", frozen=frozen).backward:
        written += [tensor.name for tensor in operation.writes]
    assert not any(name.startswith("conv1") for name in written)
    assert {"dense1.dw", "dense1.db", "norm1.dbeta"} <= {*written}
    assert len(written) < sum(len(operation.writes) for operation in full.backward)
    target, loss, correct = full.loss_tensors
    assert (target, loss, correct) == (full.target, full.loss, full.correct)
    assert full.operations == full.forward + full.backward
    assert not full.is_interpreted
