"""The losses by name, and the final operations of a plan."""

import pytest

from chainrule.network import losses
from chainrule.operations import reference


@pytest.mark.parametrize("name", losses.NAMES)
def test_every_name_is_an_operation_with_a_gradient(name: str) -> None:
    assert {name, f"{name}_dp"} <= set(reference.__all__)
    assert losses.find(name) == losses.find(name.replace("_", "-")) == name
