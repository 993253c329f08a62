"""The losses by name, and the final operations of a plan."""

import pytest

from chainrule.errors import OptionError
from chainrule.network import losses
from chainrule.operations import reference


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
