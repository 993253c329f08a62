"""From options to an optimizer: the recipe's values that are kept."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import draws

from chainrule.cli.training_request import choose_optimizer
from chainrule.errors import OptionError
from chainrule.training.optimizers import SGD, Adam, AdamW, Momentum, Nesterov, RMSProp

KINDS = (SGD, Momentum, Nesterov, Adam, AdamW, RMSProp)
ALIKE = ({Momentum, Nesterov}, {Adam, AdamW})  # take steps of similar size
NUMBERS = {"learning_rate": 0.37, "weight_decay": 0.21, "momentum": 0.31, "beta1": 0.71, "alpha": 0.83}


def numbers_of(optimizer: Any) -> dict[str, float]:
    return {field.name: getattr(optimizer, field.name) for field in fields(optimizer)}


@pytest.mark.parametrize("own", KINDS)
@pytest.mark.parametrize("named", [None, *KINDS])
@settings(max_examples=draws(4))
@given(named_numbers=st.sets(st.sampled_from([*NUMBERS])))
def test_numbers_are_kept_for_steps_of_the_same_size(own: Any, named: Any, named_numbers: set[str]) -> None:
    """Other steps begin with their defaults; Adam that decays is AdamW; numbers that are named win."""
    own_numbers = {name: value / 2 for name, value in numbers_of(own()).items()}
    kind = named or own
    keeps = kind is own or any({kind, own} <= alike for alike in ALIKE)
    kind = AdamW if kind is Adam and "weight_decay" in named_numbers else kind
    known = numbers_of(kind())
    options = {name: NUMBERS[name] for name in named_numbers if name in known}
    kept = {name: value for name, value in own_numbers.items() if keeps and name in known}
    optimizer = choose_optimizer(own(**own_numbers), named and named().name, options)
    assert optimizer == kind(**known | kept | options)


@pytest.mark.parametrize(
    ("name", "number"), [("sgd", "beta1"), ("sgd", "momentum"), ("adam", "momentum"), ("momentum", "beta2")]
)
def test_numbers_that_an_optimizer_does_not_have(name, number):
    with pytest.raises(OptionError, match=f"{name} has no {number}; it has: learning_rate"):
        choose_optimizer(SGD(), name, {number: 0.5})
